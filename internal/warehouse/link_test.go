package warehouse_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

// Members of two platforms are one person where an id proves it, and never by their e-mail alone.
func TestLink(t *testing.T) {
	w := newWorld(t)
	stripe, press := w.src, canonical.Source{Platform: "memberpress", AccountID: "site", Livemode: true}
	customer := func(id, email string) canonical.Member {
		return canonical.Member{Head: head(id, fetched(0, 0), id), Email: ptr(email)}
	}
	w.apply(&canonical.Batch{
		Members: []canonical.Member{
			customer("cus_1", "ann@x.example"), customer("cus_1b", "ann2@x.example"), customer("cus_2", "bea@x.example"), customer("cus_3", "cid@x.example"),
			customer("cus_4", "dan@x.example"), customer("cus_5", "eve@x.example"),
		},
		Subscriptions: []canonical.Subscription{{Head: head("sub_2", fetched(0, 0), ""), MemberSourceID: ptr("cus_2"), Status: "active"}},
		Transactions: []canonical.Transaction{
			{Head: head("ch_3", fetched(0, 0), ""), Kind: "payment", MemberSourceID: ptr("cus_3"), AmountMinor: 100, Currency: "usd", Status: "succeeded"},
			{Head: head("ch_4", fetched(0, 0), ""), Kind: "payment", MemberSourceID: ptr("cus_4"), IntentSourceID: ptr("pi_4"), AmountMinor: 200, Currency: "usd", Status: "succeeded"},
		},
	})
	w.src = press
	user := func(id, email, bears string) canonical.Member {
		m := canonical.Member{Head: head(id, fetched(0, 0), id), Email: ptr(email)}
		if bears != "" {
			m.ForeignIDs = []byte(bears)
		}
		return m
	}
	paid := func(id, member, foreign string, amount int64) canonical.Transaction {
		return canonical.Transaction{Head: head(id, fetched(0, 0), ""), Kind: "payment", MemberSourceID: ptr(member), LinksTold: true,
			ForeignID: ptr(foreign), AmountMinor: amount, Currency: "usd", Status: "succeeded"}
	}
	w.apply(&canonical.Batch{
		Members: []canonical.Member{
			user("1", "ann@x.example", `["cus_1","cus_1b"]`), user("2", "other@x.example", ""), user("3", "cid@x.example", ""), user("4", "dan@x.example", ""),
			user("5", "EVE@x.example", ""), user("6", "nobody@x.example", `["cus_9"]`),
		},
		Subscriptions: []canonical.Subscription{
			{Head: head("20", fetched(0, 0), ""), MemberSourceID: ptr("2"), Status: "active", AccessDerived: true, ForeignID: ptr("sub_2")},
		},
		Transactions: []canonical.Transaction{paid("30", "3", "ch_3", 100), paid("40", "4", "pi_4", 200), paid("50", "5", "ch_gone", 300)},
	})
	link := func() {
		t.Helper()
		if err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) error { return w.w.Link(t.Context(), tx) }); err != nil {
			t.Fatal(err)
		}
	}
	persons := func() []string {
		return w.rows(`SELECT string_agg(source_id, ' ' ORDER BY source_id) FROM members WHERE person_id IS NOT NULL GROUP BY person_id ORDER BY 1`)
	}
	for range 2 {
		link()
		if diff := cmp.Diff([]string{"1 cus_1 cus_1b", "2 cus_2", "3 cus_3", "4 cus_4"}, persons()); diff != "" {
			t.Errorf("persons (-want +got):\n%s", diff)
		}
	}
	if diff := cmp.Diff([]string{"eve@x.example 5 cus_5"}, w.rows(`SELECT email, source_id, other_id FROM person_candidates`)); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
	// Money that both platforms tell of counts once, as the one that took it tells it.
	if diff := cmp.Diff([]string{"50 300", "ch_3 100", "ch_4 200"}, w.rows(`SELECT source_id, amount_minor FROM payments ORDER BY 1`)); diff != "" {
		t.Errorf("payments (-want +got):\n%s", diff)
	}
	w.apply(&canonical.Batch{Members: []canonical.Member{{Head: head("1", fetched(10, 10), "changed"), Email: ptr("ann@x.example")}}})
	w.src = stripe
	link()
	if diff := cmp.Diff([]string{"2 cus_2", "3 cus_3", "4 cus_4"}, persons()); diff != "" {
		t.Errorf("persons, when one bears no id any more (-want +got):\n%s", diff)
	}
}
