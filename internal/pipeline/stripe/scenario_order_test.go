package stripe

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"memberintel/internal/sim/clock"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
)

func TestAStalePageDoesNotUndoAWebhook(t *testing.T) {
	w := newWorld(t)
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	w.sim.Advance(time.Hour)
	ep := w.endpoint(w.door())
	read, release := w.hold(w.account, "/v1/customers")
	done := w.background(w.c, syncrun.Full)
	<-read
	w.sim.Advance(10 * time.Second)
	w.must(w.account.UpdateCustomer(ana, simstripe.CustomerUpdate{Name: word("Ana Lima")}))
	w.deliver(ep)
	if got := w.nameOf(w.c, ana); got != "Ana Lima" {
		t.Fatalf("after the delivery the member is %q", got)
	}
	release()
	w.must(<-done)
	if got := w.nameOf(w.c, ana); got != "Ana Lima" {
		t.Errorf("the stale page made the member %q", got)
	}
	w.mustEqual(w.c)
}

// A real Stripe dates an answer when it is written. A page that was read before a change and written after it is dated
// later than the change, and still older.
func TestAPageThatIsDatedLaterThanItWasRead(t *testing.T) {
	w := newWorld(t)
	w.clock = clock.Follow(w.clock.Now().Add(time.Minute), 1)
	w.sim = simstripe.New(w.clock, 1)
	paced := w.sim.NewAccount(simstripe.AccountOptions{ID: "acct_paced"})
	ana := paced.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	w.account, w.api.Config.Handler = paced, w.sim
	w.p.Config.Now = w.clock.Now
	w.c = w.tenant("paced", paced)
	ep := w.endpoint(w.door())
	w.clock.Advance(time.Minute)
	read, release := w.hold(paced, "/v1/customers")
	done := w.background(w.c, syncrun.Full)
	<-read
	w.must(paced.UpdateCustomer(ana, simstripe.CustomerUpdate{Name: word("Ana Lima")}))
	w.deliver(ep)
	changed := w.clock.Now()
	for w.clock.Now().Sub(changed) < 2500*time.Millisecond { // the answer is dated clearly later than the change
		<-time.After(50 * time.Millisecond)
	}
	release()
	w.must(<-done)
	if got := w.nameOf(w.c, ana); got != "Ana Lima" {
		t.Errorf("the page that came late made the member %q", got)
	}
}

func TestSameSecondTieInAllSixOrders(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	door := w.door()
	ep, url := w.endpoint(door), door+"/webhooks/stripe/"+w.c.ID.String()
	for i, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			names := []string{"first", "second", "third"}
			id := w.account.CreateCustomer(simstripe.CustomerParams{Name: names[0], Email: fmt.Sprintf("%d@example.com", i)})
			w.must(w.account.UpdateCustomer(id, simstripe.CustomerUpdate{Name: &names[1]}))
			w.must(w.account.UpdateCustomer(id, simstripe.CustomerUpdate{Name: &names[2]}))
			var bodies [][]byte
			for n := range 3 {
				signed, err := ep.Signed(n)
				w.must(err)
				bodies = append(bodies, signed.Body)
			}
			for range 3 {
				ep.Drop(0)
			}
			shown := -1
			look := func() {
				t.Helper()
				now := -1
				for n, name := range names {
					if w.nameOf(w.c, id) == name {
						now = n
					}
				}
				if now < shown {
					t.Fatalf("shows %q after %q", names[now], names[shown])
				}
				shown = now
			}
			for _, n := range order {
				if status, _ := w.post(url, bodies[n], worldSecret); status != http.StatusOK {
					t.Fatalf("answered %d", status)
				}
				look()
			}
			for range 3 {
				w.sim.Advance(time.Second)
				w.hurry()
				w.must(w.p.RefetchDue(t.Context()))
				look()
			}
			w.refetch(w.c)
			if got := w.nameOf(w.c, id); got != "third" {
				t.Errorf("ends with %q", got)
			}
		})
	}
	w.mustEqual(w.c)
}

// Two states of one subscription in one batch: the items are those of the newer state alone.
func TestTwoStatesInOneBatchDoNotMixTheirItems(t *testing.T) {
	w := newWorld(t)
	price, other := w.price(1000, "month"), w.price(500, "month")
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	w.sync("")
	sub, err := w.account.CreateSubscription(simstripe.SubscriptionParams{Customer: ana, Prices: []string{price, other}})
	w.must(err)
	w.sim.Advance(time.Minute)
	items := latest(t, w.account, sub)["items"].(map[string]any)["data"].([]any)
	gone := items[1].(map[string]any)["id"].(string)
	w.must(w.account.RemoveItem(sub, gone))
	w.sim.Advance(time.Minute)
	if report := w.sync(""); report.Mode != syncrun.Incremental {
		t.Fatalf("mode %s", report.Mode)
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM subscription_items WHERE subscription_source_id = $1 AND deleted_at IS NULL`, sub); n != 1 {
		t.Errorf("%d items live, want the one that is left", n)
	}
	w.mustEqual(w.c)
}

func TestADeletedCustomerStaysDeleted(t *testing.T) {
	w := newWorld(t)
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana", Email: "ana@example.com"})
	w.sync("")
	ep := w.endpoint(w.door())
	w.sim.Advance(time.Minute)
	w.must(w.account.UpdateCustomer(ana, simstripe.CustomerUpdate{Name: word("Ana Lima")}))
	w.sim.Advance(time.Minute)
	w.must(w.account.DeleteCustomer(ana))
	w.deliverOnly(ep, "customer.deleted")
	w.deliverOnly(ep, "customer.updated")
	w.refetch(w.c)
	type row struct {
		Status, Name, Reason string
	}
	got := row{
		one[string](w, w.c, `SELECT membership_status FROM members WHERE source_id = $1`, ana), w.nameOf(w.c, ana),
		one[string](w, w.c, `SELECT delete_reason FROM members WHERE source_id = $1`, ana),
	}
	if want := (row{"deleted", "Ana", "event"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.mustEqual(w.c)
	w.sync(syncrun.Full)
	w.mustEqual(w.c)
}

// A deletion that comes before anything else about the customer is not forgotten when the rest arrives.
func TestADeletionThatComesFirst(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	ep := w.endpoint(w.door())
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	w.sim.Advance(time.Minute)
	w.must(w.account.DeleteCustomer(ana))
	w.deliverOnly(ep, "customer.deleted")
	w.deliverOnly(ep, "customer.created")
	w.refetch(w.c)
	if got := one[string](w, w.c, `SELECT membership_status FROM members WHERE source_id = $1`, ana); got != "deleted" {
		t.Errorf("the member is %q", got)
	}
	w.mustEqual(w.c)
}

func TestAProductThatIsMadeAgainLivesAgain(t *testing.T) {
	for name, wait := range map[string]time.Duration{"later": time.Minute, "in the next second": time.Second, "in the same second": 0} {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, known %t", name, known), func(t *testing.T) {
				w := newWorld(t)
				if known {
					w.account.CreateProduct(simstripe.ProductParams{ID: "gold", Name: "Gold"})
				}
				w.sync("")
				ep := w.endpoint(w.door())
				if !known {
					w.account.CreateProduct(simstripe.ProductParams{ID: "gold", Name: "Gold"})
					ep.Drop(0)
				}
				w.sim.Advance(time.Minute)
				w.must(w.account.UpdateProduct("gold", simstripe.ProductUpdate{Name: word("Gold plus")}))
				w.sim.Advance(wait)
				w.must(w.account.DeleteProduct("gold"))
				w.deliverOnly(ep, "product.deleted")
				w.deliverOnly(ep, "product.updated")
				w.refetch(w.c)
				if n := one[int](w, w.c, `SELECT count(*) FROM plans WHERE source_id = 'gold' AND deleted_at IS NULL`); n != 0 {
					t.Fatal("a late update made the deleted product live")
				}
				w.sim.Advance(wait)
				w.account.CreateProduct(simstripe.ProductParams{ID: "gold", Name: "New gold"})
				w.deliver(ep)
				w.refetch(w.c)
				if got := one[string](w, w.c, `SELECT coalesce((SELECT name FROM plans WHERE source_id = 'gold' AND deleted_at IS NULL), '')`); got != "New gold" {
					t.Errorf("the product is %q", got)
				}
				w.mustEqual(w.c)
			})
		}
	}
}

func TestASweepsTombstoneIsLiftedByAFetchAlone(t *testing.T) {
	w := newWorld(t)
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	w.sim.Advance(time.Minute)
	w.sync("")
	ep := w.endpoint(w.door())
	w.sim.Advance(time.Minute)
	w.must(w.account.UpdateCustomer(ana, simstripe.CustomerUpdate{Name: word("Ana Lima")}))
	w.sim.Advance(time.Minute)
	w.buryBySweep(ana)
	w.deliver(ep)
	if got := one[string](w, w.c, `SELECT membership_status FROM members WHERE source_id = $1`, ana); got != "deleted" {
		t.Errorf("an event from before the sweep made the member %q", got)
	}
	w.sim.Advance(time.Minute)
	w.must(w.account.UpdateCustomer(ana, simstripe.CustomerUpdate{Name: word("Ana Maria Lima")}))
	w.deliver(ep)
	if got := one[string](w, w.c, `SELECT membership_status FROM members WHERE source_id = $1`, ana); got != "deleted" {
		t.Errorf("a mere event made the member %q", got)
	}
	w.refetch(w.c) // the event asks for a fetch, which shows the customer
	if got := w.nameOf(w.c, ana); got != "Ana Maria Lima" {
		t.Errorf("after the fetch the member is %q", got)
	}
	w.mustEqual(w.c)
}

// buryBySweep puts a tombstone that a sweep would have put now.
func (w *world) buryBySweep(id string) {
	w.t.Helper()
	now := w.clock.Now().Truncate(time.Second)
	w.owner(`UPDATE members SET deleted_at = $2, delete_reason = 'sweep', observed_at = $2, observed_until = $2, membership_status = 'deleted' WHERE source_id = $1`, id, now)
}
