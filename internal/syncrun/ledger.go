// Package syncrun is the ledger of sync runs and the one way into the warehouse. Every pipeline begins a
// run, commits batches with the checkpoint that they cover, sweeps after a full pass and finishes; freshness
// and health are read from what that leaves behind.
package syncrun

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/telemetry"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

// Mode says what a run does.
type Mode string

// The modes of a run.
const (
	Full        Mode = "full"        // reads everything, then sweeps
	Incremental Mode = "incremental" // reads what changed since the cursor
	Live        Mode = "live"        // what the source pushes; takes no lease
	Replay      Mode = "replay"      // reads what may have been missed
	Verify      Mode = "verify"      // compares, and writes only on request
)

// Status says how a run stands or ended.
type Status string

// The states of a run.
const (
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Partial   Status = "partial" // went through, but not everything could be read or understood
	Failed    Status = "failed"
	Stopped   Status = "stopped" // by a switch, or because the connection was taken away
)

// LeaseTTL is how long a run belongs to a worker that no longer says so.
const LeaseTTL = 15 * time.Second

// Ledger begins runs. It is safe for concurrent use.
type Ledger struct {
	DB          *postgres.DB
	Warehouse   *warehouse.Warehouse
	Connections *connection.Store
	Metrics     *telemetry.Metrics
	Log         *slog.Logger
}

// Run is one unit of sync work. Only the worker that holds its lease can commit.
type Run struct {
	ID         int64
	Connection connection.Connection
	Mode       Mode
	Resumed    bool // an earlier worker died on it; its checkpoints stand
	StartedAt  time.Time

	ledger   *Ledger
	token    uuid.UUID
	cancel   context.CancelCauseFunc
	beating  chan struct{}
	records  atomic.Int64
	expected atomic.Int64
}

// Begin starts a run, or resumes one of the same mode whose worker died. While another worker is at the
// tenant's pipeline it waits for at most wait, then gives a fault of kind Busy. The returned context ends
// when the lease is lost.
func (l *Ledger) Begin(ctx context.Context, c connection.Connection, mode Mode, wait time.Duration) (*Run, context.Context, error) {
	deadline := time.Now().Add(wait)
	for {
		run, err := l.tryBegin(ctx, c, mode)
		if err == nil {
			runCtx, cancel := context.WithCancelCause(telemetry.WithRun(telemetry.WithTenant(ctx, c.TenantID), run.ID))
			run.cancel, run.beating = cancel, make(chan struct{})
			go run.heartbeat(runCtx)
			return run, runCtx, nil
		}
		if !fault.Is(err, fault.Busy) || time.Now().After(deadline) {
			return nil, ctx, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx, ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
	}
}

func (l *Ledger) tryBegin(ctx context.Context, c connection.Connection, mode Mode) (*Run, error) {
	run := &Run{Connection: c, Mode: mode, ledger: l, token: uuid.New()}
	err := l.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		if mode == Verify {
			if err := run.closeDead(ctx, tx); err != nil {
				return err
			}
		} else {
			found, err := run.takeOver(ctx, tx)
			if err != nil || found {
				return err
			}
		}
		return run.insert(ctx, tx)
	})
	if postgres.Violates(err, "sync_run_in_flight") {
		return nil, busy()
	}
	if err != nil {
		return nil, err
	}
	return run, nil
}

func busy() error {
	return fault.New(fault.Busy, "A sync of this tenant is already running; wait for it to end, or look at `memberintel status`.")
}

// takeOver looks for a run that is still open. One whose lease lives is left alone; a dead one of the same
// mode is resumed, and of another mode closed.
func (r *Run) takeOver(ctx context.Context, tx *postgres.TenantTx) (bool, error) {
	var mode Mode
	// Looked at before it is locked: a live worker's commits must not be waited for.
	for _, lock := range []string{"", "FOR UPDATE"} {
		var expired bool
		err := tx.QueryRow(ctx, `
			SELECT run_id, mode, started_at, coalesce(lease_expires_at < clock_timestamp(), true)
			  FROM sync_run
			 WHERE tenant_id = $1 AND pipeline_type = $2 AND status = 'running' AND mode IN ('full', 'incremental', 'replay')
			`+lock, tx.Tenant, r.Connection.Pipeline).Scan(&r.ID, &mode, &r.StartedAt, &expired)
		if errors.Is(err, pgx.ErrNoRows) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("syncrun: look for an open run: %w", err)
		}
		if !expired {
			return false, busy()
		}
	}
	if mode != r.Mode {
		_, err := tx.Exec(ctx, `UPDATE sync_run SET status = 'failed', finished_at = memberintel_now(),
			error_message = 'The program ended before this run did.' WHERE run_id = $1`, r.ID)
		return false, err
	}
	r.Resumed = true
	_, err := tx.Exec(ctx, `UPDATE sync_run SET lease_token = $2, lease_expires_at = clock_timestamp() + $3 WHERE run_id = $1`,
		r.ID, r.token, LeaseTTL)
	return true, err
}

// closeDead closes verifications whose worker died. Nobody resumes them, and they hold no slot, so any number
// may be left.
func (r *Run) closeDead(ctx context.Context, tx *postgres.TenantTx) error {
	_, err := tx.Exec(ctx, `
		UPDATE sync_run SET status = 'failed', finished_at = memberintel_now(), lease_expires_at = NULL,
		       error_message = 'The program ended before this run did.'
		 WHERE tenant_id = $1 AND pipeline_type = $2 AND status = 'running' AND mode = 'verify'
		   AND coalesce(lease_expires_at < clock_timestamp(), true)`, tx.Tenant, r.Connection.Pipeline)
	if err != nil {
		return fmt.Errorf("syncrun: close dead verifications: %w", err)
	}
	return nil
}

func (r *Run) insert(ctx context.Context, tx *postgres.TenantTx) error {
	err := tx.QueryRow(ctx, `
		INSERT INTO sync_run (tenant_id, connection_id, pipeline_type, mode, lease_token, lease_expires_at, cadence)
		VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6,
		        CASE WHEN (SELECT plan FROM tenant WHERE tenant_id = $1) = 'free' THEN interval '7 days' ELSE interval '1 day' END)
		RETURNING run_id, started_at`,
		tx.Tenant, r.Connection.ID, r.Connection.Pipeline, r.Mode, r.token, LeaseTTL).Scan(&r.ID, &r.StartedAt)
	if err != nil {
		return fmt.Errorf("syncrun: begin: %w", err)
	}
	if r.Mode != Full {
		return nil
	}
	return r.goOn(ctx, tx)
}

// goOn takes over the checkpoints of the full pass before this one, when that failed or was stopped within
// a day: what it had read need not be read again.
func (r *Run) goOn(ctx context.Context, tx *postgres.TenantTx) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO sync_checkpoint (tenant_id, run_id, stream, part, position, done, records)
		SELECT k.tenant_id, $2, k.stream, k.part, k.position, k.done, k.records
		  FROM (SELECT run_id, status, finished_at FROM sync_run
		         WHERE connection_id = $1 AND mode = 'full' AND run_id < $2 ORDER BY run_id DESC LIMIT 1) AS before
		  JOIN sync_checkpoint k USING (run_id)
		 WHERE before.status IN ('failed', 'stopped') AND before.finished_at > memberintel_now() - interval '1 day'`,
		r.Connection.ID, r.ID)
	if err != nil {
		return fmt.Errorf("syncrun: go on from the run before: %w", err)
	}
	return nil
}

// StartOver forgets what the run has reached, when its checkpoints are of no use any more.
func (r *Run) StartOver(ctx context.Context) error {
	err := r.Commit(ctx, Work{Also: func(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) error {
		_, err := tx.Exec(ctx, `DELETE FROM sync_checkpoint WHERE run_id = $1`, r.ID)
		return err
	}})
	if err != nil {
		return fmt.Errorf("syncrun: start over: %w", err)
	}
	r.records.Store(0)
	return nil
}

// heartbeat keeps the lease alive and the ledger's count of records current, until the run ends. A lease
// that cannot be renewed before it runs out ends the run's context.
func (r *Run) heartbeat(ctx context.Context) {
	defer close(r.beating)
	ticker := time.NewTicker(LeaseTTL / 6)
	defer ticker.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := r.beat(ctx)
		switch {
		case err == nil:
			renewed = time.Now()
		case fault.Is(err, fault.Busy) || time.Since(renewed) > LeaseTTL:
			r.cancel(err)
			return
		}
	}
}

func (r *Run) beat(ctx context.Context) error {
	return r.ledger.DB.TenantTx(ctx, r.Connection.TenantID, func(tx *postgres.TenantTx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE sync_run SET lease_expires_at = clock_timestamp() + $3,
			       records_processed = (SELECT coalesce(sum(records), 0) FROM sync_checkpoint WHERE run_id = $1)
			 WHERE run_id = $1 AND lease_token = $2 AND status = 'running'`, r.ID, r.token, LeaseTTL)
		if err == nil && tag.RowsAffected() == 0 {
			return leaseLost()
		}
		return err
	})
}

func leaseLost() error {
	return fault.New(fault.Busy, "Another worker has taken over this run.")
}

// Tenant returns whose run it is.
func (r *Run) Tenant() tenant.ID { return r.Connection.TenantID }

// Expect tells how many records the run will probably process, for the estimate; 0 means unknown.
func (r *Run) Expect(records int64) { r.expected.Store(records) }

// Progress returns the records processed by this worker, and the expected number or 0.
func (r *Run) Progress() (records, expected int64) { return r.records.Load(), r.expected.Load() }
