package stripe

import (
	"testing"
	"time"

	simstripe "memberintel/internal/sim/stripe"
)

func TestMembersFollowTheirCustomers(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	ep := w.endpoint(w.door())
	ana := w.account.CreateCustomer(simstripe.CustomerParams{
		Name: "Ana", Email: "ana@example.com", Metadata: map[string]string{"member_number": "17", "membership_type": "Adult", "join_date": "2026-03-01"},
	})
	w.deliver(ep)
	type row struct{ Name, Email, Number, Type, Joined, Status string }
	read := func() row {
		text := func(column string) string {
			return one[string](w, w.c, `SELECT coalesce(`+column+`, '') FROM members WHERE source_id = $1`, ana)
		}
		return row{text("name"), text("email"), text("member_number"), text("metadata->>'membership_type'"), text("join_date::text"), text("membership_status")}
	}
	want := row{"Ana", "ana@example.com", "17", "Adult", "2026-03-01", "none"}
	if got := read(); got != want {
		t.Errorf("after customer.created: %+v", got)
	}
	w.sim.Advance(5 * time.Second)
	w.must(w.account.UpdateCustomer(ana, simstripe.CustomerUpdate{Name: word("Ana Lima"), Metadata: map[string]string{"membership_type": "Family", "member_number": ""}}))
	w.deliver(ep)
	want.Name, want.Type, want.Number = "Ana Lima", "Family", ""
	if got := read(); got != want {
		t.Errorf("after customer.updated: %+v", got)
	}
	w.sim.Advance(5 * time.Second)
	w.must(w.account.DeleteCustomer(ana))
	w.deliver(ep)
	want.Status = "deleted"
	if got := read(); got != want {
		t.Errorf("after customer.deleted: %+v", got)
	}
}

func TestSubscriptionsFollowTheirEvents(t *testing.T) {
	w := newWorld(t)
	price := w.price(4500, "month")
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	w.sim.Advance(time.Minute)
	w.sync("")
	ep := w.endpoint(w.door())
	status := func(id string) string {
		return one[string](w, w.c, `SELECT status FROM subscriptions WHERE source_id = $1`, id)
	}
	sub := w.subscribe(ana, price)
	w.deliver(ep)
	w.refetch(w.c)
	if got := status(sub); got != "active" {
		t.Errorf("after the sign-up: %q", got)
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM payments WHERE subscription_source_id = $1 AND amount_minor = 4500 AND status = 'succeeded' AND paid_at IS NOT NULL`, sub); n != 1 {
		t.Errorf("%d payments of the sign-up, want 1", n)
	}
	if got := one[string](w, w.c, `SELECT membership_status FROM members WHERE source_id = $1`, ana); got != "active" {
		t.Errorf("the member is %q", got)
	}

	w.sim.Advance(time.Minute)
	w.must(w.account.CancelAtPeriodEnd(sub, true))
	w.deliver(ep)
	if !one[bool](w, w.c, `SELECT cancel_at_period_end FROM subscriptions WHERE source_id = $1`, sub) {
		t.Error("the end of the period is not marked")
	}
	w.sim.Advance(time.Minute)
	w.must(w.account.CancelAtPeriodEnd(sub, false))
	w.sim.Advance(time.Minute)
	w.must(w.account.FailPayment(sub))
	w.deliverOnly(ep, "invoice.payment_failed") // nothing else has come yet
	w.refetch(w.c)
	if got := status(sub); got != "past_due" {
		t.Errorf("after a failed renewal: %q", got)
	}
	w.deliver(ep)
	w.sim.Advance(time.Minute)
	w.must(w.account.Cancel(sub))
	w.deliver(ep)
	w.refetch(w.c)
	if got := status(sub); got != "canceled" {
		t.Errorf("after customer.subscription.deleted: %q", got)
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM subscriptions WHERE deleted_at IS NOT NULL`); n != 0 {
		t.Error("the end of a subscription is no deletion")
	}

	first, err := w.account.CreateSubscription(simstripe.SubscriptionParams{Customer: ana, Prices: []string{price}, Payment: simstripe.Declined})
	w.must(err)
	w.deliverOnly(ep, "invoice.payment_failed")
	w.refetch(w.c)
	if got := status(first); got != "pending" {
		t.Errorf("after a failed first payment: %q", got)
	}
	w.deliver(ep)
	w.refetch(w.c)
	w.mustEqual(w.c)
}

// In whatever order the events of one payment come, the money stands in the view once, from the first of them on
// that tells of it to the last.
func TestAPaidInvoiceIsOnePayment(t *testing.T) {
	for _, first := range []string{"invoice.paid", "invoice.payment_succeeded", "charge.succeeded", "payment_intent.succeeded", "invoice_payment.paid"} {
		t.Run(first, func(t *testing.T) {
			w := newWorld(t)
			price := w.price(4500, "month")
			ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
			w.sim.Advance(time.Minute)
			w.sync("")
			ep := w.endpoint(w.door())
			w.subscribe(ana, price)
			count := func() int {
				return one[int](w, w.c, `SELECT count(*) FROM payments WHERE amount_minor = 4500 AND status = 'succeeded'`)
			}
			ep.Move(w.pendingOf(ep, first), 0)
			told := false
			for len(ep.Pending()) > 0 {
				kind := ep.Pending()[0].Type
				w.deliverOnly(ep, kind)
				told = told || kind == "invoice.paid" || kind == "invoice.payment_succeeded" || kind == "charge.succeeded"
				if n := count(); n > 1 || told && n == 0 {
					t.Fatalf("%d payments after %s", n, kind)
				}
			}
			w.refetch(w.c)
			if n := count(); n != 1 {
				t.Errorf("%d payments at the end", n)
			}
			if n := one[int](w, w.c, `SELECT count(*) FROM payments WHERE invoice_source_id IS NULL OR subscription_source_id IS NULL`); n != 0 {
				t.Errorf("%d payments without their invoice or subscription", n)
			}
			w.mustEqual(w.c)
		})
	}
}

func TestAMemberWhoNeverArrivedIsFetched(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	ep := w.endpoint(w.door())
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	sub := w.subscribe(ana, w.price(4500, "month"))
	ep.Drop(w.pendingOf(ep, "customer.created"))
	for i := 0; i < len(ep.Pending()); {
		if ep.Pending()[i].Type == "customer.updated" {
			ep.Drop(i)
			continue
		}
		i++
	}
	w.deliverOnly(ep, "customer.subscription.created")
	if got := one[string](w, w.c, `SELECT member_source_id FROM subscriptions WHERE source_id = $1`, sub); got != ana {
		t.Fatalf("the subscription belongs to %q", got)
	}
	w.deliver(ep)
	w.refetch(w.c)
	if got := w.nameOf(w.c, ana); got != "Ana" {
		t.Errorf("the member is %q", got)
	}
	if got := one[string](w, w.c, `SELECT membership_status FROM members WHERE source_id = $1`, ana); got != "active" {
		t.Errorf("the member is %q", got)
	}
	w.mustEqual(w.c)
}
