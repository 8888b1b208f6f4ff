package memberpress

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/tidwall/gjson"
)

// decode reads the row into the struct that row points to, whose tags name every field there is, here and in the
// objects within. A field that is not known, one that is missing or comes twice, another type and a null where the
// protocol has none are refused: nothing is dropped silently, and nothing is made up. Texts point into the row.
func (m *mapper) decode(row any) bool {
	whole := gjson.Parse(unsafe.String(unsafe.SliceData(m.raw), len(m.raw)))
	if !whole.IsObject() || !utf8.Valid(m.raw) {
		m.refuse("row", "not a JSON object in UTF-8")
		return false
	}
	id := whole.Get("id").Raw
	if number, err := strconv.ParseInt(id, 10, 64); err != nil || number <= 0 {
		m.refuse("id", "not a positive whole number")
		return false
	}
	m.id = id
	m.object("", whole, reflect.ValueOf(row).Elem())
	return m.err == nil
}

// object reads an object into a struct. The plugin writes fields in the order of the struct, so the next one is
// nearly always the one to look at.
func (m *mapper) object(path string, from gjson.Result, into reflect.Value) {
	shape := into.Type()
	var seen [64]bool // by field; no row has as many
	next := 0
	from.ForEach(func(key, value gjson.Result) bool {
		at := next
		if at >= shape.NumField() || shape.Field(at).Tag.Get("json") != key.Str {
			at = fieldNamed(shape, key.Str)
		}
		switch {
		case at < 0:
			m.refuse(shorten(key.Str), "a field that this version does not know")
		case seen[at]:
			m.refuse(path+key.Str, "comes twice")
		default:
			seen[at], next = true, at+1
			m.value(path+key.Str, value, into.Field(at))
		}
		return m.err == nil
	})
	if missing := slices.Index(seen[:shape.NumField()], false); missing >= 0 {
		m.refuse(path+shape.Field(missing).Tag.Get("json"), "is missing")
	}
}

func fieldNamed(shape reflect.Type, name string) int {
	for i := range shape.NumField() {
		if shape.Field(i).Tag.Get("json") == name {
			return i
		}
	}
	return -1
}

// value reads a value into a field of any of the types that rows are made of.
func (m *mapper) value(field string, from gjson.Result, into reflect.Value) {
	kind := into.Kind()
	switch {
	case from.Type == gjson.Null && kind == reflect.Pointer:
	case from.Type == gjson.Null:
		m.refuse(field, "null, where the protocol has a value")
	case kind == reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		m.value(field, from, into.Elem())
	case into.Type() == reflect.TypeFor[instant]():
		m.instant(from, into.Addr().Interface().(*instant))
	case kind == reflect.String && from.Type == gjson.String:
		into.SetString(from.Str)
	case kind == reflect.Bool && from.IsBool():
		into.SetBool(from.Type == gjson.True)
	case into.CanInt() && from.Type == gjson.Number:
		number, err := strconv.ParseInt(from.Raw, 10, into.Type().Bits())
		if err != nil {
			m.mistyped(field, from)
		}
		into.SetInt(number)
	case kind == reflect.Struct && from.IsObject():
		m.object(field+".", from, into)
	case kind == reflect.Slice && from.IsArray():
		m.list(field, from, into)
	case kind == reflect.Map && from.IsObject():
		if json.Unmarshal([]byte(from.Raw), into.Addr().Interface()) != nil {
			m.mistyped(field, from)
		}
	default:
		m.mistyped(field, from)
	}
}

func (m *mapper) list(field string, from gjson.Result, into reflect.Value) {
	all := from.Array()
	into.Set(reflect.MakeSlice(into.Type(), len(all), len(all)))
	for i, one := range all {
		m.value(field, one, into.Index(i))
	}
}

// mistyped says which field has another type, and never what it holds.
func (m *mapper) mistyped(field string, from gjson.Result) {
	m.refuse(field, fmt.Sprintf("a JSON %s, where the protocol has another type", typeOf(from)))
}

func typeOf(r gjson.Result) string {
	switch {
	case r.IsObject():
		return "object"
	case r.IsArray():
		return "array"
	case r.IsBool():
		return "bool"
	default:
		return strings.ToLower(r.Type.String())
	}
}

// instant is a time of the protocol: RFC 3339 in UTC.
type instant struct{ time.Time }

// instant reads a time and refuses everything but UTC with a Z.
func (m *mapper) instant(from gjson.Result, into *instant) {
	at, err := time.Parse(time.RFC3339, from.Str)
	if err != nil || !strings.HasSuffix(from.Str, "Z") || at.Year() < 1 {
		m.refuse("time", "not a moment in UTC")
		return
	}
	into.Time = at.UTC()
}

// at returns the moment, nil for none.
func (i *instant) at() *time.Time {
	if i == nil {
		return nil
	}
	return &i.Time
}

// oneOf translates a value of an enumeration; one that the table does not have is refused.
func (m *mapper) oneOf(field, native string, table map[string]string) string {
	meaning, known := table[native]
	if !known {
		m.refuse(field, fmt.Sprintf("the value %q, which this version does not know", native[:min(len(native), 40)]))
	}
	return meaning
}
