package connection

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Route leads from a delivery or a due time to the tenant that it is for. A cached one is good for as long
// as Generation is the connection's; changes among pending, connected, degraded and failed by themselves
// do not raise it, because they change no way.
type Route struct {
	ConnectionID    ID
	TenantID        tenant.ID
	Pipeline        Pipeline `db:"pipeline_type"`
	SourceAccountID string
	Livemode        bool
	State           State
	Generation      int64
	Plan            tenant.Plan
}

const routes = `SELECT c.connection_id, c.tenant_id, c.pipeline_type, c.source_account_id, c.livemode, c.state,
	c.generation, t.plan FROM connection c JOIN tenant t USING (tenant_id) `

// Routes returns the routes of all tenants, those of disconnected connections too; it is never nil.
func (s *Store) Routes(ctx context.Context, tx *postgres.ServiceTx) ([]Route, error) {
	return find(ctx, tx, `ORDER BY c.connection_id`)
}

// RouteByID returns the route of one connection, and false when there is none.
func (s *Store) RouteByID(ctx context.Context, tx *postgres.ServiceTx, id ID) (Route, bool, error) {
	return first(find(ctx, tx, `WHERE c.connection_id = $1`, id))
}

// RouteByAccount returns whose account it is, and false when it is nobody's. Where several have had it,
// the connection that stands comes before the disconnected ones, and of those the last to have ended. A
// connection whose account the source has not confirmed does not count: it may bear any account's name.
func (s *Store) RouteByAccount(
	ctx context.Context, tx *postgres.ServiceTx, p Pipeline, account string, livemode bool,
) (Route, bool, error) {
	if account == "" {
		return Route{}, false, nil
	}
	return first(find(ctx, tx, `WHERE c.pipeline_type = $1 AND c.source_account_id = $2 AND c.livemode = $3
		AND c.account_confirmed ORDER BY c.disconnected_at DESC NULLS FIRST, c.connection_id LIMIT 1`, p, account, livemode))
}

// DueRefetch returns up to limit connections whose refetch list is due, the longest overdue first. One
// that is failed or paused waits until it works again.
func (s *Store) DueRefetch(ctx context.Context, tx *postgres.ServiceTx, limit int) ([]Route, error) {
	return find(ctx, tx, `WHERE c.refetch_due_at <= memberintel_now() AND c.state NOT IN ('disconnected', 'failed', 'paused')
		ORDER BY c.refetch_due_at LIMIT $1`, limit)
}

func find(ctx context.Context, tx *postgres.ServiceTx, tail string, args ...any) ([]Route, error) {
	rows, err := tx.Query(ctx, routes+tail, args...)
	if err != nil {
		return nil, fmt.Errorf("connection: find routes: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Route])
	if err != nil {
		return nil, fmt.Errorf("connection: find routes: %w", err)
	}
	return found, nil
}

func first(found []Route, err error) (Route, bool, error) {
	if err != nil || len(found) == 0 {
		return Route{}, false, err
	}
	return found[0], true, nil
}
