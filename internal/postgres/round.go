package postgres

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/tenant"
)

// A commit of a dozen small statements spends more time on the way to the server than at work. So a
// transaction can queue statements: they are sent in one round trip when a result is needed, at Flush or before
// the next statement that is not queued. Each runs under its own tenant's policy, as all others do.

// queued is a statement that waits, and whose it is.
type queued struct {
	tenant tenant.ID
	query  *pgx.QueuedQuery
}

var errNoTenant = errors.New("postgres: a tenant transaction without a tenant")

// errGivenUp ends the parts of a transaction after one of them failed.
var errGivenUp = errors.New("postgres: another part of the transaction failed")

// SharedTx is one transaction that serves several tenants: each statement runs under its own tenant's policy.
type SharedTx struct {
	conn    *pgxpool.Conn
	pool    *pgxpool.Pool // where another connection can be had before the first answer; nil: nowhere
	begun   bool
	current tenant.ID // whom the transaction is set to
	waiting []queued
	set     map[string]string // settings that the transaction has, or has with the next round trip
	unsent  []string          // names and values of those that wait
	failed  tenant.ID         // whose queued statement failed
}

// As runs fn with the transaction set to the tenant.
func (t *SharedTx) As(id tenant.ID, fn func(*TenantTx) error) error {
	if id == (tenant.ID{}) {
		return errNoTenant
	}
	return fn(&TenantTx{shared: t, Tenant: id})
}

// Queue adds a statement to the next round trip. The returned query takes a function for its result, which runs
// at the flush; an error of the statement or of the function is the flush's.
func (t *TenantTx) Queue(sql string, args ...any) *pgx.QueuedQuery {
	var b pgx.Batch
	q := b.Queue(sql, args...)
	t.shared.waiting = append(t.shared.waiting, queued{t.Tenant, q})
	return q
}

// Set gives the whole transaction a setting of PostgreSQL, with the next round trip and before its statements.
func (t *TenantTx) Set(name, value string) {
	if t.shared.set[name] == value {
		return
	}
	if t.shared.set == nil {
		t.shared.set = map[string]string{}
	}
	t.shared.set[name] = value
	t.shared.unsent = append(t.shared.unsent, name, value)
}

// Flush sends what is queued and handles the results. Within Each the other parts' statements go along.
func (t *TenantTx) Flush(ctx context.Context) error {
	if t.pause != nil {
		if !t.pause() {
			return errGivenUp
		}
		return nil
	}
	return t.shared.flush(ctx)
}

// Each runs fn once for each tenant, side by side in one transaction: where one part waits in Flush, the next
// goes on until it waits too, and one round trip serves them all. Parts run one at a time and in order. With an
// error it returns which part failed first. What the parts queued last goes with the next round trip.
func (t *SharedTx) Each(ctx context.Context, ids []tenant.ID, fn func(i int, tx *TenantTx) error) (failed int, err error) {
	parts := make([]part, len(ids))
	for i, id := range ids {
		if id == (tenant.ID{}) {
			return i, errNoTenant
		}
		parts[i] = t.begin(id, func(tx *TenantTx) error { return fn(i, tx) })
		defer parts[i].stop()
	}
	for {
		open := 0
		for i := range parts {
			if parts[i].goOn() {
				open++
			} else if err := *parts[i].err; err != nil {
				return t.culprit(ids, i), err
			}
		}
		if open == 0 {
			return 0, nil
		}
		if err := t.flush(ctx); err != nil {
			return t.culprit(ids, len(ids)-1), err
		}
	}
}

// part is one tenant's share of a transaction, which can pause.
type part struct {
	next func() (struct{}, bool)
	stop func()
	err  *error
}

func (t *SharedTx) begin(id tenant.ID, fn func(*TenantTx) error) part {
	var err error
	next, stop := iter.Pull(func(yield func(struct{}) bool) {
		err = fn(&TenantTx{shared: t, Tenant: id, pause: func() bool { return yield(struct{}{}) }})
	})
	return part{next, stop, &err}
}

// goOn runs the part until it waits, and reports false when it has ended.
func (p part) goOn() bool {
	_, waits := p.next()
	return waits
}

// culprit is whose statement failed, which may be another's than the part that sent it.
func (t *SharedTx) culprit(ids []tenant.ID, otherwise int) int {
	for i, id := range ids {
		if id == t.failed {
			return i
		}
	}
	return otherwise
}

// Failed is whose queued statement failed, at the commit's round trip too; the zero tenant when none did.
func (t *SharedTx) Failed() tenant.ID {
	if t == nil {
		return tenant.ID{}
	}
	return t.failed
}

// run runs fn and commits. The transaction begins with its first statement, in the same round trip.
func (t *SharedTx) run(ctx context.Context, fn func(*SharedTx) error) error {
	defer func() {
		if t.begun && t.conn.Conn().PgConn().TxStatus() != 'I' {
			_, _ = t.conn.Exec(context.WithoutCancel(ctx), "rollback")
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	return t.commit(ctx)
}

// commit sends what still waits and commits: in one round trip, unless a result could forbid it.
func (t *SharedTx) commit(ctx context.Context) error {
	judged := slices.ContainsFunc(t.waiting, func(q queued) bool { return q.query.Fn != nil })
	if judged || !t.begun {
		if err := t.flush(ctx); err != nil {
			return err
		}
	}
	if !t.begun {
		return nil // there was nothing to do
	}
	b := t.batch()
	b.Queue("commit").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() == "ROLLBACK" {
			return pgx.ErrTxCommitRollback
		}
		return nil
	})
	if err := t.conn.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("postgres: commit: %w", err)
	}
	return nil
}

// flush sends what waits in one round trip.
func (t *SharedTx) flush(ctx context.Context) error {
	if len(t.waiting) == 0 {
		return nil
	}
	return t.send(ctx, t.batch())
}

// batch takes what waits, each statement with its tenant set, and has the first failure noted.
func (t *SharedTx) batch() *pgx.Batch {
	b, waiting := &pgx.Batch{}, t.waiting
	t.waiting = nil
	for _, q := range waiting {
		t.setTenant(b, q.tenant)
		handle := q.query.Fn
		b.Queue(q.query.SQL, q.query.Arguments...).Fn = func(r pgx.BatchResults) (err error) {
			if handle != nil {
				err = handle(r)
			} else if _, err = r.Exec(); err != nil {
				err = fmt.Errorf("postgres: %s: %w", beginningOf(q.query.SQL), err)
			}
			if err != nil {
				t.failed = q.tenant
			}
			return err
		}
	}
	return b
}

// beginningOf is enough of a statement to tell an operator which one it was: its verb and table, or its first comment.
func beginningOf(sql string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(sql), "\n")
	return line[:min(len(line), 60)]
}

// send sends statements, and before the first of them the transaction's beginning. After a restart of PostgreSQL all
// idle connections of the pool are dead: the first that fails to begin clears them out, and a new one is tried
// before anybody is told.
func (t *SharedTx) send(ctx context.Context, b *pgx.Batch) error {
	if t.begun {
		return t.conn.SendBatch(ctx, b).Close()
	}
	begin := func() error {
		first := &pgx.Batch{}
		first.Queue("begin").Exec(func(pgconn.CommandTag) error { t.begun = true; return nil })
		for _, q := range b.QueuedQueries {
			first.Queue(q.SQL, q.Arguments...).Fn = q.Fn
		}
		err := t.conn.SendBatch(ctx, first).Close()
		if err != nil && !t.begun {
			err = fmt.Errorf("postgres: begin: %w", err)
		}
		return err
	}
	err := begin()
	if t.begun || t.pool == nil || !disconnected(err) || ctx.Err() != nil {
		return err
	}
	t.pool.Reset()
	t.conn.Release() // first: all of the pool may be in the hands of those who wait for one that works
	fresh, acquireErr := t.pool.Acquire(ctx)
	if acquireErr != nil {
		return err
	}
	t.conn = fresh
	return begin()
}

// setTenant adds to b what makes the next statement the tenant's, and the settings that wait.
func (t *SharedTx) setTenant(b *pgx.Batch, id tenant.ID) {
	switch {
	case len(t.unsent) > 0:
		names, values := []string{"app.tenant_id"}, []string{id.String()}
		for i := 0; i < len(t.unsent); i += 2 {
			names, values = append(names, t.unsent[i]), append(values, t.unsent[i+1])
		}
		b.Queue(`SELECT set_config(s.name, s.value, true) FROM unnest($1::text[], $2::text[]) AS s (name, value)`, names, values)
		t.unsent = nil
	case t.current != id:
		b.Queue(`SELECT set_config('app.tenant_id', $1, true)`, id.String())
	}
	t.current = id
}

// ready makes the tenant the transaction's, after all that was queued before.
func (t *TenantTx) ready(ctx context.Context) error {
	b := t.shared.batch()
	t.shared.setTenant(b, t.Tenant)
	if b.Len() == 0 {
		return nil
	}
	return t.shared.send(ctx, b)
}

// notReady is the row of a query that could not be sent.
type notReady struct{ err error }

// Scan returns why.
func (r notReady) Scan(...any) error { return r.err }
