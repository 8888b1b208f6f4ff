package warehouse

import (
	"bytes"
	"cmp"
	"reflect"
	"slices"
	"time"

	"memberintel/internal/canonical"
)

// Tie names a record of which two observations stand in no certain order and say different things. What
// was read after After, on the source's clock, settles it.
type Tie struct {
	Table    string
	Variant  string // a transaction's kind, a plan's level
	SourceID string
	After    time.Time
}

type key struct{ id, variant string }

// fold leaves one row an identity, in the order of identities: the one that the ordering rule would leave
// if the rows came one after the other. Rows that it cannot order are reported. The caller's rows stay as they
// are, since a transaction that is retried folds them again.
func fold[T any](t *table[T], rows []T) ([]T, []Tie) {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b T) int { return compareKeys(t.keyOf(&a), t.keyOf(&b)) })
	var ties []Tie
	out := rows[:0]
	for i := range rows {
		row := rows[i]
		if len(out) == 0 || t.keyOf(&out[len(out)-1]) != t.keyOf(&row) {
			out = append(out, row)
			continue
		}
		last := &out[len(out)-1]
		a, b := t.head(last), t.head(&row)
		switch {
		case a.Deleted == canonical.DeletedByEvent && !t.reusable:
		case b.Deleted == canonical.DeletedByEvent && !t.reusable, b.Observed.NewerThan(a.Observed):
			*last = row
		case a.Observed.NewerThan(b.Observed):
		case t.equal(last, &row):
			if b.Observed.Until.After(a.Observed.Until) {
				*last = row
			}
		default:
			k := t.keyOf(&row)
			ties = append(ties, Tie{t.name, k.variant, k.id, later(a.Observed.Until, b.Observed.Until)})
		}
	}
	return out, ties
}

func (t *table[T]) keyOf(row *T) key {
	k := key{id: t.head(row).SourceID}
	if t.variant != "" {
		for _, c := range t.columns {
			if c.name == t.variant {
				if v := c.value(row).(*string); v != nil {
					k.variant = *v
				}
				break
			}
		}
	}
	return k
}

// equal reports whether two rows of one identity say the same.
func (t *table[T]) equal(a, b *T) bool {
	if t.head(a).Deleted != t.head(b).Deleted {
		return false
	}
	if bytes.Equal(t.head(a).Raw, t.head(b).Raw) {
		return true
	}
	for _, c := range t.columns {
		if !reflect.DeepEqual(c.value(a), c.value(b)) {
			return false
		}
	}
	return true
}

func compareKeys(a, b key) int {
	return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.variant, b.variant))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
