package connection

import (
	"context"
	"fmt"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// Disconnect ends a connection and deletes its credentials; the data stays, and so does WebhookSecret, by
// which late deliveries are still known to be genuine. The refetch list waits for a reconnect. Reason is a sentence for the customer, "" when the
// customer asked for it. It reports false when the connection was disconnected already.
func (s *Store) Disconnect(ctx context.Context, tx *postgres.TenantTx, id ID, reason string) (changed bool, err error) {
	tag, err := tx.Exec(ctx, `
		UPDATE connection
		   SET state = 'disconnected', disconnected_at = memberintel_now(), generation = generation + 1,
		       next_sync_at = NULL, awaited_since = NULL, consecutive_failures = 0,
		       last_error = nullif($2, ''), last_error_kind = NULL, last_error_cause = NULL, last_error_checklist = NULL,
		       last_error_beside = NULL
		 WHERE connection_id = $1 AND state <> 'disconnected'`, id, reason)
	if err != nil {
		return false, fmt.Errorf("connection: disconnect: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return false, s.known(ctx, tx, id)
	}
	_, err = tx.Exec(ctx, `DELETE FROM connection_secret WHERE connection_id = $1 AND name <> $2`, id, WebhookSecret)
	if err != nil {
		return false, fmt.Errorf("connection: delete the credentials: %w", err)
	}
	return true, nil
}

// Abandon removes a connection that never came about: one that has neither account nor credential. One that has got either
// meanwhile stays, and so it may be called when it is not known whether Connect has succeeded.
func (s *Store) Abandon(ctx context.Context, tx *postgres.TenantTx, id ID) error {
	_, err := tx.Exec(ctx, `
		DELETE FROM connection
		 WHERE connection_id = $1 AND state = 'pending' AND source_account_id = '' AND last_attempt_at IS NULL
		   AND NOT EXISTS (SELECT FROM connection_secret WHERE connection_id = $1)`, id)
	if err != nil {
		return fmt.Errorf("connection: abandon: %w", err)
	}
	return nil
}

// known returns a NotFound fault when the tenant has no such connection.
func (s *Store) known(ctx context.Context, tx *postgres.TenantTx, id ID) error {
	var found bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM connection WHERE connection_id = $1)`, id).Scan(&found)
	if err != nil {
		return fmt.Errorf("connection: look up: %w", err)
	}
	if !found {
		return fault.New(fault.NotFound, "This tenant has no connection %s.", id)
	}
	return nil
}
