package connection

import (
	"context"
	"fmt"

	"memberintel/internal/postgres"
)

// Generation returns the connection's current generation, which a cached Route or Connection is compared
// with; 0 when there is no such connection.
func (s *Store) Generation(ctx context.Context, tx *postgres.TenantTx, id ID) (int64, error) {
	var generation int64
	err := tx.QueryRow(ctx, `SELECT coalesce(max(generation), 0) FROM connection WHERE connection_id = $1`, id).Scan(&generation)
	if err != nil {
		return 0, fmt.Errorf("connection: read the generation: %w", err)
	}
	return generation, nil
}

// Stands reports whether the connection is there and not disconnected.
func (s *Store) Stands(ctx context.Context, tx *postgres.TenantTx, id ID) (bool, error) {
	var stands bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM connection WHERE connection_id = $1 AND state <> 'disconnected')`, id).Scan(&stands)
	if err != nil {
		return false, fmt.Errorf("connection: look whether it stands: %w", err)
	}
	return stands, nil
}
