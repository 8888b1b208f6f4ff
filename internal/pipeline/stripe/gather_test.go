package stripe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Two writers never have pages of one span, nor a half beside the page with which it was split off: a crash between
// their commits would leave a checkpoint ahead of its records.
func TestPagesAreWrittenInTheirOrder(t *testing.T) {
	stream, _ := StreamNamed("invoices")
	other, _ := StreamNamed("charges")
	page := []Object{{Raw: make([]byte, maxLoad/2)}}
	first, half, third := span{stream: stream}, span{stream: stream, part: 1}, span{stream: stream, part: 2}
	g := newGathering()
	g.put(first, []span{half}, page, false)
	g.put(half, nil, page, false)
	g.put(first, nil, page, false)
	g.put(span{stream: other}, nil, page, true)
	g.put(half, nil, page, true)
	g.put(third, nil, page, true)

	one := g.pick() // the first two, which fill it
	two := g.pick() // what waits longest behind them, of a span that is free
	three := g.pick()
	if diff := cmp.Diff([]int{2, 1, 1}, []int{len(one.pages), len(two.pages), len(three.pages)}); diff != "" {
		t.Errorf("pages in three commits at once (-want +found)\n%s", diff)
	}
	if two.stream.Name != "charges" {
		t.Errorf("the second writer has %s, while the first holds both spans of the others", two.stream.Name)
	}
	if left := g.pick(); len(left.pages) > 0 {
		t.Errorf("a page of %s is written beside an earlier one of its span", left.stream.Name)
	}
	g.written(one)
	if left := g.pick(); len(left.pages) != 2 {
		t.Errorf("%d pages after the commit, want the two that had to wait", len(left.pages))
	}
	places := one.checkpoints()
	if len(places) != 2 || places[0].Records != 1 || places[1].Records != 1 {
		t.Errorf("checkpoints %+v, want one of each span with a record", places)
	}
}
