package connection

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
)

// Require makes the transaction's next round trip fail with refusal unless the connection is there and its
// generation is the one that the caller knows.
func (s *Store) Require(tx *postgres.TenantTx, id ID, generation int64, refusal error) {
	tx.Queue(`SELECT EXISTS (SELECT FROM connection WHERE connection_id = $1 AND generation = $2)`, id, generation).
		QueryRow(unless(refusal))
}

// RequireStands makes the transaction's next round trip fail with refusal unless the connection is there and
// not disconnected.
func (s *Store) RequireStands(tx *postgres.TenantTx, id ID, refusal error) {
	tx.Queue(`SELECT EXISTS (SELECT FROM connection WHERE connection_id = $1 AND state <> 'disconnected')`, id).
		QueryRow(unless(refusal))
}

func unless(refusal error) func(pgx.Row) error {
	return func(row pgx.Row) error {
		var holds bool
		if err := row.Scan(&holds); err != nil {
			return fmt.Errorf("connection: look whether it stands: %w", err)
		}
		if !holds {
			return refusal
		}
		return nil
	}
}
