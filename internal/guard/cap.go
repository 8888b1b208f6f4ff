package guard

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
)

// SetCaps makes caps those that the database enforces, and returns those that it had. Only the owner of the schema can, so
// whoever holds no more than the program's login cannot; every change leaves an audit event, which the database writes.
func SetCaps(ctx context.Context, db *postgres.DB, caps Caps) (before Caps, err error) {
	err = db.Owner(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if before, err = readCaps(ctx, tx, `SELECT day, month, tenant_month FROM budget_cap FOR UPDATE`); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `UPDATE budget_cap SET day = $1, month = $2, tenant_month = $3`, caps.Day, caps.Month, caps.TenantMonth)
			return err
		})
	})
	if err != nil {
		return before, fmt.Errorf("guard: set the caps: %w", err)
	}
	return before, nil
}

// CapsOf returns the caps that the database enforces.
func CapsOf(ctx context.Context, tx *postgres.ServiceTx) (Caps, error) {
	caps, err := readCaps(ctx, tx, `SELECT day, month, tenant_month FROM budget_cap`)
	if err != nil {
		return caps, fmt.Errorf("guard: read the caps: %w", err)
	}
	return caps, nil
}

// String shows all three.
func (c Caps) String() string {
	return fmt.Sprintf("%s a day, %s a month, %s a month for a tenant", c.Day, c.Month, c.TenantMonth)
}

// Above reports whether one of the caps is higher than the other's, so that the other's holds instead.
func (c Caps) Above(other Caps) bool {
	return c.Day > other.Day || c.Month > other.Month || c.TenantMonth > other.TenantMonth
}

func readCaps(ctx context.Context, tx interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}, sql string,
) (caps Caps, err error) {
	err = tx.QueryRow(ctx, sql).Scan(&caps.Day, &caps.Month, &caps.TenantMonth)
	return caps, err
}
