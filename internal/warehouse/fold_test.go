package warehouse_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"memberintel/internal/canonical"
)

// TestPropertyOneBatchEndsAsManyDo folds any observations of a record in one batch, and shows them to another
// record one by one. Both must end in the same row, or say that the record must be fetched again.
func TestPropertyOneBatchEndsAsManyDo(t *testing.T) {
	w := newWorld(t)
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		k := rapid.SampledFrom(kinds()).Draw(r, "table")
		looks := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) look {
			from := rapid.IntRange(0, 8).Draw(r, "from")
			l := look{Observation: event(from), content: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "content")}
			if rapid.Bool().Draw(r, "fetched") {
				l.Observation = fetched(from, from+rapid.IntRange(0, 3).Draw(r, "span"))
			}
			switch rapid.IntRange(0, 7).Draw(r, "gone") {
			case 0:
				l.deleted = byEvent
			case 1:
				l.deleted = byMissing
			}
			if l.deleted == byMissing {
				l.Observation.Fetched = true
			}
			if k.reusable && rapid.Bool().Draw(r, "anew") {
				l.created = at(rapid.IntRange(0, 8).Draw(r, "created"))
			}
			return l
		}), 1, 6).Draw(r, "looks")
		before := rapid.IntRange(0, len(looks)).Draw(r, "applied before")
		one, other := fmt.Sprintf("one_%d", n), fmt.Sprintf("other_%d", n)
		tied := map[string]bool{}
		together := &canonical.Batch{}
		for i, l := range looks {
			for _, tie := range w.apply(l.record(k, one)).Ties {
				tied[tie.SourceID] = true
			}
			if i < before {
				w.apply(l.record(k, other))
			} else {
				together.Append(l.record(k, other))
			}
		}
		for _, tie := range w.apply(together).Ties {
			tied[tie.SourceID] = true
		}
		serial, folded := w.whole(k, one), w.whole(k, other)
		if serial != folded && !tied[other] {
			r.Fatalf("%s\none by one: %s\ntogether:   %s", k.table, serial, folded)
		}
		if tied[one] && !tied[other] && before == 0 {
			// A tie may be settled inside the batch only where the row that follows is clearly newer or gone.
			if serial != folded {
				r.Fatalf("%s: a tie was lost", k.table)
			}
		}
	})
}

// whole is a row without its id and the times at which it was written.
func (w *world) whole(k kind, id string) string {
	row := w.rows(`SELECT to_jsonb(t) - '{source_id,id,raw,first_seen_at,last_verified_at,synced_at}'::text[], raw - 'id' FROM `+k.table+` t WHERE source_id = $1`, id)
	return strings.Join(row, "\n")
}

// TestWhatAnEventLeavesOutIsKept shows a payment with its settlement and, in the same batch, a later
// event that is silent about it.
func TestWhatAnEventLeavesOutIsKept(t *testing.T) {
	w := newWorld(t)
	payment := func(id string, o canonical.Observation, settlement string, fee *int64) canonical.Transaction {
		return canonical.Transaction{Head: head(id, o, fmt.Sprint(o.From)), Kind: "payment", Status: "succeeded", Currency: "usd", AmountMinor: 500,
			SettlementSourceID: &settlement, FeeMinor: fee, Description: ptr(fmt.Sprint(o.From.Unix()))}
	}
	for _, together := range []bool{false, true} {
		kept, dropped := fmt.Sprint("kept ", together), fmt.Sprint("dropped ", together)
		steps := []canonical.Transaction{
			payment(kept, fetched(1, 2), "txn_1", ptr(int64(17))), payment(dropped, fetched(1, 2), "txn_1", ptr(int64(17))),
			payment(kept, event(10), "txn_1", nil), payment(dropped, event(10), "txn_2", nil),
		}
		if together {
			w.apply(&canonical.Batch{Transactions: steps})
		} else {
			for _, s := range steps {
				w.apply(&canonical.Batch{Transactions: []canonical.Transaction{s}})
			}
		}
		if got := w.rows(`SELECT fee_minor, settlement_source_id FROM transactions WHERE source_id = ANY ($1) ORDER BY source_id DESC`, []string{kept, dropped}); fmt.Sprint(got) != "[17 txn_1 <nil> txn_2]" {
			t.Errorf("together %t: %q", together, got)
		}
	}
	// An invoice whose payments were listed once stays known to have been.
	for i, known := range []*bool{ptr(true), nil} {
		w.apply(&canonical.Batch{Invoices: []canonical.Invoice{{Head: head("in_1", event(10*i), fmt.Sprint(i)), Status: "paid", Number: ptr(fmt.Sprint(i)), AllocationsKnown: known}}})
	}
	if got := w.rows(`SELECT allocations_known, number FROM invoices`); got[0] != "true 1" {
		t.Error(got)
	}
}
