package syncrun

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Dead is an open run whose worker died.
type Dead struct {
	RunID        int64
	TenantID     tenant.ID
	ConnectionID connection.ID
	Pipeline     connection.Pipeline `db:"pipeline_type"`
	Mode         Mode
	Attempt      int
	Replaced     bool // another run of the same tenant and pipeline waits, which will do its work
}

// FindDead returns and locks up to limit open runs whose lease ran out. One whose worker commits at this moment is
// left for the next time.
func FindDead(ctx context.Context, tx *postgres.ServiceTx, limit int) ([]Dead, error) {
	rows, err := tx.Query(ctx, `
		SELECT r.run_id, r.tenant_id, r.connection_id, r.pipeline_type, r.mode, r.attempt,
		       EXISTS (SELECT FROM sync_run q WHERE q.tenant_id = r.tenant_id AND q.pipeline_type = r.pipeline_type AND q.status = 'queued') AS replaced
		  FROM sync_run r
		 WHERE r.status = 'running' AND r.mode <> 'live' AND r.lease_expires_at < clock_timestamp()
		 ORDER BY r.run_id LIMIT $1 FOR UPDATE OF r SKIP LOCKED`, limit)
	if err != nil {
		return nil, fmt.Errorf("syncrun: find dead runs: %w", err)
	}
	dead, err := pgx.CollectRows(rows, pgx.RowToStructByName[Dead])
	if err != nil {
		return nil, fmt.Errorf("syncrun: find dead runs: %w", err)
	}
	return dead, nil
}

// Resumable reports whether another worker can go on with the run. A replay and a verification were somebody's
// command, and what a waiting run will do need not be done twice.
func (d Dead) Resumable() bool { return (d.Mode == Full || d.Mode == Incremental) && !d.Replaced }

// Resume queues a dead run again, with its checkpoints, for any worker to go on with. It counts as an attempt, so
// that a run which kills its workers comes to an end. What the dead worker may still commit is refused.
func Resume(ctx context.Context, tx *postgres.ServiceTx, d Dead, after time.Duration) ([]Delivery, error) {
	rows, err := tx.Query(ctx, `
		UPDATE sync_run SET status = 'queued', gen = gen + 1, attempt = attempt + 1, lease_token = NULL,
		       not_before = memberintel_now() + $2::interval, cause = coalesce(cause, 'button')
		 WHERE run_id = $1 RETURNING run_id, gen, not_before`, d.RunID, after)
	return collectDeliveries("resume a run", rows, err)
}

// Bury closes a dead run that nobody goes on with, but for the one that waits.
func Bury(ctx context.Context, tx *postgres.ServiceTx, d Dead) error {
	if _, err := tx.Exec(ctx, closing, d.RunID, ended); err != nil {
		return fmt.Errorf("syncrun: bury run %d: %w", d.RunID, err)
	}
	return nil
}

// GiveUp closes a run whose workers died too often, if it is still dead, and fails its connection. One whose worker
// commits at this moment is left for the next time.
func (l *Ledger) GiveUp(ctx context.Context, d Dead) error {
	failure := fault.New(fault.Unavailable, "The program ended %d times before this sync did; the operator's log has the details.", d.Attempt)
	err := l.DB.TenantTx(ctx, d.TenantID, func(tx *postgres.TenantTx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE sync_run SET status = 'failed', finished_at = memberintel_now(), lease_token = NULL, error_message = $2
			 WHERE run_id = (SELECT run_id FROM sync_run WHERE run_id = $1 AND status = 'running' AND lease_expires_at < clock_timestamp()
			                    FOR UPDATE SKIP LOCKED)`, d.RunID, failure.Sentence)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		if err := l.Connections.Failed(ctx, tx, d.ConnectionID, failure, false, connection.Outcome{}); err != nil {
			return err
		}
		return l.Connections.GaveUp(ctx, tx, d.ConnectionID)
	})
	if err != nil {
		return fmt.Errorf("syncrun: give up run %d: %w", d.RunID, err)
	}
	return nil
}

// Redeliver returns up to limit waiting runs that could have begun grace ago, and for each generation that was
// delivered before, so much longer after the last, up to an hour. They get a new generation: what was delivered before is
// lost, or it waits behind many others and is dropped when it comes. The time from which they may begin stays, so that
// they keep their place among those that wait.
func Redeliver(ctx context.Context, tx *postgres.ServiceTx, limit int, grace time.Duration) ([]Delivery, error) {
	rows, err := tx.Query(ctx, `
		UPDATE sync_run SET gen = gen + 1, redelivered_at = memberintel_now()
		 WHERE run_id IN (SELECT run_id FROM sync_run
		                   WHERE status = 'queued' AND mode <> 'live'
		                     AND greatest(not_before, redelivered_at) < memberintel_now() - least($2::interval * gen, greatest($2, interval '1 hour'))
		                   ORDER BY not_before LIMIT $1 FOR UPDATE SKIP LOCKED)
		RETURNING run_id, gen, not_before`, limit, grace)
	return collectDeliveries("redeliver", rows, err)
}
