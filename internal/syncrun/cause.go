package syncrun

import (
	"context"
	"fmt"

	"memberintel/internal/postgres"
)

// Cause tells who asked for the run; Button for one that nobody queued, since then it is a command's.
func (r *Run) Cause(ctx context.Context) (cause Cause, err error) {
	err = r.ledger.DB.TenantTx(ctx, r.Connection.TenantID, func(tx *postgres.TenantTx) error {
		return tx.QueryRow(ctx, `SELECT coalesce(cause, $2) FROM sync_run WHERE run_id = $1`, r.ID, Button).Scan(&cause)
	})
	if err != nil {
		return "", fmt.Errorf("syncrun: who asked for run %d: %w", r.ID, err)
	}
	return cause, nil
}
