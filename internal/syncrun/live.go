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

// CommitLive writes what a source pushed, in the caller's transaction. There is no lease: the ordering rule alone
// decides between a push and a pull. CountLive, behind it, counts the push.
func (l *Ledger) CommitLive(ctx context.Context, tx *postgres.TenantTx, c connection.Connection, w Work) (warehouse.Result, error) {
	var result warehouse.Result
	guard.Require(tx, string(c.Pipeline), guard.Webhooks)
	keepQuarantined(tx, c, w.Quarantined)
	if w.First != nil {
		w.First(tx)
	}
	if w.Batch != nil && w.Batch.Len() > 0 {
		var err error
		if result, err = l.Warehouse.Apply(ctx, tx, w.Batch, warehouse.DeriveNow); err != nil {
			return result, err
		}
		// A payment, or who has come or gone, may show who somebody is whom another platform knows.
		if err := l.Warehouse.LinkOf(ctx, tx, result.Tellers); err != nil {
			return result, err
		}
	}
	if w.Also != nil {
		return result, w.Also(ctx, tx, result)
	}
	return result, nil
}

// Push is what came with one or several deliveries.
type Push struct {
	Events      int
	Records     int
	Quarantined int
	DataAsOf    time.Time // zero when nothing new came
}

// CountLive counts a push in the connection's open live run, at the end of the transaction: whoever pushes to the
// same connection waits for that row until the commit.
func (l *Ledger) CountLive(tx *postgres.TenantTx, c connection.Connection, p Push) {
	var asOf *time.Time
	if !p.DataAsOf.IsZero() {
		asOf = &p.DataAsOf
	}
	tx.Queue(`
		INSERT INTO sync_run AS r (tenant_id, connection_id, pipeline_type, mode, records_processed, quarantined, events, data_as_of)
		VALUES ($1, $2, $3, 'live', $4, $5, $6, $7)
		ON CONFLICT (tenant_id, pipeline_type) WHERE status = 'running' AND mode = 'live' DO UPDATE
		   SET records_processed = r.records_processed + excluded.records_processed, events = r.events + excluded.events,
		       quarantined = r.quarantined + excluded.quarantined, data_as_of = greatest(r.data_as_of, excluded.data_as_of)`,
		tx.Tenant, c.ID, c.Pipeline, p.Records, p.Quarantined, p.Events, asOf)
}

// PushOf counts what the work brings.
func PushOf(w Work, events int, dataAsOf time.Time) Push {
	p := Push{Events: events, Quarantined: len(w.Quarantined), DataAsOf: dataAsOf}
	if w.Batch != nil {
		p.Records = w.Batch.Len()
	}
	return p
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
