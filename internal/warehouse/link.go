package warehouse

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
)

//go:embed link.sql
var linkSQL string

// Link gives one person_id to the members of the tenant whom several platforms know and whom ids prove to be one
// person, and takes it from those of whom nothing proves that any more. An e-mail address alone proves nothing: whom it
// suggests stands in the view person_candidates. It is derived from the rows alone, so that doing it again changes
// nothing. Where the tenant has one platform, there is nothing to do.
func (w *Warehouse) Link(ctx context.Context, tx *postgres.TenantTx) error {
	var several bool
	err := tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM members WHERE tenant_id = $1 AND source_platform <> first.platform)
		  FROM (SELECT (SELECT source_platform FROM members WHERE tenant_id = $1 LIMIT 1) AS platform) first`, tx.Tenant).Scan(&several)
	if err == nil && several {
		// Planned anew, for the sizes that the tables have by now.
		_, err = tx.Exec(ctx, linkSQL, pgx.QueryExecModeDescribeExec, tx.Tenant)
	}
	if err != nil {
		return fmt.Errorf("warehouse: link the members: %w", err)
	}
	return nil
}
