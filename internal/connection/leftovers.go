package connection

import (
	"context"
	_ "embed" // the statement over ranges of accounts
	"fmt"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
)

// Leftover is what an account has left behind that is not connected any more.
type Leftover struct {
	SourceAccountID string `json:"source_account_id"` // "" of one that never told it
	Livemode        bool   `json:"livemode"`
	Rows            int64  `json:"rows"` // of all canonical tables, tombstones included
}

// Sentence tells a person of it.
func (l Leftover) Sentence(p Pipeline) string {
	rows, are := "1 row", "is"
	if l.Rows != 1 {
		rows, are = fmt.Sprintf("%d rows", l.Rows), "are"
	}
	return fmt.Sprintf("%s of %s %s still here, from an earlier connection.", rows, named(p, l.SourceAccountID, l.Livemode), are)
}

//go:embed leftovers.sql
var leftoversSQL string

// Leftovers counts the tenant's rows of the connection's platform that another account or the other mode has
// brought, by account. It is never nil. It costs as much as there are such rows.
func (s *Store) Leftovers(ctx context.Context, tx *postgres.TenantTx, c Connection) ([]Leftover, error) {
	rows, err := tx.Query(ctx, leftoversSQL, tx.Tenant, c.Pipeline, c.SourceAccountID, c.Livemode)
	if err != nil {
		return nil, fmt.Errorf("connection: count the rows of other accounts: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Leftover])
	if err != nil {
		return nil, fmt.Errorf("connection: count the rows of other accounts: %w", err)
	}
	return found, nil
}
