package warehouse_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
	"memberintel/internal/warehouse"
)

func member(id string, s int, metadata string) *canonical.Batch {
	m := canonical.Member{Head: head(id, event(s), metadata), SignupAt: at(1)}
	if metadata != "" {
		m.Metadata = []byte(metadata)
	}
	return &canonical.Batch{Members: []canonical.Member{m}}
}

func standing(id, memberID string, s int, status, plan string) *canonical.Batch {
	return &canonical.Batch{Subscriptions: []canonical.Subscription{{
		Head: head(id, event(s), status), MemberSourceID: &memberID, PlanSourceID: &plan, Status: status, NativeStatus: status, AccessUntil: at(1000 + s),
	}}}
}

func gone(id string, s int, reason canonical.Deletion) canonical.Head {
	o := event(s)
	o.Fetched = reason != byEvent
	return canonical.Head{SourceID: id, Observed: o, Deleted: reason}
}

func (w *world) member(id string) string {
	w.t.Helper()
	got := w.rows(`SELECT membership_status, coalesce(plan_source_id, '-'), access_until, last_activity_at FROM members WHERE source_id = $1`, id)
	if len(got) != 1 {
		w.t.Fatalf("%d members %s", len(got), id)
	}
	return got[0]
}

func TestAMembersStatusFollows(t *testing.T) {
	w := newWorld(t)
	steps := []struct {
		what  string
		batch *canonical.Batch
		want  string
	}{
		{"no subscription", member("cus_1", 10, ""), "none - <nil> 1"},
		{"canceled", standing("sub_1", "cus_1", 10, "canceled", "a"), "canceled a 1010 1"},
		{"pending comes before it", standing("sub_2", "cus_1", 10, "pending", "b"), "pending b 1010 1"},
		{"paused", standing("sub_3", "cus_1", 10, "paused", "c"), "paused c 1010 1"},
		{"past due", standing("sub_4", "cus_1", 10, "past_due", "d"), "past_due d 1010 1"},
		{"trialing", standing("sub_5", "cus_1", 10, "trialing", "e"), "trialing e 1010 1"},
		{"active", standing("sub_6", "cus_1", 10, "active", "f"), "active f 1010 1"},
		{"active for longer", standing("sub_7", "cus_1", 20, "active", "g"), "active g 1020 1"},
		{"expired is the last", standing("sub_8", "cus_1", 30, "expired", "h"), "active g 1020 1"},
		{"another's", standing("sub_9", "cus_2", 30, "active", "x"), "active g 1020 1"},
		{"that one ends", standing("sub_7", "cus_1", 40, "canceled", "g"), "active f 1010 1"},
		{"a subscription is missed", &canonical.Batch{Subscriptions: []canonical.Subscription{{Head: gone("sub_6", 50, byMissing)}}}, "trialing e 1010 1"},
		{"a subscription is deleted", &canonical.Batch{Subscriptions: []canonical.Subscription{{Head: gone("sub_5", 50, byEvent)}}}, "past_due d 1010 1"},
		{"a payment", &canonical.Batch{Transactions: []canonical.Transaction{{Head: head("ch_1", event(70), ""), Kind: "payment", Status: "succeeded",
			Currency: "usd", AmountMinor: 1, MemberSourceID: ptr("cus_1"), OccurredAt: at(69)}}}, "past_due d 1010 69"},
		{"the payment is missed", &canonical.Batch{Transactions: []canonical.Transaction{{Head: gone("ch_1", 80, byMissing), Kind: "payment"}}}, "past_due d 1010 1"},
		{"the club says otherwise", member("cus_1", 90, `{"membership_status": "honorary"}`), "honorary d 1010 1"},
		{"the club says nothing", member("cus_1", 100, `{"membership_status": ""}`), "past_due d 1010 1"},
		{"gone", &canonical.Batch{Members: []canonical.Member{{Head: gone("cus_1", 110, byEvent)}}}, "deleted d 1010 1"},
	}
	for _, s := range steps {
		w.apply(s.batch)
		if got := w.member("cus_1"); got != s.want {
			t.Errorf("%s: %q, want %q", s.what, got, s.want)
		}
	}
}

func TestARecordThatConcernsNoMemberDerivesNone(t *testing.T) {
	w := newWorld(t)
	w.apply(member("cus_1", 10, ""))
	w.exec(`UPDATE members SET membership_status = 'wrong'`) // whoever derives it puts that right
	plan := &canonical.Batch{Plans: []canonical.Plan{{Head: head("gold", event(20), ""), Level: "product"}},
		PaymentIntents: []canonical.PaymentIntent{{Head: head("pi_1", event(20), ""), Status: "pending", Currency: "usd"}}}
	w.apply(plan)
	if got := w.member("cus_1"); got != "wrong - <nil> 1" {
		t.Errorf("a product and an intent made the members be read: %q", got)
	}
}

func TestConcurrentCommitsDeriveTheRightStatus(t *testing.T) {
	w := newWorld(t)
	for i := range 60 {
		id := fmt.Sprint("cus_", i)
		batches := []*canonical.Batch{member(id, 10, ""), standing("sub_"+id, id, 10, "active", "gold"),
			{Transactions: []canonical.Transaction{{Head: head("ch_"+id, event(10), ""), Kind: "payment", Status: "succeeded", Currency: "usd", MemberSourceID: &id, OccurredAt: at(9)}}}}
		w.side(batches)
		if got := w.member(id); got != "active gold 1010 9" {
			t.Fatalf("round %d: %q", i, got)
		}
	}
}

// side applies batches side by side and returns their ties.
func (w *world) side(batches []*canonical.Batch) (ties []warehouse.Tie) {
	w.t.Helper()
	var wait sync.WaitGroup
	var mu sync.Mutex
	for _, b := range batches {
		wait.Go(func() {
			r, err := w.tryApply(w.t.Context(), b)
			mu.Lock()
			defer mu.Unlock()
			if ties = append(ties, r.Ties...); err != nil {
				w.t.Error(err)
			}
		})
	}
	wait.Wait()
	return ties
}

func TestConcurrentBatchesLoseNoTie(t *testing.T) {
	w := newWorld(t)
	for round := range 25 {
		id := func(i int) string { return fmt.Sprintf("id_%d_%d", round, i) }
		var batches []*canonical.Batch
		for _, content := range []string{"a", "b"} { // of the same second
			b := &canonical.Batch{}
			for i := range 10 {
				for _, k := range kinds() {
					k.add(b, head(id(i), event(10), content), content)
				}
			}
			batches = append(batches, b)
		}
		tied := map[string]int{}
		for _, tie := range w.side(batches) {
			tied[tie.Table]++
		}
		for _, k := range kinds() {
			if tied[k.table] != 10 {
				t.Fatalf("round %d: %d ties of 10 in %s", round, tied[k.table], k.table)
			}
		}
	}
}

func TestDerivedDriftIsFoundAndRepaired(t *testing.T) {
	w := newWorld(t)
	w.apply(member("cus_1", 10, ""))
	w.apply(standing("sub_1", "cus_1", 10, "active", "gold"))
	w.apply(paidInvoice("in_1", 10, nil))
	w.apply(charge("ch_1", 10, nil))
	w.apply(allocation("inpay_1", "in_1", "ch_1", 10))
	w.apply(&canonical.Batch{Transactions: []canonical.Transaction{{Head: head("re_1", event(10), ""), Kind: "refund", Status: "succeeded", Currency: "usd", ParentSourceID: ptr("ch_1")}}})
	drift := func(repair bool) (found []warehouse.Difference) {
		t.Helper()
		err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) (err error) {
			found, err = w.w.DerivedDrift(t.Context(), tx, w.src, repair)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := drift(false); len(found) != 0 {
		t.Fatalf("drift where there is none: %v", found)
	}
	right := w.derived()
	w.exec(`UPDATE members SET membership_status = 'canceled', access_until = NULL`)
	w.exec(`UPDATE transactions SET invoice_source_id = 'in_9' WHERE source_id = 'ch_1'`)
	w.exec(`UPDATE transactions SET member_source_id = NULL, invoice_source_id = 'in_1' WHERE source_id = 're_1'`)
	wrong := w.derived()
	fields := map[string]bool{}
	for _, d := range drift(false) {
		fields[fmt.Sprint(d.Table, " ", d.SourceID, " ", d.Field)] = true
	}
	for _, want := range []string{"members cus_1 membership_status", "members cus_1 access_until", "transactions ch_1 invoice_source_id", "transactions re_1 member_source_id"} {
		if !fields[want] {
			t.Errorf("%s was not found among %v", want, fields)
		}
	}
	if diff := cmp.Diff(wrong, w.derived()); diff != "" {
		t.Errorf("looking changed something:\n%s", diff)
	}
	drift(true)
	if diff := cmp.Diff(right, w.derived()); diff != "" {
		t.Errorf("after the repair (-want +found):\n%s", diff)
	}
	if found := drift(true); len(found) != 0 {
		t.Errorf("drift after the repair: %v", found)
	}
}

func (w *world) derived() []string {
	w.t.Helper()
	return append(w.rows(`SELECT source_id, membership_status, plan_source_id, access_until, last_activity_at FROM members ORDER BY 1`),
		w.rows(`SELECT source_id, kind, member_source_id, invoice_source_id, subscription_source_id FROM transactions ORDER BY 1, 2`)...)
}

func TestDeriveAllDoesWhatCommitsLeave(t *testing.T) {
	now, after := newWorld(t), newWorld(t)
	batches := []*canonical.Batch{allocation("inpay_1", "in_1", "ch_1", 10), charge("ch_1", 10, nil), paidInvoice("in_1", 10, nil),
		standing("sub_1", "cus_1", 10, "active", "gold"), member("cus_1", 10, "")}
	ctx := context.WithoutCancel(t.Context())
	for _, b := range batches {
		now.apply(b)
		b.Source = after.src
		if err := after.db.TenantTx(ctx, after.tenant, func(tx *postgres.TenantTx) error {
			_, err := after.w.Apply(ctx, tx, b, warehouse.DeriveLater)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if cmp.Diff(now.derived(), after.derived()) == "" {
		t.Error("what was to be left for later was done at once")
	}
	if err := after.db.TenantTx(ctx, after.tenant, func(tx *postgres.TenantTx) error { return after.w.DeriveAll(ctx, tx, after.src) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(now.derived(), after.derived()); diff != "" {
		t.Errorf("(-at once +later)\n%s", diff)
	}
}

// An agreement opens nothing where the source leaves access to transactions: one whose only payment was refunded is
// active at the source all the same, and its member has no access.
func TestAnAgreementThatNoTransactionBacksIsNotActive(t *testing.T) {
	w := newWorld(t)
	w.apply(member("1", 10, ""))
	w.apply(&canonical.Batch{Transactions: []canonical.Transaction{{
		Head: head("30", event(10), ""), Kind: "payment", MemberSourceID: ptr("1"), SubscriptionSourceID: ptr("20"), LinksTold: true,
		AmountMinor: 100, Currency: "usd", Status: "succeeded", NativeStatus: "refunded",
	}}})
	for i, s := range []struct{ status, want string }{
		{"pending", "pending"}, {"active", "expired"}, {"paused", "paused"}, {"canceled", "canceled"},
	} {
		sub := standing("20", "1", 20+10*i, s.status, "a")
		sub.Subscriptions[0].AccessDerived, sub.Subscriptions[0].AccessUntil = true, nil
		w.apply(sub)
		if got := w.rows(`SELECT membership_status FROM members`)[0]; got != s.want {
			t.Errorf("%s: %q, want %q", s.status, got, s.want)
		}
	}
}
