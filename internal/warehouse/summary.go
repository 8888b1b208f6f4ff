package warehouse

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
)

// Money is a sum in minor units of one currency; currencies are never added up.
type Money struct {
	Currency string
	Minor    int64
}

// StatusCount is how many members have a status.
type StatusCount struct {
	Status string
	Count  int64
}

// Summary is what a page says about a tenant at a glance. Its lists are never nil.
type Summary struct {
	Members       []StatusCount // by status, tombstoned ones as deleted; whom several platforms know counts once
	Subscriptions int64
	MRR           []Money // a month, of active and past due subscriptions
}

// Summarise counts what the tenant has.
func Summarise(ctx context.Context, tx *postgres.TenantTx) (s Summary, err error) {
	rows, err := tx.Query(ctx, statusesSQL, tx.Tenant)
	if err == nil {
		s.Members, err = pgx.CollectRows(rows, pgx.RowToStructByPos[StatusCount])
	}
	if err != nil {
		return s, fmt.Errorf("warehouse: count the members: %w", err)
	}
	err = tx.QueryRow(ctx, `SELECT count(*) FROM subscriptions WHERE tenant_id = $1 AND deleted_at IS NULL`, tx.Tenant).Scan(&s.Subscriptions)
	if err != nil {
		return s, fmt.Errorf("warehouse: count the subscriptions: %w", err)
	}
	rows, err = tx.Query(ctx, `
		SELECT currency, round(sum(mrr_minor))::bigint
		  FROM subscription_item_history
		 WHERE tenant_id = $1 AND valid_to IS NULL AND status IN ('active', 'past_due') AND currency IS NOT NULL
		 GROUP BY 1 HAVING sum(mrr_minor) IS NOT NULL ORDER BY 2 DESC, 1`, tx.Tenant)
	if err == nil {
		s.MRR, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Money])
	}
	if err != nil {
		return s, fmt.Errorf("warehouse: add up the monthly revenue: %w", err)
	}
	return s, nil
}

// Paid returns how many payments succeeded and their sums by currency.
func Paid(ctx context.Context, tx *postgres.TenantTx) (payments int64, sums []Money, err error) {
	rows, err := tx.Query(ctx, `
		SELECT currency, count(*), sum(amount_minor)::bigint FROM payments
		 WHERE tenant_id = $1 AND status = 'succeeded' AND currency IS NOT NULL GROUP BY 1 ORDER BY 3 DESC, 1`, tx.Tenant)
	if err != nil {
		return 0, nil, fmt.Errorf("warehouse: add up the payments: %w", err)
	}
	var sum Money
	var n int64
	_, err = pgx.ForEachRow(rows, []any{&sum.Currency, &n, &sum.Minor}, func() error {
		payments, sums = payments+n, append(sums, sum)
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("warehouse: add up the payments: %w", err)
	}
	return payments, sums, nil
}
