package warehouse_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
	"memberintel/internal/warehouse"
)

// applyAndLink writes a batch as a sync of what changed does.
func (w *world) applyAndLink(b *canonical.Batch) {
	w.t.Helper()
	err := w.db.TenantTx(w.t.Context(), w.tenant, func(tx *postgres.TenantTx) error {
		result, err := w.w.Apply(w.t.Context(), tx, b, warehouse.DeriveNow)
		if err != nil {
			return err
		}
		return w.w.LinkOf(w.t.Context(), tx, append(result.Touched, result.Tellers...))
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) linkAll() {
	w.t.Helper()
	if err := w.db.TenantTx(w.t.Context(), w.tenant, func(tx *postgres.TenantTx) error { return w.w.Link(w.t.Context(), tx) }); err != nil {
		w.t.Fatal(err)
	}
}

// TestLinkingSomeIsLinkingAll changes this and that on a site whose members Stripe knows, and compares what is linked by what
// changed with what is linked when everything is looked at.
func TestLinkingSomeIsLinkingAll(t *testing.T) {
	w := newWorld(t)
	stripe, press := w.src, sitePress()
	const people = 12
	took := canonical.Batch{Source: stripe}
	for i := range people {
		id := fmt.Sprint(i)
		took.Members = append(took.Members, canonical.Member{Head: head("cus_"+id, fetched(0, 0), "")})
		took.Subscriptions = append(took.Subscriptions, canonical.Subscription{Head: head("sub_"+id, fetched(0, 0), ""), MemberSourceID: ptr("cus_" + id), Status: "active"})
		took.Transactions = append(took.Transactions, charged("ch_"+id, fetched(0, 0), func(t *canonical.Transaction) { t.MemberSourceID = ptr("cus_" + id) }))
	}
	w.apply(&took)
	w.apply(&canonical.Batch{Source: press, Members: []canonical.Member{{Head: head("1", fetched(0, 0), "")}}})
	w.linkAll()
	persons := func() []string {
		return w.rows(`SELECT source_platform, source_id, coalesce(person_id::text, '-') FROM members ORDER BY 1, 2`)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	linked := 0
	for step := 1; step <= 150; step++ {
		seen, id := fetched(10*step, 10*step), fmt.Sprint(rng.IntN(people))
		someone := func(kind string) *string { return ptr(kind + fmt.Sprint(rng.IntN(people))) }
		h := head(id, seen, fmt.Sprint(step))
		if rng.IntN(6) == 0 {
			h = canonical.Head{SourceID: id, Observed: seen, Deleted: canonical.DeletedByMissing}
		}
		b := canonical.Batch{Source: press}
		switch rng.IntN(4) {
		case 0:
			m := canonical.Member{Head: h}
			if rng.IntN(3) > 0 {
				m.ForeignIDs = fmt.Appendf(nil, `[%q, %q]`, *someone("cus_"), *someone("cus_"))
			}
			b.Members = []canonical.Member{m}
		case 1:
			b.Subscriptions = []canonical.Subscription{{Head: h, MemberSourceID: someone(""), Status: "active", AccessDerived: true, ForeignID: someone("sub_")}}
		case 2:
			s := sold(id, *someone("ch_"), seen)
			if s.Head, s.MemberSourceID = h, someone(""); rng.IntN(3) == 0 {
				s.ForeignID, s.OrderSourceID = nil, ptr("31")
			}
			b.Transactions = []canonical.Transaction{s}
		case 3:
			h.SourceID = "31"
			b.Orders = []canonical.Order{{Head: h, ForeignID: someone("ch_"), Status: "succeeded"}}
		}
		w.applyAndLink(&b)
		some := persons()
		w.linkAll()
		if diff := cmp.Diff(persons(), some); diff != "" {
			t.Fatalf("step %d, %+v (-all +some):\n%s", step, b, diff)
		}
		for _, line := range some {
			if line[len(line)-1] != '-' {
				linked++
			}
		}
	}
	if linked < 1000 {
		t.Errorf("only %d members were linked on the way", linked)
	}
}

// TestACustomerWhoComesLate is whom the site has named already, and nobody once the customer has gone, although the site tells
// nothing more.
func TestACustomerWhoComesLate(t *testing.T) {
	w := newWorld(t)
	stripe := func(b canonical.Batch) {
		t.Helper()
		b.Source = w.src
		err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) error {
			result, err := w.w.Apply(t.Context(), tx, &b, warehouse.DeriveNow)
			if err != nil {
				return err
			}
			return w.w.LinkOf(t.Context(), tx, result.Tellers) // as a webhook does
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	must := func(when string, want ...string) {
		t.Helper()
		got := w.rows(`SELECT string_agg(source_id, ' ' ORDER BY source_id) FROM members WHERE person_id IS NOT NULL GROUP BY person_id ORDER BY 1`)
		if !slices.Equal(got, want) {
			t.Errorf("%s: linked are %q, want %q", when, got, want)
		}
	}
	seen := fetched(0, 0)
	stripe(canonical.Batch{Members: []canonical.Member{{Head: head("cus_0", seen, "")}, {Head: head("cus_2", seen, "")}}})
	w.applyAndLink(&canonical.Batch{
		Source:        sitePress(),
		Members:       []canonical.Member{{Head: head("1", seen, ""), ForeignIDs: []byte(`["cus_1"]`)}, {Head: head("2", seen, "")}},
		Subscriptions: []canonical.Subscription{{Head: head("20", seen, ""), MemberSourceID: ptr("2"), Status: "active", AccessDerived: true, ForeignID: ptr("sub_2")}},
	})
	must("before the customer")
	stripe(canonical.Batch{Members: []canonical.Member{{Head: head("cus_1", seen, "")}}})
	must("with the customer", "1 cus_1")
	stripe(canonical.Batch{Subscriptions: []canonical.Subscription{{Head: head("sub_2", seen, ""), MemberSourceID: ptr("cus_2"), Status: "active"}}})
	must("with the subscription", "1 cus_1", "2 cus_2")
	stripe(canonical.Batch{Members: []canonical.Member{{Head: canonical.Head{SourceID: "cus_1", Observed: fetched(10, 10), Deleted: canonical.DeletedByEvent}}}})
	must("without the customer", "2 cus_2")
}

// What more than twenty members bear proves nothing about the next one either.
func TestAnIDThatManyBearLinksNobody(t *testing.T) {
	w := newWorld(t)
	w.apply(&canonical.Batch{Members: []canonical.Member{{Head: head("cus_1", fetched(0, 0), "")}}})
	for i := range 23 {
		m := canonical.Member{Head: head(fmt.Sprint(i), fetched(i, i), ""), ForeignIDs: []byte(`["cus_1"]`)}
		w.applyAndLink(&canonical.Batch{Source: sitePress(), Members: []canonical.Member{m}})
		want := i + 2
		if i >= 20 {
			want = 0
		}
		if got := len(w.rows(`SELECT FROM members WHERE person_id IS NOT NULL`)); got != want {
			t.Errorf("%d members bear an id: %d are linked", i+1, got)
		}
	}
}

// TestLinkingCostsWhatChanged lets one member of a large club pay, and counts the rows that are looked at.
func TestLinkingCostsWhatChanged(t *testing.T) {
	w := newWorld(t)
	for platform, as := range map[string]string{"stripe": `'acct_1', true, 'cus_' || i, NULL`, "memberpress": `'site', true, i::text, jsonb_build_array('cus_' || i)`} {
		w.exec(`INSERT INTO members (tenant_id, source_platform, source_account_id, livemode, source_id, foreign_ids, observed_at, observed_until)
			SELECT $1, $2, `+as+`, $3, $3 FROM generate_series(0, 19999) i`, w.tenant, platform, second(0))
	}
	w.linkAll()
	b := canonical.Batch{
		Source: sitePress(), Members: []canonical.Member{{Head: head("7", fetched(10, 10), "changed"), ForeignIDs: []byte(`["cus_7", "cus_8"]`)}},
		Transactions: []canonical.Transaction{sold("1", "ch_1", fetched(10, 10))},
	}
	err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) error {
		read := func() (rows int) {
			err := tx.QueryRow(t.Context(), `SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables`).Scan(&rows)
			if err != nil {
				t.Fatal(err)
			}
			return rows
		}
		result, err := w.w.Apply(t.Context(), tx, &b, warehouse.DeriveNow)
		if err != nil {
			return err
		}
		before := read()
		if err := w.w.LinkOf(t.Context(), tx, append(result.Touched, result.Tellers...)); err != nil {
			return err
		}
		if n := read() - before; n > 200 {
			t.Errorf("%d rows were looked at for one member", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.rows(`SELECT string_agg(source_id, ' ' ORDER BY source_id) FROM members WHERE person_id = (SELECT person_id FROM members WHERE source_id = '7')`); !slices.Equal(got, []string{"7 8 cus_7 cus_8"}) {
		t.Errorf("linked are %v", got)
	}
}
