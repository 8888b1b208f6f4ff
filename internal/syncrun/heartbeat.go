package syncrun

import (
	"context"
	"errors"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// errNotRenewed ends a run whose database did not answer for as long as the lease lasts.
var errNotRenewed = errors.New("syncrun: the lease could not be renewed in time")

// heartbeat keeps the lease and the slot alive and the ledger's count of records current, until the run ends. What
// cannot be renewed before it runs out ends the run's context.
func (r *Run) heartbeat(ctx context.Context) {
	defer close(r.beating)
	ttl := r.ledger.ttl()
	ticker := time.NewTicker(ttl / 6)
	defer ticker.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		limited, cancel := context.WithTimeout(ctx, ttl)
		err := r.beat(limited)
		cancel()
		switch {
		case err == nil:
			renewed = time.Now()
		case fault.KindOf(err) != "":
			r.cancel(err)
			return
		case time.Since(renewed) > ttl:
			r.cancel(errors.Join(errNotRenewed, err))
			return
		}
	}
}

func (r *Run) beat(ctx context.Context) error {
	err := r.ledger.DB.TenantTx(ctx, r.Connection.TenantID, func(tx *postgres.TenantTx) error {
		tag, err := tx.Exec(ctx, `
			UPDATE sync_run SET lease_expires_at = clock_timestamp() + $3,
			       records_processed = (SELECT coalesce(sum(records), 0) FROM sync_checkpoint WHERE run_id = $1)
			 WHERE run_id = $1 AND lease_token = $2 AND status = 'running'`, r.ID, r.token, r.ledger.ttl())
		if err == nil && tag.RowsAffected() == 0 {
			return leaseLost()
		}
		return err
	})
	if err != nil || r.slot == (slot{}) {
		return err
	}
	r.slot, err = r.ledger.beatSlot(ctx, r.slot, r.ID)
	return err
}

func leaseLost() error {
	return fault.New(fault.Busy, "Another worker has taken over this run.")
}
