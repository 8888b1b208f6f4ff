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

// fold orders rows by identity and leaves out those that the others make needless, so that merging the
// layers one after the other ends as merging the rows one by one would. A layer holds an identity at most
// once; most batches have one layer. Rows that cannot be ordered are reported. rows is left as it is.
func fold[T any](t *table[T], rows []T) (layers [][]T, ties []Tie) {
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b T) int { return compareKeys(t.keyOf(&a), t.keyOf(&b)) })
	put := func(depth int, row T) {
		if depth == len(layers) {
			layers = append(layers, nil)
		}
		layers[depth] = append(layers[depth], row)
	}
	depth := 0
	for i := range rows {
		row := rows[i]
		if i == 0 || t.keyOf(&rows[i-1]) != t.keyOf(&row) {
			depth = 0
			put(depth, row)
			continue
		}
		last := &layers[depth][len(layers[depth])-1]
		switch t.follow(last, &row) {
		case needless:
		case instead:
			h := t.head(&row)
			h.Observed.From = later(h.Observed.From, t.head(last).Observed.From)
			*last = row
		case unordered:
			k := t.keyOf(&row)
			ties = append(ties, Tie{t.name, k.variant, k.id, later(t.head(last).Observed.Until, t.head(&row).Observed.Until)})
		case after:
			depth++
			put(depth, row)
		}
	}
	return layers, ties
}

// latest leaves one row an identity, in the order of identities: the last that counts.
func latest[T any](t *table[T], rows []T) []T {
	layers, _ := fold(t, rows)
	if len(layers) == 0 {
		return nil
	}
	out := layers[0]
	for _, layer := range layers[1:] {
		for i := range layer {
			at, _ := slices.BinarySearchFunc(out, t.keyOf(&layer[i]), func(row T, k key) int { return compareKeys(t.keyOf(&row), k) })
			out[at] = layer[i]
		}
	}
	return out
}

// following says what becomes of a row that comes after another of the same identity.
type following int

const (
	needless  following = iota // it tells nothing that counts
	instead                    // it makes the earlier one needless
	unordered                  // nobody knows which one counts
	after                      // both count, one after the other
)

// follow decides as the statements of merge and bury would. Whatever is not plain it leaves to them.
func (t *table[T]) follow(last, row *T) following {
	a, b := t.head(last), t.head(row)
	switch {
	case a.Deleted == canonical.DeletedByEvent && !t.reusable:
		return needless
	case a.Deleted != "" || b.Deleted != "":
		return after
	case a.Observed.NewerThan(b.Observed):
		return needless
	}
	same, newer := t.equal(last, row), b.Observed.NewerThan(a.Observed)
	switch {
	case same && !b.Observed.Until.After(a.Observed.Until):
		return needless
	case same || newer:
		if !t.covers(last, row) || (t.historic && !same) {
			return after
		}
		return instead
	default:
		if !t.covers(last, row) {
			return after
		}
		return unordered
	}
}

// covers reports whether row says all that last said, so that nothing of it would be kept.
func (t *table[T]) covers(last, row *T) bool {
	a, b := t.head(last), t.head(row)
	if (a.CreatedAt != nil && b.CreatedAt == nil) || (a.UpdatedAt != nil && b.UpdatedAt == nil) || (a.EventID != "" && b.EventID == "") {
		return false
	}
	for _, c := range t.columns {
		if c.sticky && !reflect.ValueOf(c.value(last)).IsNil() && reflect.ValueOf(c.value(row)).IsNil() {
			return false
		}
	}
	return true
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
