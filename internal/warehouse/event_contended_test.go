package warehouse_test

import (
	"slices"
	"testing"

	"memberintel/internal/canonical"
)

// TestMoneyThatIsToldAtOnce commits what two platforms tell side by side, the second before the first can be seen.
func TestMoneyThatIsToldAtOnce(t *testing.T) {
	seen := fetched(0, 0)
	bump := func() canonical.Transaction {
		b := sold("1", "", seen)
		b.OrderSourceID = ptr("31")
		return b
	}
	order := canonical.Order{Head: head("31", seen, ""), ForeignID: ptr("ch_1"), Status: "succeeded"}
	other := sold("9", "", seen)
	for name, c := range map[string]struct {
		before, told canonical.Batch
		charge       canonical.Transaction
	}{
		"the charge's id": {
			told: canonical.Batch{Transactions: []canonical.Transaction{sold("1", "ch_1", seen)}}, charge: charged("ch_1", seen, nil),
		},
		"the intent": {
			told:   canonical.Batch{Transactions: []canonical.Transaction{sold("1", "pi_1", seen)}},
			charge: charged("ch_1", seen, func(t *canonical.Transaction) { t.IntentSourceID = ptr("pi_1") }),
		},
		"an order after its transaction": {
			before: canonical.Batch{Transactions: []canonical.Transaction{bump()}},
			told:   canonical.Batch{Orders: []canonical.Order{order}}, charge: charged("ch_1", seen, nil),
		},
		"an order before its transaction": {
			before: canonical.Batch{Transactions: []canonical.Transaction{other}, Orders: []canonical.Order{order}},
			told:   canonical.Batch{Transactions: []canonical.Transaction{bump()}}, charge: charged("ch_1", seen, nil),
		},
		"metadata": {
			before: canonical.Batch{Sites: []canonical.Site{{Head: head("site", seen, ""), URL: ptr("https://lakeside.example")}}},
			told:   canonical.Batch{Transactions: []canonical.Transaction{sold("1", "", seen)}},
			charge: charged("ch_1", seen, func(t *canonical.Transaction) { t.OriginID, t.OriginSite = ptr("1"), ptr("https://lakeside.example") }),
		},
	} {
		for _, toldFirst := range []bool{true, false} {
			w := newWorld(t)
			// Both platforms have told of money before, as ever but the first time: a pass derives all at its end.
			elder := charged("ch_0", seen, nil)
			w.apply(&canonical.Batch{Transactions: []canonical.Transaction{elder}})
			c.before.Source, c.told.Source = sitePress(), sitePress()
			c.before.Transactions = append(slices.Clone(c.before.Transactions), sold("0", "ch_0", seen))
			w.apply(&c.before)
			took := canonical.Batch{Transactions: []canonical.Transaction{c.charge}}
			if toldFirst {
				w.applySideBySide(&c.told, &took)
			} else {
				w.applySideBySide(&took, &c.told)
			}
			if n := len(w.rows(`SELECT FROM economic_event WHERE source_id = 'ch_1' AND told_by -> 0 ->> 'source_id' = '1'`)); n != 1 {
				t.Errorf("%s, told first %t: %v", name, toldFirst, w.events())
			}
		}
	}
}
