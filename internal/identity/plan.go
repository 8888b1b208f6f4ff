package identity

import (
	"context"
	"fmt"

	"memberintel/internal/audit"
	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// SetPlan changes a tenant's plan as actor, and reports false when the tenant has it already. The change is
// audited, and the tenant's connections take notice in the same transaction.
func SetPlan(ctx context.Context, db *postgres.DB, id tenant.ID, plan tenant.Plan, actor string) (changed bool, err error) {
	if err := checkPlan(plan); err != nil {
		return false, err
	}
	err = db.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		var before tenant.Plan
		err := tx.QueryRow(ctx, `SELECT plan FROM tenant WHERE tenant_id = $1 FOR UPDATE`, id).Scan(&before)
		if noRows(err) {
			return unknown(id.String())
		}
		if err != nil {
			return fmt.Errorf("identity: read the plan: %w", err)
		}
		if before == plan {
			return nil
		}
		if _, err := tx.Exec(ctx, `UPDATE tenant SET plan = $2 WHERE tenant_id = $1`, id, plan); err != nil {
			return fmt.Errorf("identity: set the plan: %w", err)
		}
		if err := connection.PlanChanged(ctx, tx, plan); err != nil {
			return err
		}
		changed = true
		return audit.Record(ctx, tx, actor, "tenant.plan", id.String(), map[string]any{"from": before, "to": plan})
	})
	return changed && err == nil, err
}
