package stripe

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// SchemaError says that an object has a shape that the mapping does not know. Its sentence names the place
// and the kinds of things met there, and never a value that could be personal.
type SchemaError struct {
	Stream   string // the stream's name, as in Stream.Name
	ID       string // the object's id, "" when it has none that can be used
	Field    string // dotted path to the field, "" for the object as a whole
	Found    string // what was there, in words
	Expected string // what was expected, in words
}

// Error is one sentence for the customer and the operator alike.
func (e *SchemaError) Error() string {
	what := "An object of Stripe's " + e.Stream
	if e.ID != "" {
		what += ", " + e.ID + ","
	}
	if e.Field == "" {
		return fmt.Sprintf("%s was not understood: found %s, expected %s.", what, e.Found, e.Expected)
	}
	return fmt.Sprintf("%s was not understood: %s holds %s, expected %s.", what, e.Field, e.Found, e.Expected)
}

// maxDepth is far beyond what Stripe nests, and far below what exhausts a parser's stack here or in the
// database.
const maxDepth = 100

// maxDigits and maxExponent bound the numbers that are taken: PostgreSQL's numeric, which holds every number
// of a jsonb, ends some way above.
const (
	maxDigits   = 400
	maxExponent = 3 // digits
)

// unstorable tells in words why raw cannot be stored as jsonb and as text, or "" when it can: it is not UTF-8
// or not a JSON object, is nested too deep, or holds a NUL, half a surrogate pair or an endless number, all of
// which JSON allows and PostgreSQL refuses.
func unstorable(raw []byte) string {
	if !utf8.Valid(raw) {
		return "bytes that are not UTF-8"
	}
	if problem := scan(raw, true); problem != "" {
		return problem
	}
	if !gjson.ValidBytes(raw) {
		return "bytes that are not JSON"
	}
	if trimmed := bytes.TrimLeft(raw, blanks); trimmed[0] != '{' {
		return "JSON that is not an object"
	}
	return ""
}

// scan walks over raw, which need not be JSON, and tells what a recursive parser or the database would choke
// on. Without content it looks at the depth alone.
func scan(raw []byte, content bool) string {
	depth := 0
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c <= ' ' {
			continue // Stripe sends more blanks than anything else
		}
		switch {
		case c == '"':
			end, problem := scanString(raw, i+1, content)
			if problem != "" {
				return problem
			}
			i = end
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return "JSON nested too deep"
			}
		case c == '}' || c == ']':
			depth--
		case content && (c == '-' || c >= '0' && c <= '9'):
			end := scanNumber(raw, i)
			if endless(raw[i:end]) {
				return "a number that is too long"
			}
			i = end - 1
		}
	}
	return ""
}

// scanString returns the index of the quote that ends the string whose first byte is at start.
func scanString(raw []byte, start int, content bool) (int, string) {
	for i := start; i < len(raw); i++ {
		switch raw[i] {
		case '"':
			return i, ""
		case '\\':
			if !content || i+1 >= len(raw) || raw[i+1] != 'u' {
				i++
				continue
			}
			unit, ok := hex4(raw, i+2)
			switch {
			case !ok:
				return i, "bytes that are not JSON"
			case unit == 0:
				return i, "a NUL character"
			case unit >= 0xdc00 && unit <= 0xdfff:
				return i, "half a surrogate pair"
			case unit >= 0xd800 && unit <= 0xdbff:
				low, ok := escapedUnit(raw, i+6)
				if !ok || low < 0xdc00 || low > 0xdfff {
					return i, "half a surrogate pair"
				}
				i += 6
			}
			i += 5
		}
	}
	return len(raw), ""
}

// escapedUnit reads a whole \uXXXX at i.
func escapedUnit(raw []byte, i int) (int, bool) {
	if i+6 > len(raw) || raw[i] != '\\' || raw[i+1] != 'u' {
		return 0, false
	}
	return hex4(raw, i+2)
}

func hex4(raw []byte, i int) (int, bool) {
	if i+4 > len(raw) {
		return 0, false
	}
	unit := 0
	for _, c := range raw[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			unit = unit<<4 | int(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			unit = unit<<4 | int(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return unit, true
}

// scanNumber returns the index after the number that starts at start.
func scanNumber(raw []byte, start int) int {
	i := start
	for i < len(raw) {
		switch c := raw[i]; {
		case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
			i++
		default:
			return i
		}
	}
	return i
}

func endless(number []byte) bool {
	if len(number) > maxDigits {
		return true
	}
	e := bytes.IndexAny(number, "eE")
	return e >= 0 && len(bytes.TrimLeft(number[e+1:], "+-0")) > maxExponent
}
