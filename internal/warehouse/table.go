// Package warehouse owns the canonical tables: how a batch of records is merged into them under the
// ordering rule, how derived columns follow, and how a pass over the source is compared with them. One file
// describes one table; table.go and merge.go say once what holds for all of them.
//
// The ordering rule: a row carries the span on the source's clock in which its state was read. A record
// that was read clearly later replaces it, one that was read clearly earlier is ignored, and where the two
// may stand in either order and say different things neither is trusted: the record is reported as a tie,
// and whoever sent it fetches the object again.
package warehouse

import (
	"time"

	"memberintel/internal/canonical"
)

// table describes one canonical table of records of type T, for the generic statements.
type table[T any] struct {
	name     string
	key      string // a further key column, "" when source_id is enough
	variant  string // the column that tells apart what shares the table, "" when nothing does
	reusable bool   // ids are chosen by people: a deleted one can live again
	historic bool   // each state counts, also one that a later one of the same batch replaces
	columns  []column[T]
	initial  []initial // derived columns of a row that is new
	fill     fill      // the same in a pass, from what has been read by then
	head     func(*T) *canonical.Head
	sql      statements
}

// column is one mapped column: what the source says of a record.
type column[T any] struct {
	name  string
	typ   string // the PostgreSQL type
	value func(*T) any
	// A sticky column is not overwritten by a source that is silent about it, as an event is about a
	// settlement that only a fetch expands. With a keeper the old value lasts only while that column does.
	sticky bool
	keeper string
	where  condition // sticky in the rows where that holds, in all when it is empty
	once   bool      // what was said first stays as long as the keeper is the same, where the condition holds
	ours   bool      // says what is known here, and nothing about the source: not compared with it
}

// condition is the value of a boolean column of the incoming row.
type condition struct {
	column string
	value  bool
}

// fill is derived columns, over the incoming row s and what is joined to it.
type fill struct {
	from    string
	columns []initial
}

// initial is what a derived column most often is for a new row, over the incoming row s. It spares a second write.
type initial struct{ name, expression string }

func text[T any](name string, get func(*T) *string) column[T] {
	return column[T]{name: name, typ: "text", value: func(r *T) any { return get(r) }}
}

func plain[T any](name string, get func(*T) string) column[T] {
	return column[T]{name: name, typ: "text", value: func(r *T) any { s := get(r); return emptyAsNil(&s) }}
}

func bigint[T any](name string, get func(*T) *int64) column[T] {
	return column[T]{name: name, typ: "bigint", value: func(r *T) any { return get(r) }}
}

func amount[T any](name string, get func(*T) int64) column[T] {
	return column[T]{name: name, typ: "bigint", value: func(r *T) any { n := get(r); return &n }}
}

func integer[T any](name string, get func(*T) *int32) column[T] {
	return column[T]{name: name, typ: "integer", value: func(r *T) any { return get(r) }}
}

func boolean[T any](name string, get func(*T) bool) column[T] {
	return column[T]{name: name, typ: "boolean", value: func(r *T) any { b := get(r); return &b }}
}

func flag[T any](name string, get func(*T) *bool) column[T] {
	return column[T]{name: name, typ: "boolean", value: func(r *T) any { return get(r) }}
}

func numeric[T any](name string, get func(*T) *string) column[T] {
	return column[T]{name: name, typ: "numeric", value: func(r *T) any { return get(r) }}
}

func moment[T any](name string, get func(*T) *time.Time) column[T] {
	return column[T]{name: name, typ: "timestamptz", value: func(r *T) any { return get(r) }}
}

func day[T any](name string, get func(*T) *time.Time) column[T] {
	return column[T]{name: name, typ: "date", value: func(r *T) any { return get(r) }}
}

func object[T any](name string, get func(*T) []byte) column[T] {
	return column[T]{name: name, typ: "jsonb", value: func(r *T) any { return jsonText(get(r)) }}
}

// metadata is a JSON object that is never null.
func metadata[T any](get func(*T) []byte) column[T] {
	empty := "{}"
	return column[T]{name: "metadata", typ: "jsonb", value: func(r *T) any {
		if s := jsonText(get(r)); s != nil {
			return s
		}
		return &empty
	}}
}

func (c column[T]) kept(keeper string) column[T] {
	c.sticky, c.keeper = true, keeper
	return c
}

// keptWhere makes a column sticky in rows whose boolean column has the value: elsewhere the source's word counts, also
// when it is that there is nothing.
func (c column[T]) keptWhere(name string, value bool) column[T] {
	c.sticky, c.where = true, condition{name, value}
	return c
}

// lasting makes a column keep its value where the source says nothing.
func (c column[T]) lasting() column[T] {
	c.sticky = true
	return c
}

// settledWith makes a column keep what it has, which may have been derived since, in rows whose boolean column holds and as
// long as the keeper stays the same.
func (c column[T]) settledWith(keeper, where string) column[T] {
	c.sticky, c.once, c.keeper, c.where = true, true, keeper, condition{where, true}
	return c
}

// headColumns are those that every record brings. raw is compared apart, the rest not at all.
func headColumns[T any](head func(*T) *canonical.Head) []column[T] {
	return []column[T]{
		{name: "source_id", typ: "text", value: func(r *T) any { return &head(r).SourceID }},
		{name: "source_api_version", typ: "text", value: func(r *T) any { return &head(r).APIVersion }},
		{name: "raw", typ: "jsonb", value: func(r *T) any { return jsonText(head(r).Raw) }},
		{name: "observed_at", typ: "timestamptz", value: func(r *T) any { return &head(r).Observed.From }},
		{name: "observed_until", typ: "timestamptz", value: func(r *T) any { return &head(r).Observed.Until }},
		{name: "source_created_at", typ: "timestamptz", value: func(r *T) any { return head(r).CreatedAt }},
		{name: "source_updated_at", typ: "timestamptz", value: func(r *T) any { return head(r).UpdatedAt }},
		{name: "last_event_id", typ: "text", value: func(r *T) any { return emptyAsNil(&head(r).EventID) }},
		{name: "delete_reason", typ: "text", value: func(r *T) any { return emptyAsNil((*string)(&head(r).Deleted)) }},
	}
}

func emptyAsNil(s *string) *string {
	if *s == "" {
		return nil
	}
	return s
}
