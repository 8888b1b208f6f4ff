package syncrun

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
)

// ended is what a customer reads of a run whose worker died and that nobody goes on with.
const ended = "The program ended before this run did."

// takeOver looks for a run that is still open. One whose lease lives is left alone; a dead one of the same
// mode is resumed, even when a sweep has queued it again, and of another mode closed.
func (r *Run) takeOver(ctx context.Context, tx *postgres.TenantTx) (bool, error) {
	id, mode, err := deadRun(ctx, tx, r.Connection.Pipeline)
	if err != nil {
		return false, err
	}
	if id != 0 && mode != r.Mode {
		if err := closeRun(ctx, tx, id); err != nil {
			return false, err
		}
		id = 0
	}
	if id == 0 {
		if id, err = queuedAgain(ctx, tx, r.Connection.Pipeline, r.Mode); id == 0 {
			return false, err
		}
	}
	err = tx.QueryRow(ctx, `
		UPDATE sync_run SET status = 'running', gen = gen + 1, lease_token = $2, lease_expires_at = clock_timestamp() + $3
		 WHERE run_id = $1 RETURNING run_id, started_at, attempt`, id, r.token, r.ledger.ttl()).Scan(&r.ID, &r.StartedAt, &r.attempt)
	if err != nil {
		return false, fmt.Errorf("syncrun: take over run %d: %w", id, err)
	}
	r.Resumed = true
	return true, nil
}

// deadRun returns and locks the open run whose worker died, or 0. While a worker is alive it gives a fault of kind
// Busy.
func deadRun(ctx context.Context, tx *postgres.TenantTx, pipeline connection.Pipeline) (id int64, mode Mode, err error) {
	// Looked at before it is locked: a live worker's commits must not be waited for.
	for _, lock := range []string{"", "FOR UPDATE"} {
		var expired bool
		err := tx.QueryRow(ctx, `
			SELECT run_id, mode, coalesce(lease_expires_at < clock_timestamp(), true)
			  FROM sync_run
			 WHERE tenant_id = $1 AND pipeline_type = $2 AND status = 'running' AND mode IN ('full', 'incremental', 'replay')
			`+lock, tx.Tenant, pipeline).Scan(&id, &mode, &expired)
		if errors.Is(err, pgx.ErrNoRows) {
			return 0, "", nil
		}
		if err != nil {
			return 0, "", fmt.Errorf("syncrun: look for an open run: %w", err)
		}
		if !expired {
			return 0, "", busy()
		}
	}
	return id, mode, nil
}

// queuedAgain returns and locks the run of the mode that a sweep has queued again after its worker died, or 0.
func queuedAgain(ctx context.Context, tx *postgres.TenantTx, pipeline connection.Pipeline, mode Mode) (id int64, err error) {
	err = tx.QueryRow(ctx, `
		SELECT run_id FROM sync_run
		 WHERE tenant_id = $1 AND pipeline_type = $2 AND status = 'queued' AND mode = $3 AND lease_expires_at IS NOT NULL
		   FOR UPDATE`, tx.Tenant, pipeline, mode).Scan(&id)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return 0, fmt.Errorf("syncrun: look for a run to resume: %w", err)
	}
	return id, nil
}

func closeRun(ctx context.Context, tx *postgres.TenantTx, id int64) error {
	if _, err := tx.Exec(ctx, closing, id, ended); err != nil {
		return fmt.Errorf("syncrun: close run %d: %w", id, err)
	}
	return nil
}

// closing ends the dead run $1. The one that waits does its work, so that reads as much: everything where the dead one was
// to, and more than a knock calls for unless that was for one too.
const closing = `
	WITH dead AS (
	    UPDATE sync_run SET status = 'failed', finished_at = memberintel_now(), lease_token = NULL, error_message = $2 WHERE run_id = $1
	    RETURNING tenant_id, pipeline_type, mode, coalesce(cause, 'button') AS cause)
	UPDATE sync_run q
	   SET mode = CASE WHEN d.mode = 'full' THEN d.mode ELSE q.mode END, cause = CASE WHEN q.cause = 'knock' THEN d.cause ELSE q.cause END
	  FROM dead d
	 WHERE q.tenant_id = d.tenant_id AND q.pipeline_type = d.pipeline_type AND q.status = 'queued' AND d.mode IN ('full', 'incremental')`

// closeDead closes verifications whose worker died. Nobody resumes them, and they hold no slot, so any number
// may be left.
func (r *Run) closeDead(ctx context.Context, tx *postgres.TenantTx) error {
	_, err := tx.Exec(ctx, `
		UPDATE sync_run SET status = 'failed', finished_at = memberintel_now(), lease_expires_at = NULL, error_message = $3
		 WHERE tenant_id = $1 AND pipeline_type = $2 AND status = 'running' AND mode = 'verify'
		   AND coalesce(lease_expires_at < clock_timestamp(), true)`, tx.Tenant, r.Connection.Pipeline, ended)
	if err != nil {
		return fmt.Errorf("syncrun: close dead verifications: %w", err)
	}
	return nil
}

// goOn takes over the checkpoints of the full pass before this one, when that failed or was stopped within
// a day: what it had read need not be read again.
func (r *Run) goOn(ctx context.Context, tx *postgres.TenantTx) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO sync_checkpoint (tenant_id, run_id, stream, part, position, done, records)
		SELECT k.tenant_id, $2, k.stream, k.part, k.position, k.done, k.records
		  FROM (SELECT run_id, status, finished_at FROM sync_run
		         WHERE connection_id = $1 AND mode = 'full' AND run_id <> $2 AND status <> 'queued'
		         ORDER BY started_at DESC, run_id DESC LIMIT 1) AS before
		  JOIN sync_checkpoint k USING (run_id)
		 WHERE before.status IN ('failed', 'stopped') AND before.finished_at > memberintel_now() - interval '1 day'`,
		r.Connection.ID, r.ID)
	if err != nil {
		return fmt.Errorf("syncrun: go on from the run before: %w", err)
	}
	return nil
}
