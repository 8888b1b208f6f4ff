package warehouse

import "github.com/jackc/pgx/v5"

// rowSource feeds rows to COPY, one at a time, reusing one slice for their values.
type rowSource[T any] struct {
	columns []column[T]
	rows    []T
	next    int
	values  []any
}

func newRowSource[T any](t *table[T], rows []T) pgx.CopyFromSource {
	all := t.all()
	return &rowSource[T]{columns: all, rows: rows, values: make([]any, len(all))}
}

// Next advances to the next row.
func (s *rowSource[T]) Next() bool { s.next++; return s.next <= len(s.rows) }

// Values returns the row's values in the order of the columns.
func (s *rowSource[T]) Values() ([]any, error) {
	row := &s.rows[s.next-1]
	for i, c := range s.columns {
		s.values[i] = c.value(row)
	}
	return s.values, nil
}

// Err never fails: the rows are in memory.
func (s *rowSource[T]) Err() error { return nil }
