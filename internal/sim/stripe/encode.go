package stripe

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// enc writes JSON the way Stripe prints it: one member a line, indented by two spaces. It writes straight from the
// states, without reflection, so that a page of a hundred large objects costs well under a millisecond.
type enc struct {
	b     []byte
	depth int
	comma bool
}

const spaces = "                                                                                                "

func (e *enc) line() {
	if e.comma {
		e.b = append(e.b, ',')
	}
	e.newline()
	e.comma = true
}

func (e *enc) newline() {
	e.b = append(e.b, '\n')
	e.b = append(e.b, spaces[:min(2*e.depth, len(spaces))]...)
}

// key starts a member; its value must follow.
func (e *enc) key(name string) {
	e.line()
	e.b = append(e.b, '"')
	e.b = append(e.b, name...)
	e.b = append(e.b, `": `...)
}

func (e *enc) begin(bracket byte) {
	e.b = append(e.b, bracket)
	e.depth++
	e.comma = false
}

// end closes what begin opened; an empty object or array stays on one line.
func (e *enc) end(bracket byte) {
	e.depth--
	if e.comma {
		e.newline()
	}
	e.b = append(e.b, bracket)
	e.comma = true
}

func (e *enc) open(name string)  { e.key(name); e.begin('{') }
func (e *enc) close()            { e.end('}') }
func (e *enc) array(name string) { e.key(name); e.begin('[') }
func (e *enc) endArray()         { e.end(']') }

// item starts an element of an array; its value must follow.
func (e *enc) item() { e.line() }

func (e *enc) str(name, v string) {
	e.key(name)
	e.value(v)
}

// text writes null for an empty string, as Stripe does for nearly every text that was never set.
func (e *enc) text(name, v string) {
	if v == "" {
		e.null(name)
		return
	}
	e.str(name, v)
}

func (e *enc) num(name string, v int64) {
	e.key(name)
	e.b = strconv.AppendInt(e.b, v, 10)
}

// stamp writes a time in seconds, null for zero.
func (e *enc) stamp(name string, v int64) {
	if v == 0 {
		e.null(name)
		return
	}
	e.num(name, v)
}

func (e *enc) flag(name string, v bool) {
	e.key(name)
	e.b = strconv.AppendBool(e.b, v)
}

func (e *enc) null(names ...string) {
	for _, n := range names {
		e.key(n)
		e.b = append(e.b, "null"...)
	}
}

func (e *enc) emptyArray(names ...string) {
	for _, n := range names {
		e.key(n)
		e.b = append(e.b, "[]"...)
	}
}

func (e *enc) emptyObject(names ...string) {
	for _, n := range names {
		e.key(n)
		e.b = append(e.b, "{}"...)
	}
}

// nulls writes an object whose members are all null.
func (e *enc) nulls(name string, members ...string) {
	e.open(name)
	e.null(members...)
	e.close()
}

func (e *enc) strings(name string, vs ...string) {
	e.array(name)
	for _, v := range vs {
		e.item()
		e.value(v)
	}
	e.endArray()
}

// raw writes JSON that was made elsewhere, indented to where it stands.
func (e *enc) raw(v []byte) {
	var buf bytes.Buffer
	if json.Indent(&buf, v, spaces[:min(2*e.depth, len(spaces))], "  ") != nil {
		e.b = append(e.b, v...)
		return
	}
	e.b = append(e.b, bytes.TrimSpace(buf.Bytes())...)
}

func (e *enc) value(v string) {
	for i := range len(v) {
		if c := v[i]; c < 0x20 || c == '"' || c == '\\' {
			e.escaped(v)
			return
		}
	}
	e.b = append(e.b, '"')
	if !utf8.ValidString(v) {
		v = strings.ToValidUTF8(v, "\uFFFD")
	}
	e.b = append(e.b, v...)
	e.b = append(e.b, '"')
}

func (e *enc) escaped(v string) {
	var buf bytes.Buffer
	w := json.NewEncoder(&buf)
	w.SetEscapeHTML(false)
	if w.Encode(v) == nil {
		e.b = append(e.b, bytes.TrimSpace(buf.Bytes())...)
	}
}
