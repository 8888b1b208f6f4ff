package connection

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
)

// Stored is an object that the warehouse holds alive.
type Stored struct {
	SourceID        string
	SourceCreatedAt *time.Time // nil where the source does not say
}

// StoredOf returns up to limit living objects of one table that stand under the account and mode, by their ids.
// variant is a transaction's kind or a plan's level, "" for other tables.
func (s *Store) StoredOf(
	ctx context.Context, tx *postgres.TenantTx, p Pipeline, account string, livemode bool, table, variant string, limit int,
) ([]Stored, error) {
	rows, err := tx.Query(ctx, `SELECT source_id, source_created_at FROM account_rows
		WHERE tenant_id = $1 AND source_platform = $2 AND source_account_id = $3 AND livemode = $4
		  AND table_name = $5 AND variant = $6 AND deleted_at IS NULL ORDER BY source_id LIMIT $7`,
		tx.Tenant, p, account, livemode, table, variant, limit)
	if err != nil {
		return nil, fmt.Errorf("connection: look for stored objects: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Stored])
	if err != nil {
		return nil, fmt.Errorf("connection: look for stored objects: %w", err)
	}
	return found, nil
}
