package syncrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// Outcome is what a pipeline says of a run that went through.
type Outcome struct {
	DataAsOf       time.Time // on the source's clock, before the first read
	NotPermitted   []string  // streams that the credential may not read, with the permission that is missing
	MappingVersion int       // of a completed full pass, else 0
	Events         int64
	ResponseMS     int
	NextSyncAt     *time.Time
	Problem        string     // why it is only partial, "" otherwise
	ProblemKind    fault.Kind // of the problem, "" for Unavailable
	Unasked        bool       // the source was not asked: what went well says nothing about how it fares
}

// Report is what is told about a run.
type Report struct {
	RunID            int64      `json:"run_id"`
	PipelineType     string     `json:"pipeline_type"`
	Mode             Mode       `json:"mode"`
	Status           Status     `json:"status"`
	StartedAt        time.Time  `json:"started_at"`
	FinishedAt       *time.Time `json:"finished_at"`
	RecordsProcessed int64      `json:"records_processed"`
	Quarantined      int64      `json:"quarantined"`
	ErrorMessage     *string    `json:"error_message"`
	Events           int64      `json:"-"`
	Next             []Delivery `json:"-" db:"-"` // the run that was queued to follow this one, if any
	// Detail is what the pipeline tells in place of this report, which it then holds; nil for nothing more.
	Detail any `json:"-" db:"-"`
}

// Finish closes the run with what came of it, brings the connection's health up to date, queues what its ticket says
// is to follow, all in one transaction, and returns the report. err is why the work ended early, nil when it went
// through; that the database went away is not told of the connection, unless nothing follows. It must be called exactly
// once. With an error there is no report: the run is open, and a sweep goes on with it.
func (r *Run) Finish(ctx context.Context, o Outcome, err error) (Report, error) {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		switch {
		case errors.Is(cause, ErrTurnOver):
			err = r.turnOver()
		case errors.Is(err, context.Canceled):
			err = cause
		}
	}
	ctx = context.WithoutCancel(ctx)
	r.cancel(nil)
	<-r.beating
	var report Report
	var problem error
	txErr := r.ledger.DB.TenantTx(ctx, r.Connection.TenantID, func(tx *postgres.TenantTx) error {
		quarantined, e := CountQuarantine(ctx, tx, r.Connection.ID)
		if e != nil {
			return e
		}
		var status Status
		status, problem = judge(o, quarantined, err)
		// The run's row before its connection's, as in GiveUp.
		report, e = r.close(ctx, tx, status, problem, o, quarantined)
		if e == nil && quarantined == 0 {
			e = r.ledger.Connections.Eased(ctx, tx, r.Connection.ID, connection.Push)
		}
		if e != nil {
			return e
		}
		next := r.next(err)
		if !interrupted(err) || next.GiveUp {
			if e = r.recordHealth(ctx, tx, status, problem, o); e != nil {
				return e
			}
		}
		report.Next, e = r.follow(ctx, tx, next)
		return e
	})
	if r.slot != (slot{}) {
		r.ledger.freeSlot(ctx, r.slot)
	}
	if txErr != nil { // what was to be told did not happen
		return Report{}, errors.Join(err, fmt.Errorf("syncrun: finish run %d: %w", r.ID, txErr))
	}
	r.ledger.Metrics.RunFinished(string(r.Connection.Pipeline), string(r.Mode), string(report.Status), time.Since(r.StartedAt))
	if problem != nil {
		r.ledger.Metrics.RunFaulted(string(r.Connection.Pipeline), string(report.Status), kindOf(problem, err))
	}
	if len(report.Next) > 0 {
		r.ledger.Metrics.RunRetried(string(r.Connection.Pipeline), kindOf(problem, err))
	}
	if err != nil {
		level := slog.LevelError
		if report.Status == Stopped { // somebody wanted it so
			level = slog.LevelInfo
		}
		r.ledger.Log.Log(ctx, level, "sync run ended early", "pipeline_type", r.Connection.Pipeline, "status", report.Status, "error", err)
	}
	return report, nil
}

// ErrTurnOver is the cause of a context that ends because a run has had its time, for others to have theirs. A full
// pass that has committed something since it began or was resumed is stopped then, and the next goes on from there.
var ErrTurnOver = errors.New("syncrun: the run has had its turn")

// turnOver says what it means that the run's turn is over. What an incremental run has read is read again by the next,
// so that one has failed, like one that got nowhere.
func (r *Run) turnOver() error {
	if r.Mode == Full && r.advanced.Load() {
		return fault.Wrap(fault.Stopped, ErrTurnOver, "There is much to read; the sync goes on from where it was.")
	}
	return fault.New(fault.Unavailable, "The sync did not come to its end in the time that it has.")
}

// kindOf is the kind of what was wrong, for the metrics.
func kindOf(problem, err error) string {
	if interrupted(err) {
		return "database"
	}
	return cmp.Or(string(fault.KindOf(problem)), "unexpected")
}

// next is what the ticket says comes after an early end.
func (r *Run) next(err error) Next {
	if err == nil || r.ticket == nil || r.ticket.Follow == nil {
		return Next{}
	}
	return r.ticket.Follow(Ended{Attempt: r.attempt, Err: err, Interrupted: interrupted(err)})
}

// interrupted reports whether the database went away under the run.
func interrupted(err error) bool {
	return fault.KindOf(err) == "" && (errors.Is(err, errNotRenewed) || postgres.Interrupted(err))
}

// follow does what comes next. The connection's row is written before the queue's, as everywhere.
func (r *Run) follow(ctx context.Context, tx *postgres.TenantTx, next Next) ([]Delivery, error) {
	if next.GiveUp {
		if err := r.ledger.Connections.GaveUp(ctx, tx, r.Connection.ID); err != nil {
			return nil, err
		}
	}
	if next.DueWithin > 0 {
		if err := r.ledger.Connections.DueWithin(ctx, tx, r.Connection.ID, next.DueWithin); err != nil {
			return nil, err
		}
	}
	if !next.Again {
		return nil, nil
	}
	var cause Cause
	var cadence time.Duration
	if err := tx.QueryRow(ctx, `SELECT coalesce(cause, 'schedule'), cadence FROM sync_run WHERE run_id = $1`, r.ID).Scan(&cause, &cadence); err != nil {
		return nil, err
	}
	return queue(ctx, tx, []Wanted{{
		TenantID: r.Connection.TenantID, ConnectionID: r.Connection.ID, Pipeline: r.Connection.Pipeline,
		Mode: r.Mode, Attempt: next.Attempt, After: next.After, Cause: cause, Cadence: cadence,
	}})
}

// judge decides the status and, unless it is succeeded, the error that says why.
func judge(o Outcome, quarantined int64, err error) (Status, error) {
	switch {
	case fault.Is(err, fault.Stopped), errors.Is(err, care.ErrNotAsked):
		return Stopped, err
	case errors.Is(err, context.Canceled):
		return Stopped, fault.Wrap(fault.Stopped, err, "This was interrupted; the next sync goes on from where it was.")
	case interrupted(err):
		return Failed, fault.Wrap(fault.Unavailable, err, "The database was away for a moment, and the sync was cut off.")
	case err != nil:
		return Failed, err
	case len(o.NotPermitted) > 0:
		return Partial, fault.New(fault.NotPermitted, "Not everything could be read: the key may not read %s.", strings.Join(o.NotPermitted, "; "))
	case o.Problem != "":
		return Partial, fault.New(cmp.Or(o.ProblemKind, fault.Unavailable), "%s", o.Problem)
	case quarantined > 0:
		objects, were := fmt.Sprintf("%d objects have", quarantined), "were"
		if quarantined == 1 {
			objects, were = "1 object has", "was"
		}
		return Partial, fault.New(fault.Schema,
			"%s a shape that this version does not understand and %s kept aside; see `memberintel quarantine list`.", objects, were)
	default:
		return Succeeded, nil
	}
}

func (r *Run) close(ctx context.Context, tx *postgres.TenantTx, status Status, problem error, o Outcome, quarantined int64) (Report, error) {
	var message *string
	if problem != nil {
		s := fault.Sentence(problem)
		message = &s
	}
	var dataAsOf *time.Time
	if !o.DataAsOf.IsZero() {
		dataAsOf = &o.DataAsOf
	}
	rows, err := tx.Query(ctx, `
		UPDATE sync_run SET status = $3, finished_at = memberintel_now(), error_message = $4, quarantined = $5, events = $6,
		       data_as_of = $7, lease_expires_at = NULL,
		       records_processed = (SELECT coalesce(sum(records), 0) FROM sync_checkpoint WHERE run_id = $1)
		 WHERE run_id = $1 AND lease_token = $2 AND status = 'running'
		RETURNING run_id, pipeline_type, mode, status, started_at, finished_at, records_processed, quarantined, error_message, events`,
		r.ID, r.token, status, message, quarantined, o.Events, dataAsOf)
	if err != nil {
		return Report{}, err
	}
	report, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Report])
	if errors.Is(err, pgx.ErrNoRows) {
		return report, leaseLost()
	}
	return report, err
}

// recordHealth tells the connection. A verification that went through says nothing about the data's age.
func (r *Run) recordHealth(ctx context.Context, tx *postgres.TenantTx, status Status, problem error, o Outcome) error {
	outcome := connection.Outcome{
		ResponseMS: o.ResponseMS, NextSyncAt: o.NextSyncAt, NotPermitted: o.NotPermitted, MappingVersion: o.MappingVersion,
	}
	if outcome.ResponseMS == 0 { // what is asked with care is timed there
		standing, err := care.StandingOf(ctx, tx, r.Connection.ID)
		if err != nil {
			return err
		}
		outcome.ResponseMS = standing.ResponseMS
	}
	switch {
	case (r.Mode == Verify || r.Mode == Replay || o.Unasked) && status == Succeeded:
		return nil // it says nothing about the rest
	case o.Unasked && r.Connection.State == connection.Failed:
		return nil // for which a person has a graver reason to act
	case status == Succeeded:
		return r.ledger.Connections.Succeeded(ctx, tx, r.Connection.ID, outcome)
	case status == Stopped:
		return nil // a switch, Ctrl-C, or a site that was not asked: no attempt was made
	default:
		return r.ledger.Connections.Failed(ctx, tx, r.Connection.ID, problem, status == Partial, outcome)
	}
}
