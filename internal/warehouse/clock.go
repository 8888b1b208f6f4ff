package warehouse

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Access and trials end by the clock, with no record written. status_until says when the status of a member or of a
// subscription is to be derived anew, and member_clock when the first of a tenant's is.

// windClock notes, with the transaction's next round trip, when the first status of the tenant changes by the clock.
func windClock(tx *postgres.TenantTx) {
	tx.Queue(`
		INSERT INTO member_clock AS k (tenant_id, due_at)
		SELECT $1, due_at
		  FROM (SELECT least((SELECT min(status_until) FROM members WHERE tenant_id = $1 AND status_until IS NOT NULL),
		                     (SELECT min(status_until) FROM subscriptions WHERE tenant_id = $1 AND status_until IS NOT NULL)) AS due_at) m
		 WHERE due_at IS NOT NULL
		ON CONFLICT (tenant_id) DO UPDATE SET due_at = excluded.due_at WHERE k.due_at IS DISTINCT FROM excluded.due_at`, tx.Tenant)
}

// ClockDue returns up to limit tenants of whom a status has changed by the clock, the longest overdue first.
func ClockDue(ctx context.Context, tx *postgres.ServiceTx, limit int) ([]tenant.ID, error) {
	rows, err := tx.Query(ctx, `SELECT tenant_id FROM member_clock WHERE due_at <= memberintel_now() ORDER BY due_at LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("warehouse: look whose clock has struck: %w", err)
	}
	due, err := pgx.CollectRows(rows, pgx.RowTo[tenant.ID])
	if err != nil {
		return nil, fmt.Errorf("warehouse: look whose clock has struck: %w", err)
	}
	return due, nil
}

// clockBatch is how many members one transaction of Tick brings up to date.
const clockBatch = 1000

// Tick derives the status of the tenant's members and subscriptions whose access or trial has ended by now, up to a
// batch of one source, and reports whether more wait. It is idempotent, and a crash leaves the clock as it was.
func (w *Warehouse) Tick(ctx context.Context, tx *postgres.TenantTx) (more bool, err error) {
	var src canonical.Source
	var members []string
	err = tx.QueryRow(ctx, `
		WITH due AS (
		    (SELECT source_platform, source_account_id, livemode, source_id AS member FROM members
		      WHERE tenant_id = $1 AND status_until <= memberintel_now() ORDER BY status_until LIMIT $2)
		    UNION -- '' is nobody, whose subscriptions are derived with whomever's
		    (SELECT source_platform, source_account_id, livemode, coalesce(member_source_id, '') FROM subscriptions
		      WHERE tenant_id = $1 AND status_until <= memberintel_now() AND access_derived ORDER BY status_until LIMIT $2))
		SELECT source_platform, source_account_id, livemode, array_agg(member) FROM due GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT 1`,
		tx.Tenant, clockBatch).Scan(&src.Platform, &src.AccountID, &src.Livemode, &members)
	if errors.Is(err, pgx.ErrNoRows) {
		// Nothing is due: the clock stands at the next, or nowhere.
		tx.Queue(`DELETE FROM member_clock WHERE tenant_id = $1 AND due_at <= memberintel_now()`, tx.Tenant)
		windClock(tx)
		return false, tx.Flush(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("warehouse: look whose access has ended: %w", err)
	}
	m := merging{ctx: ctx, tx: tx, ids: identityOf(tx.Tenant, src), fresh: map[Ref]bool{}}
	lockMembers(tx, members)
	m.deriveAccess(members)
	m.deriveMembers(members)
	m.settle()
	return true, m.err
}
