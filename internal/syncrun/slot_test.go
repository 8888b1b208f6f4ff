package syncrun_test

import (
	"testing"
	"time"

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
