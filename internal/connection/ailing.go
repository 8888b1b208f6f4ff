package connection

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Ailing is a connection that somebody may have to be told about.
type Ailing struct {
	ConnectionID ID
	TenantID     tenant.ID
	Pipeline     Pipeline `db:"pipeline_type"`
	NeedsPerson  bool
	Failing      bool // so many times in a row; one that neither needs a person nor fails is late
}

// NeedsPerson reports whether only a person helps: the source refuses the credential, or retries are spent.
func (c Connection) NeedsPerson() bool {
	return c.State == Failed || c.LastErrorKind != nil && *c.LastErrorKind == string(fault.Unauthorized)
}

// DueSince returns since when a success is due: what was asked for and has not come, or the time of the next sync.
// It is nil for a connection that nothing is expected of, and may lie ahead.
func (c Connection) DueSince() *time.Time {
	if c.NextSyncAt == nil || c.AwaitedSince != nil && c.AwaitedSince.Before(*c.NextSyncAt) {
		return c.AwaitedSince
	}
	return c.NextSyncAt
}

// Await notes that a success is due from now on, unless one has been due before. It belongs into the transaction
// that asks for a run out of turn; for those in turn SetDue does it.
func (s *Store) Await(ctx context.Context, tx *postgres.ServiceTx, id ID) error {
	_, err := tx.Exec(ctx, `
		UPDATE connection SET awaited_since = least(next_sync_at, memberintel_now())
		 WHERE connection_id = $1 AND awaited_since IS NULL AND state <> 'disconnected'`, id)
	if err != nil {
		return fmt.Errorf("connection: note that a success is due: %w", err)
	}
	return nil
}

// Ailing returns the connections of all tenants for which NeedsPerson holds, that failed so many times in a row, or
// of which a success has been due for so long; what is paused is left out. It is never nil.
func (s *Store) Ailing(ctx context.Context, tx *postgres.ServiceTx, failures int, late time.Duration) ([]Ailing, error) {
	rows, err := tx.Query(ctx, `
		SELECT connection_id, tenant_id, pipeline_type, consecutive_failures >= $1 AS failing,
		       state = 'failed' OR last_error_kind IS NOT DISTINCT FROM 'unauthorized' AS needs_person
		  FROM connection
		 WHERE state NOT IN ('disconnected', 'paused')
		   AND (state = 'failed' OR consecutive_failures >= $1 OR consecutive_failures > 0 AND last_error_kind = 'unauthorized'
		        OR awaited_since <= memberintel_now() - $2::interval OR next_sync_at <= memberintel_now() - $2::interval)
		 ORDER BY tenant_id, pipeline_type`, failures, late)
	if err != nil {
		return nil, fmt.Errorf("connection: look for what ails: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Ailing])
	if err != nil {
		return nil, fmt.Errorf("connection: look for what ails: %w", err)
	}
	return found, nil
}

// Across returns connections of any tenant for support, by id. One that is gone is left out.
func (s *Store) Across(ctx context.Context, tx *postgres.OperatorTx, ids []ID) (map[ID]Connection, error) {
	rows, err := tx.Query(ctx, `SELECT `+columns+` FROM connection WHERE connection_id = ANY ($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("connection: look across tenants: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Connection])
	if err != nil {
		return nil, fmt.Errorf("connection: look across tenants: %w", err)
	}
	found := make(map[ID]Connection, len(list))
	for _, c := range list {
		found[c.ID] = c
	}
	return found, nil
}
