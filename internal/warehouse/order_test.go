package warehouse_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/canonical"
	"memberintel/internal/warehouse"
)

const (
	byEvent   = canonical.DeletedByEvent
	bySweep   = canonical.DeletedBySweep
	byMissing = canonical.DeletedByMissing
)

// TestTheOrderingRule shows observations to every table, one after the other, and asks what stands then.
func TestTheOrderingRule(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		looks    []look
		row      string // content, observed_at, observed_until, delete_reason
		tie      int    // the second of the tie's After that the last look gives, 0 for none
		reusable string // what stands instead where people choose the ids, "" when the same
	}{
		"newer replaces":                       {looks: []look{{event(10), "a", "", nil}, {event(20), "b", "", nil}}, row: "b 20 20 alive"},
		"just newer replaces":                  {looks: []look{{event(10), "a", "", nil}, {event(12), "b", "", nil}}, row: "b 12 12 alive"},
		"older is ignored":                     {looks: []look{{event(20), "a", "", nil}, {event(10), "b", "", nil}}, row: "a 20 20 alive"},
		"the same later confirms":              {looks: []look{{event(10), "a", "", nil}, {event(20), "a", "", nil}}, row: "a 20 20 alive"},
		"the same a second later confirms":     {looks: []look{{event(10), "a", "", nil}, {event(11), "a", "", nil}}, row: "a 11 11 alive"},
		"the same earlier changes nothing":     {looks: []look{{event(11), "a", "", nil}, {event(10), "a", "", nil}}, row: "a 11 11 alive"},
		"the same in a wide span confirms":     {looks: []look{{event(15), "a", "", nil}, {fetched(10, 20), "a", "", nil}}, row: "a 15 20 alive"},
		"same second":                          {looks: []look{{event(10), "a", "", nil}, {event(10), "b", "", nil}}, row: "a 10 10 alive", tie: 10},
		"next second":                          {looks: []look{{event(10), "a", "", nil}, {event(11), "b", "", nil}}, row: "a 10 10 alive", tie: 11},
		"second before":                        {looks: []look{{event(11), "a", "", nil}, {event(10), "b", "", nil}}, row: "a 11 11 alive", tie: 11},
		"fetched around an event":              {looks: []look{{event(15), "a", "", nil}, {fetched(10, 20), "b", "", nil}}, row: "a 15 15 alive", tie: 20},
		"event inside what was fetched":        {looks: []look{{fetched(10, 20), "a", "", nil}, {event(15), "b", "", nil}}, row: "a 10 20 alive", tie: 20},
		"event at the end of what was fetched": {looks: []look{{fetched(10, 20), "a", "", nil}, {event(21), "b", "", nil}}, row: "a 10 20 alive", tie: 21},
		"event after what was fetched":         {looks: []look{{fetched(10, 20), "a", "", nil}, {event(22), "b", "", nil}}, row: "b 22 22 alive"},
		"event before what was fetched":        {looks: []look{{fetched(10, 20), "a", "", nil}, {event(8), "b", "", nil}}, row: "a 10 20 alive"},
		"a tie is settled by a later look":     {looks: []look{{event(10), "a", "", nil}, {event(10), "b", "", nil}, {fetched(12, 13), "c", "", nil}}, row: "c 12 13 alive"},
		"deletion told":                        {looks: []look{{event(10), "a", "", nil}, {event(20), "", byEvent, nil}}, row: "a 20 20 event"},
		"deletion told late":                   {looks: []look{{event(20), "a", "", nil}, {event(10), "", byEvent, nil}}, row: "a 20 20 event", reusable: "a 20 20 alive"},
		"deletion told first":                  {looks: []look{{event(20), "", byEvent, nil}, {event(10), "a", "", nil}}, row: "- 20 20 event"},
		"nothing follows a deletion":           {looks: []look{{event(10), "", byEvent, nil}, {fetched(40, 41), "b", "", nil}}, row: "- 10 10 event"},
		"made anew after a deletion":           {looks: []look{{event(10), "a", "", at(1)}, {event(20), "", byEvent, nil}, {event(30), "b", "", at(25)}}, row: "a 20 20 event", reusable: "b 30 30 alive"},
		"not made anew":                        {looks: []look{{event(10), "a", "", at(1)}, {event(20), "", byEvent, nil}, {event(30), "b", "", at(1)}}, row: "a 20 20 event"},
		"made anew before it was seen to go":   {looks: []look{{event(20), "", byEvent, nil}, {event(30), "b", "", at(10)}}, row: "- 20 20 event"},
		"told after it was missed":             {looks: []look{{event(10), "a", "", nil}, {fetched(20, 20), "", byMissing, nil}, {event(30), "", byEvent, nil}}, row: "a 30 30 event", reusable: "a 20 20 missing"},
		"missed":                               {looks: []look{{event(10), "a", "", nil}, {fetched(20, 21), "", byMissing, nil}}, row: "a 20 21 missing"},
		"swept":                                {looks: []look{{event(10), "a", "", nil}, {fetched(20, 21), "", bySweep, nil}}, row: "a 20 21 sweep"},
		"missed before it was seen":            {looks: []look{{event(30), "a", "", nil}, {fetched(20, 21), "", byMissing, nil}}, row: "a 30 30 alive"},
		"missed about when it was seen":        {looks: []look{{event(21), "a", "", nil}, {fetched(20, 22), "", byMissing, nil}}, row: "a 21 21 alive", tie: 22},
		"fetched after it was missed":          {looks: []look{{event(10), "a", "", nil}, {fetched(20, 21), "", byMissing, nil}, {fetched(30, 31), "b", "", nil}}, row: "b 30 31 alive"},
		"fetched after it was swept, the same": {looks: []look{{event(10), "a", "", nil}, {fetched(20, 21), "", bySweep, nil}, {fetched(30, 31), "a", "", nil}}, row: "a 30 31 alive"},
		"told of after it was missed":          {looks: []look{{event(10), "a", "", nil}, {fetched(20, 21), "", byMissing, nil}, {event(30), "b", "", nil}}, row: "a 20 21 missing", tie: 30},
		"fetched about when it was missed":     {looks: []look{{event(10), "a", "", nil}, {fetched(20, 21), "", byMissing, nil}, {fetched(22, 22), "b", "", nil}}, row: "a 20 21 missing", tie: 22},
		"fetched before it was missed":         {looks: []look{{event(5), "a", "", nil}, {fetched(20, 21), "", byMissing, nil}, {fetched(10, 11), "b", "", nil}}, row: "a 20 21 missing"},
		"never seen, and missed":               {looks: []look{{fetched(20, 21), "", byMissing, nil}}, row: "- 20 21 missing"},
	} {
		for _, k := range kinds() {
			id := k.table + " " + name
			var last warehouse.Result
			for _, l := range c.looks {
				last = w.apply(l.record(k, id))
			}
			want := c.row
			if k.reusable && c.reusable != "" {
				want = c.reusable
			}
			if k.reusable && want[0] == '-' && c.row[0] == '-' {
				want = c.row
			}
			if got := w.row(k, id); got != want {
				t.Errorf("%s, %s: the row is %q, want %q", k.table, name, got, want)
			}
			var ties []string
			for _, tie := range last.Ties {
				ties = append(ties, fmt.Sprint(tie.Table, " ", tie.SourceID, " ", int(tie.After.Sub(epoch).Seconds())))
			}
			var wanted []string
			if c.tie > 0 {
				wanted = []string{fmt.Sprint(k.table, " ", id, " ", c.tie)}
			}
			if diff := cmp.Diff(wanted, ties); diff != "" {
				t.Errorf("%s, %s: ties (-want +found)\n%s", k.table, name, diff)
			}
			// The last look again changes nothing, whatever it was.
			w.apply(c.looks[len(c.looks)-1].record(k, id))
			if got := w.row(k, id); got != want {
				t.Errorf("%s, %s: once more, and the row is %q, want %q", k.table, name, got, want)
			}
		}
	}
}

func TestWhatToldNothingNewIsToldSo(t *testing.T) {
	w := newWorld(t)
	for _, k := range kinds() {
		w.apply(look{event(20), "a", "", nil}.record(k, "x"))
		older := w.apply(look{event(10), "b", "", nil}.record(k, "x"))
		if !older.Ignored[warehouse.Ref{Table: k.table, SourceID: "x"}] || older.Written != 0 {
			t.Errorf("%s: older: %+v", k.table, older)
		}
		tied := w.apply(look{event(20), "b", "", nil}.record(k, "x"))
		if tied.Ignored[warehouse.Ref{Table: k.table, SourceID: "x"}] || tied.Written != 0 {
			t.Errorf("%s: tied: %+v", k.table, tied)
		}
		newer := w.apply(look{event(30), "b", "", nil}.record(k, "x"))
		if len(newer.Ignored) != 0 || newer.Written != 1 {
			t.Errorf("%s: newer: %+v", k.table, newer)
		}
	}
}
