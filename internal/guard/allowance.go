package guard

import (
	"context"
	"fmt"
	"time"

	"memberintel/internal/postgres"
)

// OnDemandFrom returns from when on the tenant may have an analysis on demand, nil for now. It promises nothing: Reserve
// decides. Who asks it first spares a site the visit.
func OnDemandFrom(ctx context.Context, tx *postgres.TenantTx) (from *time.Time, err error) {
	err = tx.QueryRow(ctx, `
		SELECT CASE WHEN t.plan = 'free' THEN date_trunc('week', memberintel_now(), 'UTC') + interval '7 days'
		            WHEN (SELECT count(*) FROM analysis WHERE tenant_id = t.tenant_id AND purpose = 'on_demand' AND ended_at IS NOT NULL
		                     AND period = to_char(memberintel_now() AT TIME ZONE 'UTC', 'YYYY-MM-DD')) >= 2
		            THEN date_trunc('day', memberintel_now(), 'UTC') + interval '1 day' END
		  FROM tenant t WHERE t.tenant_id = $1`, tx.Tenant).Scan(&from)
	if err != nil {
		return nil, fmt.Errorf("guard: look for the next analysis on demand: %w", err)
	}
	return from, nil
}
