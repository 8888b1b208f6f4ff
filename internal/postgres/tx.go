package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/tenant"
)

// TenantTx is a transaction in which exactly one tenant's rows exist. It is the only way to tenant rows.
type TenantTx struct {
	tx     pgx.Tx
	Tenant tenant.ID
}

// Exec runs one statement.
func (t *TenantTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return t.tx.Exec(ctx, sql, args...)
}

// Query runs a query; the rows must be closed before the next statement.
func (t *TenantTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return t.tx.Query(ctx, sql, args...)
}

// QueryRow runs a query for one row.
func (t *TenantTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return t.tx.QueryRow(ctx, sql, args...)
}

// SendBatch sends several statements in one round trip.
func (t *TenantTx) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	return t.tx.SendBatch(ctx, b)
}

// CopyFrom fills a table by COPY. PostgreSQL refuses it for a table with row-level security: copy into a
// temporary table and merge from there.
func (t *TenantTx) CopyFrom(ctx context.Context, table string, columns []string, src pgx.CopyFromSource) (int64, error) {
	return t.tx.CopyFrom(ctx, pgx.Identifier{table}, columns, src)
}

// ServiceTx is a transaction as memberintel_service: routing, due work and runs of all tenants.
type ServiceTx struct{ pgx.Tx }

// OperatorTx is a transaction as memberintel_operator: health and switches of all tenants.
type OperatorTx struct{ pgx.Tx }

// TenantTx runs fn in a transaction of the tenant, and commits when fn returns nil.
func (db *DB) TenantTx(ctx context.Context, id tenant.ID, fn func(*TenantTx) error) error {
	return db.SharedTx(ctx, func(tx *SharedTx) error { return tx.As(ctx, id, fn) })
}

// SharedTx is one transaction that serves several tenants in turn: each statement runs under its own
// tenant's policy.
type SharedTx struct{ tx pgx.Tx }

// SharedTx runs fn in a transaction that belongs to no tenant until As names one.
func (db *DB) SharedTx(ctx context.Context, fn func(*SharedTx) error) error {
	return inTx(ctx, lively{db.pool}, "", func(tx pgx.Tx) error { return fn(&SharedTx{tx: tx}) })
}

// As runs fn with the transaction set to the tenant.
func (t *SharedTx) As(ctx context.Context, id tenant.ID, fn func(*TenantTx) error) error {
	if id == (tenant.ID{}) {
		return errors.New("postgres: a tenant transaction without a tenant")
	}
	if _, err := t.tx.Exec(ctx, `SELECT set_config('app.tenant_id', $1, true)`, id.String()); err != nil {
		return fmt.Errorf("postgres: set the tenant: %w", err)
	}
	return fn(&TenantTx{tx: t.tx, Tenant: id})
}

// ServiceTx runs fn as memberintel_service.
func (db *DB) ServiceTx(ctx context.Context, fn func(*ServiceTx) error) error {
	return inTx(ctx, lively{db.pool}, "memberintel_service", func(tx pgx.Tx) error { return fn(&ServiceTx{tx}) })
}

// OperatorTx runs fn as memberintel_operator.
func (db *DB) OperatorTx(ctx context.Context, fn func(*OperatorTx) error) error {
	return inTx(ctx, lively{db.pool}, "memberintel_operator", func(tx pgx.Tx) error { return fn(&OperatorTx{tx}) })
}

// Session is one connection kept for a tenant, so that temporary tables last over its transactions.
type Session struct {
	conn   *pgxpool.Conn
	tenant tenant.ID
}

// Session runs fn with a connection of its own. Its temporary tables are dropped afterwards.
func (db *DB) Session(ctx context.Context, id tenant.ID, fn func(*Session) error) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("postgres: acquire a connection: %w", err)
	}
	defer func() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), `DISCARD TEMP`)
		conn.Release()
	}()
	return fn(&Session{conn: conn, tenant: id})
}

// TenantTx runs fn in a transaction of the session's tenant.
func (s *Session) TenantTx(ctx context.Context, fn func(*TenantTx) error) error {
	return inTx(ctx, s.conn, "", func(tx pgx.Tx) error {
		return (&SharedTx{tx: tx}).As(ctx, s.tenant, fn)
	})
}

// lively is a pool that gets over a restart of PostgreSQL, after which all its idle connections are dead: the
// first that fails clears them out, and a new one is tried before anybody is told.
type lively struct{ *pgxpool.Pool }

// Begin starts a transaction.
func (p lively) Begin(ctx context.Context) (pgx.Tx, error) {
	tx, err := p.Pool.Begin(ctx)
	if disconnected(err) && ctx.Err() == nil {
		p.Reset()
		tx, err = p.Pool.Begin(ctx)
	}
	return tx, err
}

// Retry runs fn, a whole transaction, and runs it again while it lost to another one, tries times in all.
func Retry(tries int, fn func() error) error {
	var err error
	for range tries {
		if err = fn(); !Retryable(err) {
			break
		}
	}
	return err
}

type beginner interface {
	Begin(context.Context) (pgx.Tx, error)
}

func inTx(ctx context.Context, from beginner, role string, fn func(pgx.Tx) error) error {
	tx, err := from.Begin(ctx)
	if err != nil {
		return fmt.Errorf("postgres: begin: %w", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if role != "" {
		if _, err := tx.Exec(ctx, `SET LOCAL ROLE `+role); err != nil {
			return fmt.Errorf("postgres: take the role %s: %w", role, err)
		}
	}
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("postgres: commit: %w", err)
	}
	return nil
}
