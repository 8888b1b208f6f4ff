package warehouse_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

// TestASiteThatMoves is known by what named it where it was, also when everything is derived anew.
func TestASiteThatMoves(t *testing.T) {
	w := newWorld(t)
	stripe, press := w.src, sitePress()
	at := func(url string, s int) *canonical.Batch {
		return &canonical.Batch{Source: press, Sites: []canonical.Site{{Head: head("site", fetched(s, s), url), URL: &url}}}
	}
	named := func(id, charge, site string, s int) {
		t.Helper()
		c := charged(charge, fetched(s, s), func(t *canonical.Transaction) {
			t.OriginID, t.OriginSite, t.OriginPlatform = &id, &site, ptr("memberpress")
		})
		w.apply(&canonical.Batch{Source: stripe, Transactions: []canonical.Transaction{c}})
	}
	w.apply(at("https://www.lakeside.example/", 0))
	w.apply(&canonical.Batch{Source: press, Transactions: []canonical.Transaction{sold("1", "", fetched(0, 0)), sold("2", "", fetched(0, 0)), sold("3", "", fetched(0, 0))}})
	named("1", "ch_1", "https://lakeside.example", 0)
	w.apply(at("https://tennis.example", 10))
	named("2", "ch_2", "https://lakeside.example", 10) // told late
	named("3", "ch_3", "https://tennis.example", 10)
	want := []string{"payment ch_1 1 by metadata", "payment ch_2 2 by metadata", "payment ch_3 3 by metadata"}
	w.mustTell("after the move", want...)
	if err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) error { return w.w.DeriveAll(t.Context(), tx, press) }); err != nil {
		t.Fatal(err)
	}
	w.mustTell("all at once", want...)
	w.apply(at("https://tennis.example/", 20))
	if diff := cmp.Diff([]string{"[lakeside.example tennis.example]"}, w.rows(`SELECT addresses FROM sites`)); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

// TestANumberProvesNothing lets a third platform count from one, as MemberPress does, and name numbers of its own as if
// another had made them.
func TestANumberProvesNothing(t *testing.T) {
	w := newWorld(t)
	stripe, press, third := w.src, sitePress(), canonical.Source{Platform: "third", AccountID: "site", Livemode: true}
	seen, home := fetched(0, 0), "https://lakeside.example"
	site := []canonical.Site{{Head: head("site", seen, ""), URL: &home}}
	person := func(bears string) []canonical.Member {
		return []canonical.Member{{Head: head("1", seen, bears), ForeignIDs: []byte(bears)}}
	}
	agreed := func(bears *string) []canonical.Subscription {
		return []canonical.Subscription{{Head: head("7", seen, ""), MemberSourceID: ptr("1"), Status: "active", ForeignID: bears}}
	}
	w.apply(&canonical.Batch{Source: press, Sites: site, Members: person(`["cus_1"]`), Subscriptions: agreed(nil), Transactions: []canonical.Transaction{sold("1", "", seen)}})
	w.apply(&canonical.Batch{Source: third, Sites: site, Members: person(`["1","7"]`), Subscriptions: agreed(ptr("7")), Transactions: []canonical.Transaction{sold("1", "1", seen)}})
	w.apply(&canonical.Batch{Source: stripe, Transactions: []canonical.Transaction{
		charged("ch_1", seen, func(t *canonical.Transaction) { t.OriginID, t.OriginSite = ptr("1"), &home }),
	}})
	unlinked := []string{"payment 1 -", "payment 1 -", "payment ch_1 -"}
	w.mustTell("numbers", unlinked...)
	err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) error {
		if err := w.w.DeriveAll(t.Context(), tx, press); err != nil {
			return err
		}
		return w.w.Link(t.Context(), tx)
	})
	if err != nil {
		t.Fatal(err)
	}
	w.mustTell("numbers, all at once", unlinked...)
	if linked := w.rows(`SELECT source_platform FROM members WHERE person_id IS NOT NULL`); len(linked) > 0 {
		t.Errorf("persons of %v are linked by a number", linked)
	}
	// Which of the platforms on the site the number is of, the payment may say.
	w.apply(&canonical.Batch{Source: stripe, Transactions: []canonical.Transaction{
		charged("ch_1", fetched(10, 10), func(t *canonical.Transaction) {
			t.OriginID, t.OriginSite, t.OriginPlatform = ptr("1"), &home, ptr("third")
		}),
	}})
	if got := w.rows(`SELECT source_platform FROM transactions WHERE event_source_id = 'ch_1'`); !slices.Equal(got, []string{"third"}) {
		t.Errorf("the payment is told by %v", got)
	}
}
