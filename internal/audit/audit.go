// Package audit keeps who did what to which tenant, in rows that are only ever added: the program's roles
// may insert and read them, and nothing else. It owns the table audit_event.
package audit

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"

	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Everyone returns the tenant under which acts are recorded that concern all tenants, a global switch say.
// It is the nil UUID, which no tenant has and no TenantTx takes, so the operator alone reads those rows.
func Everyone() tenant.ID { return uuid.Nil }

type executor interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Record adds one event to the transaction's tenant; it stands or falls with that transaction. Actor says
// who (a user's email, "cli", "stripe"), action what ("connection.disconnect"), subject to what. Detail may
// be nil and must hold neither secrets nor members' data.
func Record(ctx context.Context, tx *postgres.TenantTx, actor, action, subject string, detail map[string]any) error {
	return record(ctx, tx, tx.Tenant, actor, action, subject, detail)
}

// RecordFor is Record for an operator's act on the given tenant, or on Everyone.
func RecordFor(
	ctx context.Context, tx *postgres.OperatorTx, of tenant.ID, actor, action, subject string, detail map[string]any,
) error {
	return record(ctx, tx, of, actor, action, subject, detail)
}

func record(
	ctx context.Context, tx executor, of tenant.ID, actor, action, subject string, detail map[string]any,
) error {
	if detail == nil {
		detail = map[string]any{}
	}
	encoded, err := json.Marshal(detail)
	if err != nil {
		return fmt.Errorf("audit: encode the detail of %s: %w", action, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO audit_event (tenant_id, actor, action, subject, detail) VALUES ($1, $2, $3, $4, $5)`,
		of, actor, action, subject, encoded)
	if err != nil {
		return fmt.Errorf("audit: record %s: %w", action, err)
	}
	return nil
}
