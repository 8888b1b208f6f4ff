package stripe

import (
	"strconv"
	"unsafe"

	"github.com/tidwall/gjson"
)

// reader reads one object and keeps the first thing in it that was not understood. Reading goes on after
// that, so that a mapping is one straight list of fields; its result is thrown away.
type reader struct {
	stream, id string
	err        *SchemaError
}

// object is a JSON object whose keys were read in one pass. A nil object has no fields. Where a key stands
// twice the last one counts, as in jsonb.
type object struct {
	r      *reader
	raw    string
	fields []field

	parent *object // for the path in an error
	name   string
	index  int // in a list, else -1
}

// field is what is used of a gjson.Result, which is larger.
type field struct {
	key, raw, text string
	kind           gjson.Type
}

// parse reads the keys of raw, which must be a JSON object known to be valid. Nothing is copied: what is read
// points into raw, which must not change afterwards.
func (r *reader) parse(raw []byte) *object {
	return r.open(unsafe.String(unsafe.SliceData(raw), len(raw)), nil, "", -1)
}

func (r *reader) open(raw string, parent *object, name string, index int) *object {
	o := &object{r: r, raw: raw, parent: parent, name: name, index: index}
	room := 16
	if parent == nil {
		room = 80
	}
	o.fields = make([]field, 0, room)
	gjson.Parse(raw).ForEach(func(key, value gjson.Result) bool {
		o.fields = append(o.fields, field{key.Str, value.Raw, value.Str, value.Type})
		return true
	})
	return o
}

// bytesOf is the part of the input that s points to.
func bytesOf(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// get returns the value of key; a missing one does not Exist.
func (o *object) get(key string) gjson.Result {
	if o == nil {
		return gjson.Result{}
	}
	for i := len(o.fields) - 1; i >= 0; i-- {
		if f := &o.fields[i]; f.key == key {
			return gjson.Result{Type: f.kind, Raw: f.raw, Str: f.text}
		}
	}
	return gjson.Result{}
}

// has reports whether key stands in the object, null or not.
func (o *object) has(key string) bool { return o.get(key).Exists() }

// said returns the value of key and whether it is there and not null.
func (o *object) said(key string) (gjson.Result, bool) {
	v := o.get(key)
	return v, v.Type != gjson.Null
}

// json returns an object as it stands; null and missing are nil.
func (o *object) json(key string) []byte {
	v, ok := o.said(key)
	if !ok {
		return nil
	}
	if !v.IsObject() {
		o.refuse(key, kindOf(v), "an object or null")
		return nil
	}
	return bytesOf(v.Raw)
}

// metadata returns the user's own fields as a JSON object, {} when there are none.
func (o *object) metadata() []byte {
	if own := o.json("metadata"); own != nil {
		return own
	}
	return []byte("{}")
}

// child opens an object within; nil when it is null or missing.
func (o *object) child(key string) *object {
	v, ok := o.said(key)
	if !ok {
		return nil
	}
	if !v.IsObject() {
		o.refuse(key, kindOf(v), "an object or null")
		return nil
	}
	return o.r.open(v.Raw, o, key, -1)
}

// elements opens the objects of an array; none when it is null or missing.
func (o *object) elements(key string) []*object {
	v, ok := o.said(key)
	if !ok {
		return nil
	}
	if !v.IsArray() {
		o.refuse(key, kindOf(v), "a list")
		return nil
	}
	var out []*object
	v.ForEach(func(_, element gjson.Result) bool {
		if !element.IsObject() {
			o.refuse(key, "a list that holds "+kindOf(element), "a list of objects")
			return false
		}
		out = append(out, o.r.open(element.Raw, o, key, len(out)))
		return true
	})
	return out
}

// list opens the objects of a nested Stripe list and tells whether Stripe cut it off.
func (o *object) list(key string) (elements []*object, truncated bool) {
	list := o.child(key)
	if list == nil {
		return nil, false
	}
	list.mustOneOf("object", "list")
	if !list.get("data").IsArray() {
		list.refuse("data", kindOf(list.get("data")), "a list")
	}
	return list.elements("data"), list.mustFlag("has_more")
}

// refuse keeps the first thing that was not understood.
func (o *object) refuse(key, found, expected string) {
	if o.r.err == nil {
		o.r.err = &SchemaError{Stream: o.r.stream, ID: o.r.id, Field: o.path(key), Found: found, Expected: expected}
	}
}

func (o *object) path(key string) string {
	if o == nil || o.parent == nil {
		return key
	}
	at := o.name
	if o.index >= 0 {
		at += "[" + strconv.Itoa(o.index) + "]"
	}
	return o.parent.path(at) + "." + key
}
