package warehouse

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

// Unseen returns, by source id behind after, up to limit live rows of a table that nothing has shown since
// the time on the source's clock. variant is a transaction's kind or a plan's level, "" for other tables.
// After a full pass they are what the source may have deleted, which a look-up must confirm.
func (w *Warehouse) Unseen(ctx context.Context, tx *postgres.TenantTx, src canonical.Source, table, variant string, since time.Time, after string, limit int) ([]string, error) {
	sql, err := w.unseenSQL(table)
	if err != nil {
		return nil, err
	}
	args := append(identityOf(tx.Tenant, src), since, after, limit, variant)
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("warehouse: %s: look for unseen rows: %w", table, err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("warehouse: %s: look for unseen rows: %w", table, err)
	}
	return ids, nil
}

func (w *Warehouse) unseenSQL(table string) (string, error) {
	switch table {
	case "plans":
		return w.plans.sql.sweep, nil
	case "members":
		return w.members.sql.sweep, nil
	case "subscriptions":
		return w.subscriptions.sql.sweep, nil
	case "invoices":
		return w.invoices.sql.sweep, nil
	case "payment_intents":
		return w.paymentIntents.sql.sweep, nil
	case "transactions":
		return w.transactions.sql.sweep, nil
	case "orders":
		return w.orders.sql.sweep, nil
	case "content_rules":
		return w.rules.sql.sweep, nil
	}
	return "", fmt.Errorf("warehouse: %s is not swept", table)
}

// Named is a live row of a table.
type Named struct {
	SourceID string
	Variant  string // a transaction's kind or a plan's level, "" for other tables
}

// Alive returns those of the ids that have a live row in the table, each with its variants.
func (w *Warehouse) Alive(ctx context.Context, tx *postgres.TenantTx, src canonical.Source, table string, ids []string) ([]Named, error) {
	rows, err := tx.Query(ctx, `
		SELECT source_id, variant FROM account_rows
		 WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4
		   AND table_name = $5 AND source_id = ANY ($6) AND deleted_at IS NULL ORDER BY 1, 2`, append(identityOf(tx.Tenant, src), table, ids)...)
	if err != nil {
		return nil, fmt.Errorf("warehouse: %s: look what is alive: %w", table, err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Named])
	if err != nil {
		return nil, fmt.Errorf("warehouse: %s: look what is alive: %w", table, err)
	}
	return found, nil
}
