package stripe

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres/pgtest"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
)

// refuse answers 403 for the paths that begin with prefix.
func (w *world) refuse(prefix string) {
	w.t.Helper()
	w.api.Close()
	w.api = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, prefix) {
			rw.Header().Set("Date", w.clock.Now().UTC().Format(http.TimeFormat))
			http.Error(rw, `{"error":{"type":"invalid_request_error","message":"The key may not do that."}}`, http.StatusForbidden)
			return
		}
		w.sim.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(w.api.Close)
	w.p = w.pipeline()
}

func TestACutOffListThatMayNotBeReadCostsNoItems(t *testing.T) {
	w := newWorld(t)
	prices := make([]string, 15)
	for i := range prices {
		prices[i] = w.account.CreatePrice(simstripe.PriceParams{Product: w.account.CreateProduct(simstripe.ProductParams{Name: "Course"}), Amount: 100, Interval: "month"})
	}
	id, err := w.account.CreateSubscription(simstripe.SubscriptionParams{Customer: w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"}), Prices: prices})
	if err != nil {
		t.Fatal(err)
	}
	w.sync("")
	w.sim.Advance(time.Hour)
	w.refuse("/v1/subscription_items")
	report, _ := w.p.Sync(t.Context(), w.current(w.c), syncrun.Full, nil)
	if report.Status != syncrun.Partial {
		t.Errorf("the pass %s, want partial", report.Status)
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM subscription_items WHERE subscription_source_id = $1 AND deleted_at IS NULL`, id); n != 15 {
		t.Errorf("%d items are left of 15", n)
	}
}

func TestOneSickTenantDoesNotHoldUpTheOthers(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	other := w.sim.NewAccount(simstripe.AccountOptions{})
	sick := w.tenant("sick", other)
	for _, c := range []connection.Connection{w.c, sick} {
		_, err := pgtest.Owner(t, w.db).Exec(t.Context(), `
			INSERT INTO stripe_refetch (tenant_id, connection_id, stream, source_id, reason, after, due_at)
			VALUES ($1, $2, 'customers', 'cus_gone', 'tie', to_timestamp(0), now())`, c.TenantID, c.ID)
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{
		`UPDATE connection SET refetch_due_at = now()`,
		`UPDATE connection_secret SET sealed = '\x00' WHERE tenant_id = '` + sick.TenantID.String() + `'`,
	} {
		if _, err := pgtest.Owner(t, w.db).Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.p.RefetchDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM stripe_refetch`); n != 0 {
		t.Error("the healthy tenant's list was not worked off")
	}
	if got := w.current(sick); got.State != connection.Degraded || got.LastError == nil {
		t.Errorf("the sick tenant is %s and says nothing", got.State)
	}
	pgtest.SetNow(t, w.db, time.Now().Add(2*time.Minute))
	w.must(w.p.putOff(t.Context(), w.current(w.c), fault.New(fault.Unavailable, "Stripe was away.")))
	if got := w.current(w.c); got.State != connection.Degraded {
		t.Fatalf("the connection is %s", got.State)
	}
	w.p.refetchRoute(t.Context(), connection.Route{ConnectionID: w.c.ID, TenantID: w.c.TenantID})
	if got := w.current(w.c); got.State != connection.Connected {
		t.Errorf("Stripe is back, and the connection is %s", got.State)
	}
}

func TestALongGapIsNoSuccessEvenWhenTheFirstLookFails(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	w.sim.Advance(40 * 24 * time.Hour)
	remove := w.sim.Fault(simstripe.Fault{Kind: simstripe.ServerError, Endpoint: "/v1/events", Count: 6})
	report, _ := w.p.Sync(t.Context(), w.current(w.c), "", nil)
	remove()
	if report.Mode != syncrun.Full && report.Status == syncrun.Succeeded {
		t.Fatalf("an %s run over a gap of 40 days succeeded", report.Mode)
	}
	if report := w.sync(""); report.Mode != syncrun.Full || report.Status != syncrun.Succeeded {
		t.Fatalf("the next run was %s and %s", report.Mode, report.Status)
	}
}

func TestARefusedRefetchIsKeptAndTold(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	door := w.door()
	w.account.SetAPIVersion(simstripe.VersionOld)
	old := w.account.AddEndpoint(simstripe.EndpointParams{URL: door + "/webhooks/stripe/" + w.c.ID.String(), Secrets: []string{worldSecret}, Manual: true})
	w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ben"})
	if failed, err := old.DeliverAll(t.Context()); failed > 0 || err != nil {
		t.Fatalf("%d refused, %v", failed, err)
	}
	w.refuse("/v1/customers")
	if err := w.p.RefetchDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM stripe_refetch WHERE last_error IS NOT NULL`); n != 1 {
		t.Errorf("%d entries are kept with their reason, want 1", n)
	}
	if got := w.current(w.c); got.State != connection.Degraded {
		t.Errorf("the connection is %s, want degraded", got.State)
	}
	w.refuse("/nothing")
	w.hurry()
	if err := w.p.RefetchDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := w.current(w.c); got.State != connection.Connected || got.LastError != nil {
		t.Errorf("the object was fetched, and the connection is %s", got.State)
	}
}

// A list that forgets its place on every page must not keep a pass busy for ever.
func TestAPassGivesUpAListThatLosesItsPlaceEachTime(t *testing.T) {
	w := newWorld(t)
	for i := range 230 {
		w.account.CreateCustomer(simstripe.CustomerParams{Name: fmt.Sprint("Member ", i)})
	}
	w.sim.Advance(time.Minute)
	remove := w.account.Fault(simstripe.Fault{Kind: simstripe.CursorGone, Endpoint: "/v1/customers"})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // a pass without an end would not heed the fault
	defer cancel()
	report, err := w.p.Sync(ctx, w.c, "", nil)
	if report.Status != syncrun.Failed || report.ErrorMessage == nil || !strings.Contains(*report.ErrorMessage, "/v1/customers") {
		t.Fatalf("the pass %s: %v", report.Status, err)
	}
	remove()
	if report := w.sync(""); report.Status != syncrun.Succeeded {
		t.Fatalf("the next pass %s: %v", report.Status, report.ErrorMessage)
	}
	w.mustEqual(w.c)
}

func TestQuarantineEndsWithTheObject(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	_, err := pgtest.Owner(t, w.db).Exec(t.Context(), `
		INSERT INTO quarantine (tenant_id, connection_id, pipeline_type, stream, source_id, reason, raw, observed_at, observed_until)
		VALUES ($1, $2, 'stripe', 'customers', 'cus_odd', 'odd', '{}', $3, $3)`, w.c.TenantID, w.c.ID, w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.sim.Advance(time.Minute)
	if report := w.sync(syncrun.Full); report.Status != syncrun.Succeeded || report.Quarantined != 0 {
		t.Errorf("Stripe does not know the object, and the run is %s with %d in quarantine", report.Status, report.Quarantined)
	}
}
