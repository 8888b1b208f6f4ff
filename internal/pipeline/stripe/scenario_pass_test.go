package stripe

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
)

// While a backfill reads, every kind of change happens behind its back and before its nose, and no webhook
// tells of it.
func TestChangesDuringALongBackfill(t *testing.T) {
	w := newWorld(t)
	price := w.price(2000, "month")
	var ids []string
	for i := range 250 {
		ids = append(ids, w.account.CreateCustomer(simstripe.CustomerParams{Name: fmt.Sprintf("Member %d", i)}))
		w.sim.Advance(time.Minute)
	}
	sub := w.subscribe(ids[0], price)
	w.sim.Advance(time.Hour)
	requests := 0
	w.p.Config.InFlight = 1 // so that the requests come in one order
	w.p.HTTP.Transport = beforeEach(func(r *http.Request) {
		w.sim.Advance(time.Second)
		if r.URL.Path != "/v1/customers" {
			return
		}
		switch requests++; requests {
		case 2: // the first page of customers has been read
			w.must(w.account.UpdateCustomer(ids[249], simstripe.CustomerUpdate{Name: word("read already")}))
			w.must(w.account.UpdateCustomer(ids[0], simstripe.CustomerUpdate{Name: word("not read yet")}))
			w.must(w.account.DeleteCustomer(ids[150])) // the object that the next page starts after
			w.must(w.account.DeleteCustomer(ids[248]))
		case 3:
			late := w.account.CreateCustomer(simstripe.CustomerParams{Name: "late"})
			w.subscribe(late, price)
			w.must(w.account.Cancel(sub))
		}
	})
	if report := w.sync(""); report.Status != syncrun.Succeeded {
		t.Fatalf("%s: %v", report.Status, report.ErrorMessage)
	}
	w.p = w.pipeline()
	w.mustEqual(w.c)
	if n := one[int](w, w.c, `SELECT count(*) FROM members WHERE deleted_at IS NULL`); n != 249 {
		t.Errorf("%d members live, want 249", n)
	}
	if got := one[string](w, w.c, `SELECT status FROM subscriptions WHERE source_id = $1`, sub); got != "canceled" {
		t.Errorf("the subscription is %q", got)
	}
}

func TestA31DayGapIsReadWhole(t *testing.T) {
	w := newWorld(t)
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	bea := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Bea"})
	w.account.CreateProduct(simstripe.ProductParams{ID: "gold", Name: "Gold"})
	w.sim.Advance(time.Hour)
	w.sync("")
	w.must(w.account.DeleteCustomer(ana))
	w.must(w.account.DeleteProduct("gold"))
	w.must(w.account.UpdateCustomer(bea, simstripe.CustomerUpdate{Name: word("Bea Lima")}))
	w.sim.Advance(31 * 24 * time.Hour)

	// As long as the full pass has not come to its end there is no success.
	broken := w.account.Fault(simstripe.Fault{Kind: simstripe.ServerError, Endpoint: "/v1/customers/{id}"})
	if report, err := w.p.Sync(t.Context(), w.current(w.c), syncrun.Incremental, nil); err == nil || report.Status != syncrun.Failed {
		t.Fatalf("the pass that could not look up what is missing is %s: %v", report.Status, err)
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM members WHERE deleted_at IS NOT NULL`); n != 0 {
		t.Error("a tombstone without a look-up")
	}
	broken()
	report := w.sync(syncrun.Incremental)
	if report.Mode != syncrun.Full || report.Status != syncrun.Succeeded {
		t.Fatalf("the sync after the gap was %s and %s: %v", report.Mode, report.Status, report.ErrorMessage)
	}
	if got := one[string](w, w.c, `SELECT membership_status FROM members WHERE source_id = $1`, ana); got != "deleted" {
		t.Errorf("who was deleted in the gap is %q", got)
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM plans WHERE deleted_at IS NOT NULL`); n != 1 {
		t.Errorf("%d products are deleted, want 1", n)
	}
	w.mustEqual(w.c)
	if report := w.sync(""); report.Mode != syncrun.Incremental {
		t.Errorf("the next sync is %s", report.Mode)
	}
}

func TestTruncatedNestedListsAreReadWhole(t *testing.T) {
	w := newWorld(t)
	product := w.account.CreateProduct(simstripe.ProductParams{Name: "Courts"})
	var prices []string
	for i := range 25 {
		prices = append(prices, w.account.CreatePrice(simstripe.PriceParams{Product: product, Amount: int64(100 + i), Currency: "usd", Interval: "month"}))
	}
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	sub, err := w.account.CreateSubscription(simstripe.SubscriptionParams{Customer: ana, Prices: prices})
	w.must(err)
	w.sim.Advance(time.Hour)
	w.sync("")
	items := `SELECT count(*) FROM subscription_items WHERE subscription_source_id = $1 AND deleted_at IS NULL`
	if n := one[int](w, w.c, items, sub); n != 25 {
		t.Fatalf("%d items after the backfill, want 25", n)
	}
	w.mustEqual(w.c)

	ep := w.endpoint(w.door())
	other, err := w.account.CreateSubscription(simstripe.SubscriptionParams{Customer: ana, Prices: prices})
	w.must(err)
	w.sim.Advance(5 * time.Second)
	w.must(w.account.UpdateMetadata(sub, map[string]string{"court": "3"}))
	w.deliver(ep)
	if n := one[int](w, w.c, items, sub); n != 25 {
		t.Errorf("%d items right after a delivery that shows ten, want all 25 until they are fetched", n)
	}
	w.refetch(w.c)
	for _, id := range []string{sub, other} {
		if n := one[int](w, w.c, items, id); n != 25 {
			t.Errorf("%d items of %s, want 25", n, id)
		}
	}
	w.mustEqual(w.c)
}

// An invoice shows ten of its payments; the allocations of all of them count.
func TestAnInvoiceWithManyPayments(t *testing.T) {
	w := newWorld(t)
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	w.subscribe(ana, w.price(1200, "month"))
	w.sim.Advance(time.Hour)
	id := w.account.IDs("invoices")[0]
	invoice, payment := latest(t, w.account, id), latest(t, w.account, w.account.IDs("invoice_payments")[0])
	var shown []any
	for i := range 12 {
		part := maps.Clone(payment)
		part["id"], part["amount_paid"] = fmt.Sprintf("inpay_part%d", i), 100
		charge, err := w.account.Charge(simstripe.ChargeParams{Customer: ana, Amount: 100, Currency: "usd"})
		w.must(err)
		part["payment"] = map[string]any{"type": "charge", "charge": charge}
		w.put(part)
		if i < 10 {
			shown = append(shown, part)
		}
	}
	w.put(map[string]any{"id": payment["id"], "object": "invoice_payment", "deleted": true})
	invoice["payments"] = map[string]any{"object": "list", "url": "/v1/invoice_payments", "has_more": true, "data": shown}
	w.put(invoice)
	w.sim.Advance(time.Hour)
	count := `SELECT count(*) FROM payments WHERE status = 'succeeded' AND invoice_source_id = $1`
	w.sync("")
	if n := one[int](w, w.c, count, id); n != 12 {
		t.Errorf("%d payments of the invoice after the backfill, want 12", n)
	}
	w.mustEqual(w.c)

	other := newWorld(t) // of the same seed, so its tenant is connected to an account of the same id and key
	other.account, other.sim, other.clock, other.api = w.account, w.sim, w.clock, w.api
	other.p = other.pipeline()
	ep := other.endpoint(other.door())
	raw, err := json.Marshal(invoice)
	w.must(err)
	w.account.Emit("invoice.paid", raw, nil)
	w.sim.Advance(time.Minute)
	other.deliver(ep)
	other.refetch(other.c)
	if n := one[int](other, other.c, `SELECT count(*) FROM payment_allocations WHERE invoice_source_id = $1`, id); n != 12 {
		t.Errorf("%d allocations after a delivery that shows ten, want 12", n)
	}
	if n := one[int](other, other.c, count, id); n != 1 {
		t.Errorf("%d rows of money before the payments have arrived, want the invoice's own", n)
	}
}

// put places an object in the simulated Stripe.
func (w *world) put(object map[string]any) {
	w.t.Helper()
	raw, err := json.Marshal(object)
	w.must(err)
	w.must(w.account.PutObject(raw))
}
