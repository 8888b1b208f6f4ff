package connection

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Due is a connection whose next sync is due.
type Due struct {
	ConnectionID ID
	TenantID     tenant.ID
	Pipeline     Pipeline `db:"pipeline_type"`
	Plan         tenant.Plan
	DueAt        time.Time `db:"next_sync_at"`
}

// Held is what a switch holds up, which no tick should start.
type Held struct {
	Pipelines []string
	Tenants   []tenant.ID
}

// Cadence is how often the pipeline of a tenant on the plan is meant to succeed. Stripe keeps events for 30 days, so
// on the free plan its events are pulled every week, and nothing is ever lost between two pulls.
func Cadence(p Pipeline, plan tenant.Plan) time.Duration {
	const day = 24 * time.Hour
	switch {
	case p == Website:
		return 7 * day
	case plan != tenant.Free:
		return day
	case p == Stripe:
		return 7 * day
	default:
		return 30 * day
	}
}

// ClaimDue returns up to limit connections that are due, the longest overdue first, and keeps them from every other
// claim until the transaction ends; SetDue says when they are due again. One that has failed is due like any other,
// since the next period is a new start; one that is paused or held waits.
func (s *Store) ClaimDue(ctx context.Context, tx *postgres.ServiceTx, limit int, held Held) ([]Due, error) {
	if err := byIndex(ctx, tx); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `
		SELECT c.connection_id, c.tenant_id, c.pipeline_type, t.plan, c.next_sync_at
		  FROM connection c JOIN tenant t USING (tenant_id)
		 WHERE c.next_sync_at <= memberintel_now() AND c.state NOT IN ('disconnected', 'paused')
		   AND c.pipeline_type <> ALL ($2::text[]) AND c.tenant_id <> ALL ($3::uuid[])
		 ORDER BY c.next_sync_at LIMIT $1 FOR UPDATE OF c SKIP LOCKED`, limit, none(held.Pipelines), none(held.Tenants))
	return collectDue(rows, err)
}

// ClaimUnscheduled returns and keeps, as ClaimDue does, connections that no clock knows although they were connected
// longer ago than that: whoever connected them ended before asking for a sync.
func (s *Store) ClaimUnscheduled(ctx context.Context, tx *postgres.ServiceTx, limit int, longer time.Duration, held Held) ([]Due, error) {
	if err := byIndex(ctx, tx); err != nil {
		return nil, err
	}
	rows, err := tx.Query(ctx, `
		SELECT c.connection_id, c.tenant_id, c.pipeline_type, t.plan, memberintel_now() AS next_sync_at
		  FROM connection c JOIN tenant t USING (tenant_id)
		 WHERE c.next_sync_at IS NULL AND c.state <> 'disconnected' AND c.state <> 'paused' AND c.connected_at < memberintel_now() - $2::interval
		   AND c.pipeline_type <> ALL ($3::text[]) AND c.tenant_id <> ALL ($4::uuid[])
		 ORDER BY c.connected_at LIMIT $1 FOR UPDATE OF c SKIP LOCKED`, limit, longer, none(held.Pipelines), none(held.Tenants))
	return collectDue(rows, err)
}

// byIndex keeps the planner from reading all tenants for the few that are due.
func byIndex(ctx context.Context, tx *postgres.ServiceTx) error {
	if _, err := tx.Exec(ctx, `SET LOCAL enable_seqscan = off`); err != nil {
		return fmt.Errorf("connection: claim what is due: %w", err)
	}
	return nil
}

func collectDue(rows pgx.Rows, err error) ([]Due, error) {
	if err != nil {
		return nil, fmt.Errorf("connection: claim what is due: %w", err)
	}
	due, err := pgx.CollectRows(rows, pgx.RowToStructByName[Due])
	if err != nil {
		return nil, fmt.Errorf("connection: claim what is due: %w", err)
	}
	return due, nil
}

// SetDue sets when each of the connections is due next. Of one that was due, a success is awaited since then.
func (s *Store) SetDue(ctx context.Context, tx *postgres.ServiceTx, ids []ID, at []time.Time) error {
	_, err := tx.Exec(ctx, `
		UPDATE connection c
		   SET next_sync_at = d.at,
		       awaited_since = coalesce(c.awaited_since, CASE WHEN c.next_sync_at <= memberintel_now() THEN c.next_sync_at END)
		  FROM unnest($1::uuid[], $2::timestamptz[]) AS d (id, at)
		 WHERE c.connection_id = d.id AND c.state <> 'disconnected'`, ids, at)
	if err != nil {
		return fmt.Errorf("connection: set when they are due: %w", err)
	}
	return nil
}

// DueWithin makes the connection's next sync due after that time, unless it is due earlier.
func (s *Store) DueWithin(ctx context.Context, tx *postgres.TenantTx, id ID, after time.Duration) error {
	_, err := tx.Exec(ctx, `
		UPDATE connection SET next_sync_at = least(next_sync_at, memberintel_now() + $2::interval)
		 WHERE connection_id = $1 AND state <> 'disconnected'`, id, after)
	if err != nil {
		return fmt.Errorf("connection: make it due: %w", err)
	}
	return nil
}

// GaveUp records that nothing is tried any more before the next period: a person should look. A connection that
// works, is paused or disconnected is left as it is.
func (s *Store) GaveUp(ctx context.Context, tx *postgres.TenantTx, id ID) error {
	_, err := tx.Exec(ctx, `UPDATE connection SET state = 'failed' WHERE connection_id = $1 AND state IN ('pending', 'degraded')`, id)
	if err != nil {
		return fmt.Errorf("connection: give up: %w", err)
	}
	return nil
}

// Count is how many connections of a pipeline there are on a plan.
type Count struct {
	Pipeline Pipeline `db:"pipeline_type"`
	Plan     tenant.Plan
	N        int
}

// CountByCadence counts the connections that sync by the clock. It reads all of them.
func (s *Store) CountByCadence(ctx context.Context, tx *postgres.ServiceTx) ([]Count, error) {
	rows, err := tx.Query(ctx, `
		SELECT c.pipeline_type, t.plan, count(*) AS n FROM connection c JOIN tenant t USING (tenant_id)
		 WHERE c.next_sync_at IS NOT NULL AND c.state NOT IN ('disconnected', 'paused') GROUP BY 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("connection: count: %w", err)
	}
	counts, err := pgx.CollectRows(rows, pgx.RowToStructByName[Count])
	if err != nil {
		return nil, fmt.Errorf("connection: count: %w", err)
	}
	return counts, nil
}

// CountDue counts the connections that are due and not claimed, and tells for how long the first of them has been.
func (s *Store) CountDue(ctx context.Context, tx *postgres.ServiceTx) (n int, longest time.Duration, err error) {
	err = tx.QueryRow(ctx, `
		SELECT count(*), coalesce(memberintel_now() - min(next_sync_at), interval '0')
		  FROM connection WHERE next_sync_at <= memberintel_now() AND state NOT IN ('disconnected', 'paused')`).Scan(&n, &longest)
	if err != nil {
		return 0, 0, fmt.Errorf("connection: count what is due: %w", err)
	}
	return n, longest, nil
}

// none turns nil, which SQL takes for unknown, into an empty list.
func none[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
