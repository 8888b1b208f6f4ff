package guard

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
)

// Thrown returns the names of the switches that are on, for work that looks at all tenants and leaves out those
// that are stopped. It is never nil. Check answers for one tenant.
func Thrown(ctx context.Context, tx *postgres.ServiceTx) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT name FROM switch WHERE expires_at IS NULL OR expires_at > memberintel_now() ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("guard: read the switches: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("guard: read the switches: %w", err)
	}
	return names, nil
}
