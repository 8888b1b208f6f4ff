package connection

import (
	"context"
	"fmt"
	"time"

	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// MarkRefetchDue makes the refetch list due after that time, with the transaction's next round trip, or leaves
// it when it is due earlier. It belongs into the transaction that adds to the list.
func (s *Store) MarkRefetchDue(tx *postgres.TenantTx, id ID, after time.Duration) {
	tx.Queue(`UPDATE connection SET refetch_due_at = memberintel_now() + $2::interval
		WHERE connection_id = $1 AND (refetch_due_at IS NULL OR refetch_due_at > memberintel_now() + $2::interval)`, id, after)
}

// ResetRefetchDue sets when the refetch list is due, nil when it is empty. It belongs into the transaction
// that worked off the list, after Lock: an entry that was added meanwhile would be forgotten otherwise.
func (s *Store) ResetRefetchDue(ctx context.Context, tx *postgres.TenantTx, id ID, at *time.Time) error {
	return due(ctx, tx, `UPDATE connection SET refetch_due_at = $2 WHERE connection_id = $1`, id, at)
}

// ScheduleSync sets when the next sync is due; nil means not by the clock.
func (s *Store) ScheduleSync(ctx context.Context, tx *postgres.TenantTx, id ID, at *time.Time) error {
	return due(ctx, tx, `UPDATE connection SET next_sync_at = $2 WHERE connection_id = $1 AND state <> 'disconnected'`, id, at)
}

// DueAgain makes the connections of the pipeline that sync by the clock due at once, after work was stopped: of
// one tenant, or of all with the zero id.
func (s *Store) DueAgain(ctx context.Context, tx *postgres.ServiceTx, p Pipeline, id tenant.ID) error {
	_, err := tx.Exec(ctx, `
		UPDATE connection SET next_sync_at = memberintel_now()
		 WHERE pipeline_type = $1 AND next_sync_at > memberintel_now() AND ($3 OR tenant_id = $2)`, p, id, id == tenant.ID{})
	if err != nil {
		return fmt.Errorf("connection: make due again: %w", err)
	}
	return nil
}

// Lock keeps others from changing the connection until the transaction ends. It returns false when there
// is none, or when it is disconnected.
func (s *Store) Lock(ctx context.Context, tx *postgres.TenantTx, id ID) (bool, error) {
	tag, err := tx.Exec(ctx, `SELECT FROM connection WHERE connection_id = $1 AND state <> 'disconnected' FOR UPDATE`, id)
	if err != nil {
		return false, fmt.Errorf("connection: lock: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

// PlanChanged makes cached routes of the tenant notice its new plan. On pro a pull is due at once, because
// what webhooks told under the free plan was not applied.
func PlanChanged(ctx context.Context, tx *postgres.TenantTx, plan tenant.Plan) error {
	_, err := tx.Exec(ctx, `
		UPDATE connection
		   SET generation = generation + 1,
		       next_sync_at = CASE WHEN $2 AND state <> 'pending' THEN memberintel_now() ELSE next_sync_at END
		 WHERE tenant_id = $1 AND state <> 'disconnected'`, tx.Tenant, plan == tenant.Pro)
	if err != nil {
		return fmt.Errorf("connection: pass on the new plan: %w", err)
	}
	return nil
}

func due(ctx context.Context, tx *postgres.TenantTx, sql string, id ID, at *time.Time) error {
	if _, err := tx.Exec(ctx, sql, id, at); err != nil {
		return fmt.Errorf("connection: set when it is due: %w", err)
	}
	return nil
}
