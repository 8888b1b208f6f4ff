package warehouse

import (
	"fmt"
	"time"
	"unsafe"

	"memberintel/internal/canonical"
)

// build completes a table: the head's columns before its own, and the statements made of both.
func build[T any](t table[T]) table[T] {
	t.sql = generate(t, t.all())
	return t
}

func (t *table[T]) all() []column[T] { return append(headColumns(t.head), t.columns...) }

// columnNames lists the incoming columns in the order of values.
func (t *table[T]) columnNames() []string {
	all := t.all()
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = c.name
	}
	return names
}

// arrays turns rows into one array a column, the form in which unnest takes them.
func (t *table[T]) arrays(rows []T) []any {
	all := t.all()
	out := make([]any, len(all))
	for i, c := range all {
		switch c.typ {
		case "text", "jsonb", "numeric":
			out[i] = gather[T, string](rows, c)
		case "bigint":
			out[i] = gather[T, int64](rows, c)
		case "integer":
			out[i] = gather[T, int32](rows, c)
		case "boolean":
			out[i] = gather[T, bool](rows, c)
		case "timestamptz", "date":
			out[i] = gather[T, time.Time](rows, c)
		default:
			panic(fmt.Sprintf("warehouse: %s.%s: no array of %s", t.name, c.name, c.typ))
		}
	}
	return out
}

func gather[T, V any](rows []T, c column[T]) []*V {
	out := make([]*V, len(rows))
	for i := range rows {
		out[i] = c.value(&rows[i]).(*V)
	}
	return out
}

// identityOf returns the four parameters that start every statement.
func identityOf(tenantID any, src canonical.Source) []any {
	return []any{tenantID, src.Platform, src.AccountID, src.Livemode}
}

// jsonText shows JSON bytes as a string without copying; they must not be changed while it is in use.
func jsonText(b []byte) *string {
	if len(b) == 0 {
		return nil
	}
	s := unsafe.String(&b[0], len(b))
	return &s
}
