package schedule

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/job"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/telemetry"
)

// Sync runs a pipeline for a connection: it begins the ticket's run, finishes it and returns its report. An error
// without a report means that the run did not begin.
type Sync func(ctx context.Context, c connection.Connection, t syncrun.Ticket) (syncrun.Report, error)

// Worker runs the syncs that were asked for. It is safe for concurrent use.
type Worker struct {
	Scheduler *Scheduler
	Syncs     map[connection.Pipeline]Sync
	Turn      time.Duration // how long one run may take before another goes on with it; 0 means DefaultTurn
}

// DefaultTurn ends well before a job engine ends what takes too long, so that a long pass comes to rest at a checkpoint
// and is not taken for one that hangs.
const DefaultTurn = 100 * time.Minute

// unknown is how long a run waits whose pipeline this program does not have: a newer release is being rolled out.
const unknown = 10 * time.Minute

// Handle is the job.Handler of job.Sync. A job whose run does not wait in that generation is dropped, and one that
// finds no place waits a little; no attempt is spent on either. What becomes of a run that fails is decided by Follow and
// written with the run's end. The error is nil unless the database is away.
func (w *Worker) Handle(ctx context.Context, j job.Job) error {
	run, found, err := w.find(ctx, j)
	if err != nil || !found {
		return err
	}
	ctx = telemetry.WithRun(telemetry.WithTenant(ctx, run.TenantID), run.RunID)
	if run.Early > time.Second { // the engine's clock is fast
		return w.postpone(ctx, run, run.Early)
	}
	sync := w.Syncs[run.Pipeline]
	if sync == nil {
		w.Scheduler.Log.WarnContext(ctx, "there is no such pipeline here", "pipeline", run.Pipeline)
		return w.postpone(ctx, run, unknown)
	}
	c, stands, err := w.connection(ctx, run)
	if err != nil || !stands {
		return err
	}
	turn, end := context.WithTimeoutCause(ctx, cmp.Or(w.Turn, DefaultTurn), syncrun.ErrTurnOver)
	defer end()
	report, err := sync(turn, c, syncrun.Ticket{RunID: run.RunID, Gen: run.Gen, Follow: func(e syncrun.Ended) syncrun.Next {
		return Follow(e, w.Scheduler.chance())
	}})
	switch {
	case report.RunID != 0:
		return w.ended(ctx, report)
	case errors.Is(err, syncrun.ErrGone):
		return nil
	case fault.Is(err, fault.Busy):
		return w.postpone(ctx, run, jittered(w.Scheduler.busy(), w.Scheduler.chance()))
	default:
		return fmt.Errorf("schedule: run %d: %w", run.RunID, err)
	}
}

func (w *Worker) find(ctx context.Context, j job.Job) (run syncrun.Waiting, found bool, err error) {
	err = w.Scheduler.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		run, found, err = syncrun.FindWaiting(ctx, tx, j.RunID, j.Gen)
		return err
	})
	return run, found, err
}

// connection returns the connection that the run is for. A run whose connection is gone or paused ends here; what is
// paused is due when it goes on.
func (w *Worker) connection(ctx context.Context, run syncrun.Waiting) (c connection.Connection, stands bool, err error) {
	store := w.Scheduler.Ledger.Connections
	err = w.Scheduler.DB.TenantTx(ctx, run.TenantID, func(tx *postgres.TenantTx) error {
		c, err = store.Get(ctx, tx, run.Pipeline)
		switch {
		case fault.Is(err, fault.NotFound) || (err == nil && (c.ID != run.ConnectionID || c.State == connection.Disconnected)):
			return syncrun.Discard(ctx, tx, run, "The connection was taken away before the sync began.")
		case err != nil:
			return err
		case c.State == connection.Paused:
			if err := store.DueWithin(ctx, tx, c.ID, heldUp); err != nil {
				return err
			}
			return syncrun.Discard(ctx, tx, run, "The connection is paused.")
		}
		stands = true
		return nil
	})
	return c, stands, err
}

// ended hands over what follows the run. It is queued already, so the sweep finds it when this fails.
func (w *Worker) ended(ctx context.Context, report syncrun.Report) error {
	ctx = context.WithoutCancel(ctx)
	w.Scheduler.Log.InfoContext(ctx, "sync run ended", "pipeline_type", report.PipelineType, "mode", report.Mode, "status", report.Status, "records", report.RecordsProcessed)
	err := w.Scheduler.inTx(ctx, func(*postgres.ServiceTx) ([]syncrun.Delivery, error) { return report.Next, nil })
	if err != nil {
		w.Scheduler.Log.WarnContext(ctx, "the run that follows was not delivered; the sweep does it", "error", err)
	}
	return nil
}

func (w *Worker) postpone(ctx context.Context, run syncrun.Waiting, after time.Duration) error {
	return w.Scheduler.inTx(ctx, func(tx *postgres.ServiceTx) ([]syncrun.Delivery, error) {
		return syncrun.Postpone(ctx, tx, run, after)
	})
}
