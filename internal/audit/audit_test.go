package audit_test

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"memberintel/internal/audit"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
)

func TestAnEventIsKeptForItsTenantAndCannotBeChanged(t *testing.T) {
	db, id := pgtest.New(t), uuid.New()
	as := func(id uuid.UUID, fn func(context.Context, *postgres.TenantTx) error) error {
		return db.TenantTx(t.Context(), id, func(tx *postgres.TenantTx) error { return fn(t.Context(), tx) })
	}
	err := as(id, func(ctx context.Context, tx *postgres.TenantTx) error {
		if err := audit.Record(ctx, tx, "anna", "connection.connect", "stripe", map[string]any{"account": "acct_1"}); err != nil {
			return err
		}
		return audit.Record(ctx, tx, "anna", "connection.disconnect", "stripe", nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	count := func(id uuid.UUID) (n int) {
		err := as(id, func(ctx context.Context, tx *postgres.TenantTx) error {
			return tx.QueryRow(ctx, `SELECT count(*) FROM audit_event WHERE detail IN ('{"account": "acct_1"}', '{}')`).Scan(&n)
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if mine, others := count(id), count(uuid.New()); mine != 2 || others != 0 {
		t.Errorf("the tenant sees %d, another one %d", mine, others)
	}
	for _, statement := range []string{`UPDATE audit_event SET actor = 'nobody'`, `DELETE FROM audit_event`, `TRUNCATE audit_event`} {
		err := as(id, func(ctx context.Context, tx *postgres.TenantTx) error {
			_, err := tx.Exec(ctx, statement)
			return err
		})
		if err == nil {
			t.Errorf("%s was let through", statement)
		}
	}
}
