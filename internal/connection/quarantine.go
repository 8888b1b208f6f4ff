package connection

import (
	"context"
	"fmt"

	"memberintel/internal/postgres"
)

// What is kept of deliveries that belong to nobody here.
const (
	QuarantineBytes = 64 << 10 // of each body
	QuarantineRows  = 10_000
	QuarantineDays  = 30
)

// Delivery is a webhook delivery that belongs to no connection.
type Delivery struct {
	AccountID string
	Livemode  bool
	EventID   string
	EventType string
	Reason    string
	Raw       []byte // cut at QuarantineBytes when stored
}

// QuarantineWebhook keeps a delivery for the operator and prunes what is too old or too much, so that the
// table stays small whoever floods it. Two at a time leave the pruning to one of them.
func (s *Store) QuarantineWebhook(ctx context.Context, tx *postgres.ServiceTx, d Delivery) error {
	const limit = 255
	raw := d.Raw[:min(len(d.Raw), QuarantineBytes)]
	if raw == nil {
		raw = []byte{}
	}
	var id int64
	err := tx.QueryRow(ctx, `
		INSERT INTO webhook_quarantine (account_id, livemode, event_id, event_type, reason, raw)
		VALUES ($1, $2, $3, $4, $5, $6) RETURNING quarantine_id`,
		storable(d.AccountID, limit), d.Livemode, storable(d.EventID, limit), storable(d.EventType, limit),
		storable(d.Reason, limit), raw).Scan(&id)
	if err != nil {
		return fmt.Errorf("connection: keep an unclaimed delivery: %w", err)
	}
	_, err = tx.Exec(ctx, `
		DELETE FROM webhook_quarantine
		 WHERE (SELECT pg_try_advisory_xact_lock(hashtext('memberintel webhook_quarantine')))
		   AND (quarantine_id <= $1 OR received_at < memberintel_now() - make_interval(days => $2))`,
		id-QuarantineRows, QuarantineDays)
	if err != nil {
		return fmt.Errorf("connection: prune unclaimed deliveries: %w", err)
	}
	return nil
}
