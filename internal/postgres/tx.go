package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/tenant"
)

// TenantTx is a transaction in which exactly one tenant's rows exist. It is the only way to tenant rows.
type TenantTx struct {
	shared *SharedTx
	Tenant tenant.ID
	pause  func() bool // within Each: waits for the round trip, false when the transaction is given up
}

// Exec runs one statement, after what is queued.
func (t *TenantTx) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if err := t.ready(ctx); err != nil {
		return pgconn.CommandTag{}, err
	}
	return t.shared.conn.Exec(ctx, sql, args...)
}

// Query runs a query, after what is queued; the rows must be closed before the next statement.
func (t *TenantTx) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	return t.shared.conn.Query(ctx, sql, args...)
}

// QueryRow runs a query for one row, after what is queued.
func (t *TenantTx) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := t.ready(ctx); err != nil {
		return notReady{err}
	}
	return t.shared.conn.QueryRow(ctx, sql, args...)
}

// CopyFrom fills a table by COPY, after what is queued. PostgreSQL refuses it for a table with row-level
// security: copy into a temporary table and merge from there.
func (t *TenantTx) CopyFrom(ctx context.Context, table string, columns []string, src pgx.CopyFromSource) (int64, error) {
	if err := t.ready(ctx); err != nil {
		return 0, err
	}
	return t.shared.conn.CopyFrom(ctx, pgx.Identifier{table}, columns, src)
}

// ServiceTx is a transaction as memberintel_service: routing, due work and runs of all tenants.
type ServiceTx struct{ pgx.Tx }

// OperatorTx is a transaction as memberintel_operator: health and switches of all tenants.
type OperatorTx struct{ pgx.Tx }

// TenantTx runs fn in a transaction of the tenant, and commits when fn returns nil.
func (db *DB) TenantTx(ctx context.Context, id tenant.ID, fn func(*TenantTx) error) error {
	return db.SharedTx(ctx, func(tx *SharedTx) error { return tx.As(id, fn) })
}

// SharedTx runs fn in a transaction that belongs to no tenant until As or Each names one, and commits when fn
// returns nil.
func (db *DB) SharedTx(ctx context.Context, fn func(*SharedTx) error) error {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("postgres: acquire a connection: %w", err)
	}
	t := &SharedTx{conn: conn, pool: db.pool}
	defer func() { t.conn.Release() }() // which may be another by then
	return t.run(ctx, fn)
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
	return (&SharedTx{conn: s.conn}).run(ctx, func(tx *SharedTx) error { return tx.As(s.tenant, fn) })
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
