package connection_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

func (w *world) byAccount(account string, livemode bool) (route connection.Route, found bool) {
	w.t.Helper()
	w.service(func(ctx context.Context, tx *postgres.ServiceTx) (err error) {
		route, found, err = w.store.RouteByAccount(ctx, tx, connection.Stripe, account, livemode)
		return err
	})
	return route, found
}

func (w *world) refetchDue() (ids []connection.ID) {
	w.t.Helper()
	w.service(func(ctx context.Context, tx *postgres.ServiceTx) error {
		found, err := w.store.DueRefetch(ctx, tx, 10)
		for _, route := range found {
			ids = append(ids, route.ConnectionID)
		}
		return err
	})
	return ids
}

func (w *world) syncDue() (ids []connection.ID) {
	w.t.Helper()
	w.service(func(ctx context.Context, tx *postgres.ServiceTx) error {
		found, err := w.store.ClaimDue(ctx, tx, 10, connection.Held{})
		for _, due := range found {
			ids = append(ids, due.ConnectionID)
		}
		return err
	})
	return ids
}

func TestARouteLeadsToTheTenantThatHasTheAccountNow(t *testing.T) {
	w := newWorld(t)
	old := w.connect(stripe("acct_1", nil))
	w.disconnect(old.ID)
	if route, found := w.byAccount("acct_1", false); !found || route.State != connection.Disconnected {
		t.Errorf("got %+v, %t", route, found)
	}
	other := w.newTenant("Hillside")
	c, _, err := w.connectAs(other, stripe("acct_1", nil))
	if err != nil {
		t.Fatal(err)
	}
	want := connection.Route{
		ConnectionID: c.ID, TenantID: other, Pipeline: connection.Stripe, SourceAccountID: "acct_1",
		State: connection.Pending, Generation: 1, Plan: tenant.Pro,
	}
	route, found := w.byAccount("acct_1", false)
	if diff := cmp.Diff(want, route); diff != "" || !found {
		t.Error(diff)
	}
	for name, known := range map[string]bool{"live mode": second(w.byAccount("acct_1", true)), "no account": second(w.byAccount("", false)),
		"a stranger": second(w.byAccount("acct_9", false))} {
		if known {
			t.Errorf("%s led somewhere", name)
		}
	}
	w.service(func(ctx context.Context, tx *postgres.ServiceTx) error {
		route, found, err := w.store.RouteByID(ctx, tx, c.ID)
		if diff := cmp.Diff(want, route); diff != "" || !found {
			t.Error(diff)
		}
		all, allErr := w.store.Routes(ctx, tx)
		if len(all) != 2 || allErr != nil {
			t.Errorf("got %v, %v", all, allErr)
		}
		return err
	})
}

func second[A, B any](_ A, b B) B { return b }

func TestANameThatNobodyConfirmedIsALabel(t *testing.T) {
	w := newWorld(t)
	label := stripe("acct_1", nil)
	label.AccountConfirmed = false
	w.connect(label)
	if _, found := w.byAccount("acct_1", false); found {
		t.Error("something is routed by a name that nobody confirmed")
	}
	owner, also := w.newTenant("Hillside"), w.newTenant("Parkside")
	if _, _, err := w.connectAs(also, label); err != nil {
		t.Errorf("a second one of that name: %v", err)
	}
	c, _, err := w.connectAs(owner, stripe("acct_1", nil))
	if err != nil {
		t.Fatal(err)
	}
	if route, found := w.byAccount("acct_1", false); !found || route.ConnectionID != c.ID {
		t.Errorf("the account leads to %+v, want its owner", route)
	}
	// The same tenant may confirm later what it named, but not what feeds another one by now.
	if _, _, err := w.connectAs(w.tenant, stripe("acct_1", nil)); !fault.Is(err, fault.Conflict) {
		t.Errorf("the account came to a second tenant: %v", err)
	}
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
		_, _, err := w.store.Connect(ctx, tx, label)
		return err
	})
	if w.get().AccountConfirmed {
		t.Error("a label counts as confirmed")
	}
}

func TestANewPlanReachesTheRoutesAndStartsAPull(t *testing.T) {
	w := newWorld(t)
	c := w.connect(stripe("acct_1", nil))
	w.succeeded(c.ID, connection.Outcome{})
	change := func(plan tenant.Plan) bool {
		changed, err := identity.SetPlan(t.Context(), w.db, w.tenant, plan, "anna@example.com")
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	if !change(tenant.Free) || change(tenant.Free) {
		t.Error("the first change changes something, the second nothing")
	}
	if route, _ := w.byAccount("acct_1", false); route.Plan != tenant.Free || route.Generation != 2 {
		t.Errorf("got %+v", route)
	}
	if got := w.syncDue(); got != nil {
		t.Errorf("due on free: %v", got)
	}
	change(tenant.Pro)
	if diff := cmp.Diff([]connection.ID{c.ID}, w.syncDue()); diff != "" {
		t.Error(diff)
	}
	audited := 0
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM audit_event WHERE action = 'tenant.plan' AND actor = 'anna@example.com'`).Scan(&audited)
	})
	if audited != 2 {
		t.Errorf("%d changes were audited", audited)
	}
}

func TestTheRefetchListIsDueAtItsEarliestEntry(t *testing.T) {
	w := newWorld(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pgtest.SetNow(t, w.db, now)
	id := w.connect(stripe("acct_1", nil)).ID
	mark := func(at time.Time) {
		w.do(func(_ context.Context, tx *postgres.TenantTx) error {
			w.store.MarkRefetchDue(tx, id, at.Sub(now))
			return nil
		})
	}
	mark(now.Add(2 * time.Second))
	if got := w.refetchDue(); got != nil {
		t.Errorf("due early: %v", got)
	}
	mark(now.Add(-time.Second))
	mark(now.Add(time.Minute))
	if diff := cmp.Diff([]connection.ID{id}, w.refetchDue()); diff != "" {
		t.Error(diff)
	}
	w.failed(id, fault.New(fault.Unauthorized, "Stripe refuses the key."), false, connection.Outcome{})
	if got := w.refetchDue(); got != nil {
		t.Errorf("due although the key is refused: %v", got)
	}
	w.connect(stripe("acct_1", nil))
	if diff := cmp.Diff([]connection.ID{id}, w.refetchDue()); diff != "" {
		t.Errorf("the list was forgotten: %s", diff)
	}
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
		if locked, err := w.store.Lock(ctx, tx, id); err != nil || !locked {
			t.Errorf("got %t, %v", locked, err)
		}
		return w.store.ResetRefetchDue(ctx, tx, id, nil)
	})
	if got := w.refetchDue(); got != nil {
		t.Errorf("due although the list is empty: %v", got)
	}
}

func TestUnclaimedDeliveriesAreKeptWithinBounds(t *testing.T) {
	w := newWorld(t)
	keep := func(d connection.Delivery) {
		w.service(func(ctx context.Context, tx *postgres.ServiceTx) error { return w.store.QuarantineWebhook(ctx, tx, d) })
	}
	// Enough for the cap to bite, and one that is too old by its date alone.
	_, err := pgtest.Owner(t, w.db).Exec(t.Context(), `
		INSERT INTO webhook_quarantine (account_id, livemode, event_id, event_type, reason, raw, received_at)
		SELECT 'acct_9', true, 'evt_' || n, 'charge.failed', 'unknown account', '{}',
		       CASE n WHEN 10005 THEN now() - interval '31 days' ELSE now() END
		  FROM generate_series(1, 10010) n`)
	if err != nil {
		t.Fatal(err)
	}
	keep(connection.Delivery{AccountID: "acct_\x00\xff1", EventID: "evt_last", Raw: bytes.Repeat([]byte{'x'}, connection.QuarantineBytes+1)})
	var rows, oldest, size int
	var account string
	w.service(func(ctx context.Context, tx *postgres.ServiceTx) error {
		err := tx.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE event_id IN ('evt_10005', 'evt_11')) FROM webhook_quarantine`).
			Scan(&rows, &oldest)
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT length(raw), account_id FROM webhook_quarantine WHERE event_id = 'evt_last'`).Scan(&size, &account)
	})
	if rows != connection.QuarantineRows-1 || oldest != 0 || size != connection.QuarantineBytes || account != "acct_1" {
		t.Errorf("got %d rows, %d old ones, %d bytes, account %q", rows, oldest, size, account)
	}
	keep(connection.Delivery{AccountID: "acct_9"})
}
