package memberpress

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// decode reads the row into the struct that row points to, whose tags name every field there is. A field that is
// not known, one that is missing, another type and a null where the protocol has none are refused: nothing is
// dropped silently, and nothing is made up.
func (m *mapper) decode(row any) bool {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(m.raw, &fields); err != nil {
		m.refuse("row", "not a JSON object")
		return false
	}
	if id, err := strconv.ParseInt(string(fields["id"]), 10, 64); err != nil || id <= 0 {
		m.refuse("id", "not a positive whole number")
		return false
	}
	m.id = string(fields["id"])
	m.complete(fields, reflect.TypeOf(row).Elem())
	decoder := json.NewDecoder(bytes.NewReader(m.raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(row); err != nil {
		m.refuse(blamed(err))
	}
	return m.err == nil
}

// complete holds the names of the fields against those of the struct.
func (m *mapper) complete(fields map[string]json.RawMessage, row reflect.Type) {
	known := make(map[string]bool, row.NumField())
	for i := range row.NumField() {
		field := row.Field(i)
		key := field.Tag.Get("json")
		known[key] = true
		value, there := fields[key]
		switch kind := field.Type.Kind(); {
		case !there:
			m.refuse(key, "is missing")
		case string(value) == "null" && kind != reflect.Pointer:
			m.refuse(key, "null, where the protocol has a value")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !known[key] {
			m.refuse(key, "a field that this version does not know")
			return
		}
	}
}

// blamed says which field a decoder stumbled over, and never over which value.
func blamed(err error) (field, problem string) {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return wrong.Field, fmt.Sprintf("a JSON %s, where the protocol has another type", strings.SplitN(wrong.Value, " ", 2)[0])
	}
	if text, found := strings.CutPrefix(err.Error(), "json: unknown field "); found {
		return strings.Trim(text, `"`), "a field that this version does not know"
	}
	if wrong := (*instantError)(nil); errors.As(err, &wrong) {
		return "time", "not a moment in UTC"
	}
	return "row", "not JSON as the protocol has it"
}

// instant is a time of the protocol: RFC 3339 in UTC.
type instant struct{ time.Time }

type instantError struct{}

func (*instantError) Error() string { return "not a moment in UTC" }

// UnmarshalJSON refuses everything but UTC with a Z.
func (i *instant) UnmarshalJSON(raw []byte) error {
	text := strings.Trim(string(raw), `"`)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || !strings.HasSuffix(text, "Z") || at.Year() < 1 {
		return &instantError{}
	}
	i.Time = at.UTC()
	return nil
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
