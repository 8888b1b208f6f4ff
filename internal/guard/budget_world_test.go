package guard_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/guard"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

// sunday is the last day of ISO week 47.
var sunday = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// purse is a database with tenants whose website syncs are running.
type purse struct {
	*world
	owner *pgxpool.Pool
	clock *pgtest.Clock
	run   int64
}

func newPurse(t *testing.T) *purse {
	t.Helper()
	w := newWorld(t)
	p := &purse{world: w, owner: pgtest.Owner(t, w.db), clock: pgtest.NewClock(t, w.db, sunday)}
	p.run = p.startRun(w.tenant)
	return p
}

// startRun makes an open sync run of the tenant's website, as if its worker were alive.
func (p *purse) startRun(id tenant.ID) (run int64) {
	p.t.Helper()
	err := p.owner.QueryRow(p.t.Context(), `
		WITH c AS (INSERT INTO connection (tenant_id, pipeline_type) VALUES ($1, 'website')
		           ON CONFLICT (tenant_id, pipeline_type) DO UPDATE SET state = 'connected' RETURNING connection_id),
		     ended AS (UPDATE sync_run SET status = 'failed' WHERE tenant_id = $1 AND status = 'running')
		SELECT connection_id::text FROM c`, id).Scan(new(string))
	if err != nil {
		p.t.Fatal(err)
	}
	err = p.owner.QueryRow(p.t.Context(), `
		INSERT INTO sync_run (tenant_id, connection_id, pipeline_type, mode, lease_expires_at)
		SELECT tenant_id, connection_id, 'website', 'incremental', clock_timestamp() + interval '1 hour'
		  FROM connection WHERE tenant_id = $1 AND pipeline_type = 'website' RETURNING run_id`, id).Scan(&run)
	if err != nil {
		p.t.Fatal(err)
	}
	return run
}

func (p *purse) newTenant(name string, plan tenant.Plan) (tenant.ID, int64) {
	p.t.Helper()
	created, err := identity.CreateTenant(p.t.Context(), p.db, name, plan)
	if err != nil {
		p.t.Fatal(err)
	}
	return created.ID, p.startRun(created.ID)
}

// ask is a call that is reserved for 6,000 micro-dollars.
func (p *purse) ask(change ...func(*guard.Ask)) guard.Ask {
	a := guard.Ask{RunID: p.run, Purpose: guard.Scheduled, Stage: guard.Describe, Model: "claude-haiku-5-5", InputTokens: 32_000, OutputTokens: 4_000}
	for _, c := range change {
		c(&a)
	}
	return a
}

// purpose is another purpose, and so another analysis of the tenant.
func purpose(of guard.Purpose) func(*guard.Ask) { return func(a *guard.Ask) { a.Purpose = of } }

func (p *purse) reserveAs(id tenant.ID, a guard.Ask) (r guard.Reservation, err error) {
	err = p.db.TenantTx(p.t.Context(), id, func(tx *postgres.TenantTx) error {
		r, err = guard.Reserve(p.t.Context(), tx, a)
		return err
	})
	return r, err
}

func (p *purse) reserve(change ...func(*guard.Ask)) (guard.Reservation, error) {
	return p.reserveAs(p.tenant, p.ask(change...))
}

func (p *purse) mayAsk(id tenant.ID, purpose guard.Purpose) error {
	return p.db.TenantTx(p.t.Context(), id, func(tx *postgres.TenantTx) error { return guard.MayAsk(p.t.Context(), tx, purpose) })
}

func (p *purse) mustReserve(change ...func(*guard.Ask)) guard.Reservation {
	p.t.Helper()
	r, err := p.reserve(change...)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

func (p *purse) settle(r guard.Reservation, a guard.Answered) (cost guard.Micro) {
	p.t.Helper()
	err := p.db.TenantTx(p.t.Context(), r.Tenant, func(tx *postgres.TenantTx) (err error) {
		cost, err = guard.Settle(p.t.Context(), tx, r, a)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return cost
}

func (p *purse) in(r guard.Reservation, fn func(*postgres.TenantTx) error) {
	p.t.Helper()
	if err := p.db.TenantTx(p.t.Context(), r.Tenant, fn); err != nil {
		p.t.Fatal(err)
	}
}

func (p *purse) release(r guard.Reservation) {
	p.t.Helper()
	p.in(r, func(tx *postgres.TenantTx) error { return guard.Release(p.t.Context(), tx, r) })
}

func (p *purse) unknown(r guard.Reservation) {
	p.t.Helper()
	p.in(r, func(tx *postgres.TenantTx) error { return guard.Unknown(p.t.Context(), tx, r) })
}

func (p *purse) reap() (n int) {
	p.t.Helper()
	err := p.db.ServiceTx(p.t.Context(), func(tx *postgres.ServiceTx) (err error) {
		n, err = guard.Reap(p.t.Context(), tx, 100)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// spent is what one period holds.
type spent struct{ Reserved, Settled, Overrun int64 }

// holds compares all three spend rows, which tell of the same calls as long as there is one tenant.
func (p *purse) holds(want spent) {
	p.t.Helper()
	rows, err := p.owner.Query(p.t.Context(), `
		SELECT 'total', sum(reserved)::bigint, sum(settled)::bigint, sum(overrun)::bigint FROM spend_total GROUP BY period
		UNION ALL SELECT 'tenant', sum(reserved)::bigint, sum(settled)::bigint, sum(overrun)::bigint FROM spend_tenant`)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var of string
		var got spent
		if err := rows.Scan(&of, &got.Reserved, &got.Settled, &got.Overrun); err != nil {
			p.t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			p.t.Errorf("%s (-want +got):\n%s", of, diff)
		}
		n++
	}
	if n != 3 {
		p.t.Errorf("%d periods", n)
	}
}

// refused returns why the call was not reserved.
func refused(t *testing.T, err error) *guard.Refusal {
	t.Helper()
	var r *guard.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("got %v, want a refusal", err)
	}
	return r
}
