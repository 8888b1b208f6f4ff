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
// nothing. It goes over all members of the tenant, which LinkOf spares those whose records are the same. Where the tenant has one platform, there is nothing to do.
func (w *Warehouse) Link(ctx context.Context, tx *postgres.TenantTx) error {
	several, err := severalPlatforms(ctx, tx)
	if err != nil || !several {
		return err
	}
	// As in DeriveAll: without statistics each would be compared with each.
	if _, err := tx.Exec(ctx, `SET LOCAL enable_nestloop = off; SET LOCAL jit = off`); err != nil {
		return fmt.Errorf("warehouse: link the members: %w", err)
	}
	for _, sql := range []string{linkBearersSQL, linkSQL} {
		// Planned anew, for the sizes that the tables have by now.
		if _, err := tx.Exec(ctx, sql, pgx.QueryExecModeDescribeExec, tx.Tenant); err != nil {
			return fmt.Errorf("warehouse: link the members: %w", err)
		}
	}
	if _, err := tx.Exec(ctx, `SET LOCAL enable_nestloop = on`); err != nil {
		return fmt.Errorf("warehouse: link the members: %w", err)
	}
	return nil
}
