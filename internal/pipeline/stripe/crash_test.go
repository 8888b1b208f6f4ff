package stripe

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/pipeline/pipelinetest"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/sim/clock"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
)

// The five questions, with a crash at each write of a full pass and of a pull of events.
func TestWhatEveryPipelineIsAsked(t *testing.T) {
	db := pgtest.New(t)
	made := 0
	pipelinetest.Run(t, pipelinetest.Subject{DB: db, Crashes: 25, Connect: func(t *testing.T) pipelinetest.Tenant {
		made++
		w := &world{t: t, clock: clock.At(worldStart), db: db}
		w.sim = simstripe.New(w.clock, 1)
		w.account = w.twin(fmt.Sprintf("acct_%04d", made))
		w.api = httptest.NewServer(w.sim)
		t.Cleanup(w.api.Close)
		w.p = w.pipeline()
		w.c = w.second(w.account.ID(), w.account, worldSecret)
		return questioned(w)
	}})
}

// questioned is a world with every kind of object, as pipelinetest asks it.
func questioned(w *world) pipelinetest.Tenant {
	a := w.account
	lost := a.CreateProduct(simstripe.ProductParams{ID: "lost", Name: "Lost"})
	month, other := w.price(4500, "month"), w.price(900, "month")
	var ids []string
	for i := range 8 {
		w.sim.Advance(time.Minute)
		ids = append(ids, a.CreateCustomer(simstripe.CustomerParams{Name: fmt.Sprint("Member ", i)}))
	}
	sub := w.subscribe(ids[0], month)
	many, err := a.CreateSubscription(simstripe.SubscriptionParams{Customer: ids[1], Prices: manyPrices(w, 12)})
	w.must(err)
	_, err = a.CreateSubscription(simstripe.SubscriptionParams{Customer: ids[2], Prices: []string{month}, Payment: simstripe.Declined})
	w.must(err)
	for _, ch := range a.IDs("charges")[:2] {
		_, err := a.Refund(simstripe.RefundParams{Charge: ch, Amount: 100})
		w.must(err)
	}
	_, err = a.OpenDispute(a.IDs("charges")[1], "fraudulent", 200)
	w.must(err)
	w.must(a.DeleteCustomer(ids[7]))
	w.sim.Advance(time.Hour)
	return pipelinetest.Tenant{
		ID: w.c.TenantID,
		Sync: func(ctx context.Context, full bool) error {
			w.restart()
			mode := syncrun.Incremental
			if full {
				mode = syncrun.Full
			}
			w.sim.Advance(5 * time.Second)
			_, err := w.p.Sync(ctx, w.current(w.c), mode, nil)
			return err
		},
		Change: func() {
			w.clock.Set(worldStart.Add(10 * 24 * time.Hour)) // whatever was waited for before
			w.sim.Tick()
			a.CreateCustomer(simstripe.CustomerParams{Name: "New"})
			w.must(a.UpdateCustomer(ids[3], simstripe.CustomerUpdate{Name: word("Renamed")}))
			w.must(a.UpdateCustomer(ids[3], simstripe.CustomerUpdate{Phone: word("+1")})) // in the same second
			w.must(a.DeleteCustomer(ids[4]))
			w.must(a.Cancel(sub))
			w.must(a.UpdateMetadata(many, map[string]string{"court": "1"}))
			w.subscribe(ids[5], other)
		},
		Lose: func() {
			w.put(map[string]any{"id": lost, "object": "product", "deleted": true})
		},
		Break: func() func() {
			return a.Fault(simstripe.Fault{Kind: simstripe.ServerError, Endpoint: "/v1/charges"})
		},
	}
}

func manyPrices(w *world, n int) (prices []string) {
	product := w.account.CreateProduct(simstripe.ProductParams{Name: "Courts"})
	for i := range n {
		prices = append(prices, w.account.CreatePrice(simstripe.PriceParams{Product: product, Amount: int64(100 + i), Currency: "usd", Interval: "month"}))
	}
	return prices
}

// A process that dies between any two answers of Stripe leaves what a new one can go on from.
func TestACrashAtEveryAnswer(t *testing.T) {
	w := newWorld(t)
	questioned(w)
	for step := int64(1); ; step++ {
		var requests atomic.Int64
		dying, die := context.WithCancel(t.Context())
		w.p.HTTP.Transport = before(func() {
			if requests.Add(1) == step {
				die()
			}
		})
		w.sim.Advance(5 * time.Second)
		report, err := w.p.Sync(dying, w.current(w.c), syncrun.Full, nil)
		die()
		if err == nil {
			if report.Status != syncrun.Succeeded {
				t.Errorf("%s: %v", report.Status, report.ErrorMessage)
			}
			break
		}
		if !errors.Is(err, context.Canceled) || report.Status != syncrun.Stopped {
			t.Fatalf("stopped at request %d: %s, %v", step, report.Status, err)
		}
		if got := w.current(w.c).State; got != connection.Pending {
			t.Fatalf("whoever stopped a sync made the connection %s", got)
		}
		w.restart()
	}
	w.p = w.pipeline()
	w.mustEqual(w.c)
}

// A worker that was thought dead finds its run taken over, and writes nothing more.
func TestAWorkerWhoseRunWasTakenOver(t *testing.T) {
	w := newWorld(t)
	for i := range 150 {
		w.account.CreateCustomer(simstripe.CustomerParams{Name: fmt.Sprint("Member ", i)})
	}
	w.sim.Advance(time.Minute)
	read, release := w.hold(w.account, "/v1/invoices")
	slow := w.background(w.c, syncrun.Full)
	<-read
	w.restart()
	run := one[int64](w, w.c, `SELECT run_id FROM sync_run`)
	report := w.sync(syncrun.Full)
	if report.RunID != run || report.Status != syncrun.Succeeded {
		t.Errorf("run %d was %s, want that run %d goes on", report.RunID, report.Status, run)
	}
	release()
	if err := <-slow; err == nil {
		t.Error("the worker that lost its run claims success")
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM sync_run WHERE status <> 'succeeded'`); n != 0 {
		t.Errorf("%d runs are not succeeded", n)
	}
	if got := w.current(w.c).State; got != connection.Connected {
		t.Errorf("the connection is %s", got)
	}
	w.mustEqual(w.c)
}

// A delivery whose commit fails at any of its writes is delivered again, and its effect is there once.
func TestADeliveryWhoseCommitFails(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	ep := w.endpoint(w.door())
	w.owner(`CREATE SEQUENCE step`)
	w.owner(`CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
		IF nextval('step') = 1 THEN RAISE EXCEPTION 'the server died' USING ERRCODE = '57P01'; END IF; RETURN NULL; END $$`)
	for _, table := range []string{"members", "subscriptions", "invoices", "transactions", "stripe_refetch", "stripe_events_processed", "sync_run"} {
		t.Run(table, func(t *testing.T) {
			w.owner(`CREATE TRIGGER die AFTER INSERT OR UPDATE ON ` + table + ` FOR EACH STATEMENT EXECUTE FUNCTION die()`)
			w.owner(`ALTER SEQUENCE step RESTART`)
			ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
			w.subscribe(ana, w.price(1000, "month"))
			refused := 0
			for len(ep.Pending()) > 0 {
				failed, err := ep.DeliverAll(t.Context())
				w.must(err)
				if refused += failed; refused > 1 {
					t.Fatalf("%d deliveries were refused, want 1", refused)
				}
			}
			if refused != 1 {
				t.Errorf("%d deliveries were refused, want 1", refused)
			}
			w.owner(`DROP TRIGGER die ON ` + table)
			w.refetch(w.c)
		})
	}
	w.mustEqual(w.c)
}
