package syncrun_test

import (
	"testing"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// The first runs on a new database begin all at once, and one of them makes the places for all.
func TestWhoWaitsUntilThePlacesAreMadeGetsOne(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	w.ledger.MaxRuns = 2
	another, err := w.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := another.Exec(t.Context(), `INSERT INTO run_slot (slot_id) VALUES (1), (2)`); err != nil {
		t.Fatal(err)
	}
	began := make(chan error, 1)
	go func() {
		run, ctx, err := w.ledger.Begin(t.Context(), w.conn, syncrun.Full, 0)
		if err == nil {
			_, err = run.Finish(ctx, syncrun.Outcome{}, nil)
		}
		began <- err
	}()
	super := pgtest.Superuser(t, w.db)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for waits := false; !waits; <-look.C {
		err := super.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := another.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-began; err != nil {
		t.Errorf("the run did not begin: %v", err)
	}
}

// A process that stands still between taking a place and beginning its run has lost the place to another one.
func TestARunDoesNotBeginWithAPlaceWhoseTimeIsOver(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	w.ledger.MaxRuns, w.ledger.TTL = 1, 200*time.Millisecond
	var waiting []syncrun.Delivery
	err := w.db.ServiceTx(t.Context(), func(tx *postgres.ServiceTx) (err error) {
		waiting, err = syncrun.Queue(t.Context(), tx, []syncrun.Wanted{{
			TenantID: w.conn.TenantID, ConnectionID: w.conn.ID, Pipeline: w.conn.Pipeline, Attempt: 1, Cause: syncrun.Scheduled, Cadence: time.Hour,
		}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	holdUp, err := w.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holdUp.Exec(t.Context(), `SELECT FROM sync_run FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	begun := make(chan error, 1)
	go func() {
		_, _, err := w.ledger.BeginQueued(t.Context(), w.conn, syncrun.Ticket{RunID: waiting[0].RunID, Gen: waiting[0].Gen})
		begun <- err
	}()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for w.text(`SELECT coalesce(max(expires_at) < clock_timestamp(), false)::text FROM run_slot`) != "true" {
		<-look.C
	}
	if err := holdUp.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-begun; !fault.Is(err, fault.Busy) {
		t.Errorf("got %v", err)
	}
	if got := w.text(`SELECT status FROM sync_run`); got != "queued" {
		t.Errorf("the run is %s", got)
	}
}
