package syncrun_test

import (
	"context"
	"testing"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// health returns how the world's one connection fares.
func (w *world) health() (h syncrun.Health) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
		all, err := syncrun.HealthOf(ctx, tx, w.ledger.Connections)
		if err == nil && len(all) != 1 {
			w.t.Fatalf("%d connections", len(all))
		}
		h = all[0]
		return err
	})
	return h
}

// asked lets the site be asked once, with that outcome.
func (w *world) asked(o care.Outcome) {
	w.t.Helper()
	permit, err := care.New(w.db, care.Config{}).Begin(w.t.Context(), care.Place{Tenant: w.conn.TenantID, Connection: w.conn.ID, Site: "lakeside.example"})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := permit.Done(w.t.Context(), o); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) finish(err error) syncrun.Report {
	w.t.Helper()
	run, ctx := w.begin(syncrun.Incremental)
	report, err := run.Finish(ctx, syncrun.Outcome{DataAsOf: run.StartedAt}, err)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

func (w *world) expectHealth(what string, state connection.State, paused string, well bool) syncrun.Health {
	w.t.Helper()
	h := w.health()
	if h.State != state || h.Paused != paused || h.Well() != well || well != (h.Since == nil) {
		w.t.Errorf("%s: %s, %q, well %t, since %v; want %s, %q, %t", what, h.State, h.Paused, h.Well(), h.Since, state, paused, well)
	}
	return h
}

func TestAConnectionIsPausedWhileASwitchOrItsBreakerHoldsIt(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pgtest.SetNow(t, w.db, now)
	next := now.Add(24 * time.Hour)
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
		return w.ledger.Connections.ScheduleSync(ctx, tx, w.conn.ID, &next)
	})
	w.expectHealth("a new connection", connection.Pending, "", true)
	w.finish(nil)
	if h := w.expectHealth("after a success", connection.Connected, "", true); h.Stale || !h.DataAsOf.Equal(now) || !h.NextAttemptAt.Equal(next) {
		t.Errorf("after a success: %+v", h)
	}

	w.throw("pipeline:stripe")
	if h := w.expectHealth("under a switch", connection.Paused, "This work is stopped by the switch pipeline:stripe: being repaired", true); h.NextAttemptAt != nil {
		t.Errorf("under a switch that does not clear itself the next attempt is at %v", h.NextAttemptAt)
	}
	err := w.db.OperatorTx(t.Context(), func(tx *postgres.OperatorTx) error {
		_, err := guard.Off(t.Context(), tx, "pipeline:stripe", "olga")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	w.asked(care.Outcome{Verdict: care.Gone, Requests: 1})
	w.finish(fault.New(fault.Unavailable, "lakeside.example shows a parking page."))
	h := w.expectHealth("with an open breaker", connection.Paused, "The site did not work the last time, so it is left in peace until 12:01:00 UTC.", false)
	if *h.Connection.LastError != "lakeside.example shows a parking page." || !h.Since.Equal(now) {
		t.Errorf("with an open breaker: since %v, %+v", h.Since, h.Connection)
	}
	pgtest.SetNow(t, w.db, now.Add(time.Minute))
	w.expectHealth("when the rest is over", connection.Degraded, "", false)

	pgtest.SetNow(t, w.db, now)
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
		return w.ledger.Connections.GaveUp(ctx, tx, w.conn.ID)
	})
	w.expectHealth("with an open breaker and nothing tried any more", connection.Failed, "", false)

	pgtest.SetNow(t, w.db, now.Add(30*time.Minute))
	w.asked(care.Outcome{Verdict: care.Well, Took: time.Second, Requests: 1})
	w.finish(nil)
	w.expectHealth("when it works again", connection.Connected, "", true)
	pgtest.SetNow(t, w.db, now.Add(49*time.Hour))
	if h := w.expectHealth("after two periods", connection.Degraded, "", false); !h.Stale || !h.Since.Equal(next) {
		t.Errorf("after two periods: %+v", h)
	}
}

func TestASiteThatWasNotAskedIsNoFailure(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	w.finish(nil)
	refused := fault.Wrap(fault.Unavailable, care.ErrNotAsked, "lakeside.example is left in peace for a while.")
	if report := w.finish(refused); report.Status != syncrun.Stopped || *report.ErrorMessage != refused.Sentence {
		t.Errorf("the run: %+v", report)
	}
	if h := w.expectHealth("then", connection.Connected, "", true); h.Connection.ConsecutiveFailures != 0 || h.Connection.LastError != nil {
		t.Errorf("the connection: %+v", h.Connection)
	}
}

func TestHowLongASiteTakesIsTold(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	w.asked(care.Outcome{Verdict: care.Well, Took: 700 * time.Millisecond, Requests: 1})
	w.finish(nil)
	if got := w.health().Connection.ResponseMS; got == nil || *got != 700 {
		t.Errorf("after a success: %v", got)
	}
	w.asked(care.Outcome{Verdict: care.Well, Took: 1500 * time.Millisecond, Requests: 1})
	w.finish(fault.New(fault.Schema, "lakeside.example answers in a shape that is not understood."))
	if got := w.health().Connection.ResponseMS; got == nil || *got != 800 {
		t.Errorf("after a failure: %v", got)
	}
}
