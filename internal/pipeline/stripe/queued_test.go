package stripe

import (
	"errors"
	"testing"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
)

// queue makes a run that waits and returns its ticket.
func (w *world) queue() syncrun.Ticket {
	w.t.Helper()
	var waiting []syncrun.Delivery
	w.must(w.db.ServiceTx(w.t.Context(), func(tx *postgres.ServiceTx) (err error) {
		waiting, err = syncrun.Queue(w.t.Context(), tx, []syncrun.Wanted{{
			TenantID: w.c.TenantID, ConnectionID: w.c.ID, Pipeline: w.c.Pipeline, Attempt: 1, Cause: syncrun.Scheduled, Cadence: 24 * time.Hour,
		}})
		return err
	}))
	return syncrun.Ticket{RunID: waiting[0].RunID, Gen: waiting[0].Gen}
}

func TestAQueuedSyncIsASync(t *testing.T) {
	w := newWorld(t)
	w.account.Club(7, 60, 14)
	for _, want := range []syncrun.Mode{syncrun.Full, syncrun.Incremental} {
		ticket := w.queue()
		report, err := w.p.SyncQueued(t.Context(), w.current(w.c), ticket)
		if err != nil || report.RunID != ticket.RunID || report.Mode != want || report.Status != syncrun.Succeeded {
			t.Fatalf("%+v, %v", report, err)
		}
		if _, err := w.p.SyncQueued(t.Context(), w.current(w.c), ticket); !errors.Is(err, syncrun.ErrGone) {
			t.Errorf("done twice: %v", err)
		}
		w.mustEqual(w.c)
		w.sim.Advance(20 * 24 * time.Hour)
	}
}

func TestAQueuedPassThatFailedGoesOn(t *testing.T) {
	w := newWorld(t)
	w.account.Club(7, 60, 14)
	remove := w.sim.Fault(simstripe.Fault{Kind: simstripe.ServerError, Endpoint: "/v1/charges"})
	report, err := w.p.SyncQueued(t.Context(), w.current(w.c), w.queue())
	if err == nil || report.Status != syncrun.Failed || report.Mode != syncrun.Full {
		t.Fatalf("%+v, %v", report, err)
	}
	remove()
	before := report.RecordsProcessed
	if report, err = w.p.SyncQueued(t.Context(), w.current(w.c), w.queue()); err != nil || report.Status != syncrun.Succeeded || report.RecordsProcessed <= before {
		t.Fatalf("%+v, %v", report, err)
	}
	w.mustEqual(w.c)
}

func TestWhatHindersAQueuedSyncIsItsFailure(t *testing.T) {
	w := newWorld(t)
	ticket := w.queue()
	ticket.Follow = func(e syncrun.Ended) syncrun.Next {
		if e.Attempt != 1 || !fault.Is(e.Err, fault.Unauthorized) {
			t.Errorf("it ended with %+v", e)
		}
		return syncrun.Next{Again: true, Attempt: 2, After: time.Hour}
	}
	w.owner(`DELETE FROM connection_secret`)
	report, err := w.p.SyncQueued(t.Context(), w.current(w.c), ticket)
	if err == nil || report.Status != syncrun.Failed || len(report.Next) != 1 {
		t.Errorf("%+v, %v", report, err)
	}
	if got := one[string](w, w.c, `SELECT string_agg(format('%s %s', status, attempt), ', ' ORDER BY run_id) FROM sync_run`); got != "failed 1, queued 2" {
		t.Errorf("the runs: %s", got)
	}
}
