package warehouse

import (
	"encoding/json"
	"slices"

	"memberintel/internal/canonical"
)

// foreign is a column for an id at a payment platform. Another platform's own number is none, whatever a pipeline says:
// it would link records that have nothing in common but that each platform counts from one.
func foreign[T any](name string, get func(*T) *string) column[T] {
	return text(name, func(r *T) *string {
		id := get(r)
		if id == nil {
			return nil
		}
		return canonical.Foreign(*id)
	})
}

// foreignOnes leaves of a JSON array of ids those that payment platforms made, nil where there are none.
func foreignOnes(raw []byte) []byte {
	var ids []string
	if len(raw) == 0 || json.Unmarshal(raw, &ids) != nil {
		return nil
	}
	made := func(id string) bool { return canonical.Foreign(id) != nil }
	if len(ids) > 0 && !slices.ContainsFunc(ids, func(id string) bool { return !made(id) }) {
		return raw
	}
	ids = slices.DeleteFunc(ids, func(id string) bool { return !made(id) })
	if len(ids) == 0 {
		return nil
	}
	kept, _ := json.Marshal(ids) // a list of texts can always be written
	return kept
}
