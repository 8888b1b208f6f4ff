package stripe

import (
	"math/rand/v2"
	"slices"
)

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

func newRand(seed, stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, stream*0x9E3779B97F4A7C15+1))
}

func random(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = base62[r.IntN(len(base62))]
	}
	return string(b)
}

// newID makes the next id of a kind. It looks like Stripe's: short for customers, products and subscription items, else
// a digit, six characters that carry no order, the account's ten and eight more.
func (a *Account) newID(prefix string) string {
	switch prefix {
	case "cus", "prod", "si":
		return prefix + "_" + random(a.ids, 14)
	case "ch", "pi", "txn":
		return prefix + "_3" + random(a.ids, 5) + a.suffix + random(a.ids, 8)
	case "req":
		return prefix + "_" + random(a.ids, 14)
	}
	return prefix + "_1" + random(a.ids, 5) + a.suffix + random(a.ids, 8)
}

// pair is one entry of metadata.
type pair struct{ k, v string }

// metadata is kept sorted by key, so that the same object always gives the same bytes.
type metadata []pair

func newMetadata(m map[string]string) metadata {
	return metadata(nil).merge(m)
}

// merge returns m with the entries of changes set; an empty value removes its key, as in Stripe's API. m itself is not
// changed, since older versions of the object still show it.
func (m metadata) merge(changes map[string]string) metadata {
	if len(changes) == 0 {
		return m
	}
	out := make(metadata, 0, len(m)+len(changes))
	for _, p := range m {
		if _, changed := changes[p.k]; !changed {
			out = append(out, p)
		}
	}
	for k, v := range changes {
		if v != "" {
			out = append(out, pair{k, v})
		}
	}
	slices.SortFunc(out, func(x, y pair) int {
		switch {
		case x.k < y.k:
			return -1
		case x.k > y.k:
			return 1
		}
		return 0
	})
	return out
}

func (m metadata) render(e *enc, name string) {
	e.key(name)
	e.begin('{')
	for _, p := range m {
		e.line()
		e.value(p.k)
		e.b = append(e.b, ": "...)
		e.value(p.v)
	}
	e.close()
}
