package syncrun

import (
	"context"
	"fmt"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/warehouse"
)

// CommitLive writes what a source pushed, in the caller's transaction, and counts it in the connection's
// open live run. dataAsOf is zero when the push brought nothing new. There is no lease: the ordering rule alone decides between a push and a pull.
func (l *Ledger) CommitLive(ctx context.Context, tx *postgres.TenantTx, c connection.Connection, dataAsOf time.Time, events int, w Work) (warehouse.Result, error) {
	var result warehouse.Result
	if err := guard.Check(ctx, tx, string(c.Pipeline), "subsystem:webhooks"); err != nil {
		return result, err
	}
	if w.Batch != nil && w.Batch.Len() > 0 {
		var err error
		if result, err = l.Warehouse.Apply(ctx, tx, w.Batch, warehouse.DeriveNow); err != nil {
			return result, err
		}
	}
	if err := keepQuarantined(ctx, tx, c, w.Quarantined); err != nil {
		return result, err
	}
	if w.Also != nil {
		if err := w.Also(ctx, tx, result); err != nil {
			return result, err
		}
	}
	records := 0
	if w.Batch != nil {
		records = w.Batch.Len()
	}
	var asOf *time.Time
	if !dataAsOf.IsZero() {
		asOf = &dataAsOf
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO sync_run AS r (tenant_id, connection_id, pipeline_type, mode, records_processed, quarantined, events, data_as_of)
		VALUES ($1, $2, $3, 'live', $4, $5, $6, $7)
		ON CONFLICT (tenant_id, pipeline_type) WHERE status = 'running' AND mode = 'live' DO UPDATE
		   SET records_processed = r.records_processed + excluded.records_processed, events = r.events + excluded.events,
		       quarantined = r.quarantined + excluded.quarantined, data_as_of = greatest(r.data_as_of, excluded.data_as_of)`,
		tx.Tenant, c.ID, c.Pipeline, records, len(w.Quarantined), events, asOf)
	if err != nil {
		return result, fmt.Errorf("syncrun: count the live run: %w", err)
	}
	return result, nil
}

// EndLive closes the connection's live run, when it is disconnected.
func (l *Ledger) EndLive(ctx context.Context, tx *postgres.TenantTx, c connection.Connection) error {
	_, err := tx.Exec(ctx, `UPDATE sync_run SET status = 'succeeded', finished_at = memberintel_now()
		WHERE tenant_id = $1 AND pipeline_type = $2 AND mode = 'live' AND status = 'running'`, tx.Tenant, c.Pipeline)
	if err != nil {
		return fmt.Errorf("syncrun: end the live run: %w", err)
	}
	return nil
}
