package website

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/connection"
	"memberintel/internal/guard"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/sim/claude"
	"memberintel/internal/sim/clock"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

var monday = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

// counter is a service that pays for Claude, and a Claude.
type counter struct {
	t       *testing.T
	db      *postgres.DB
	owner   *pgxpool.Pool
	ledger  *syncrun.Ledger
	sim     *api
	claude  *claudeClient
	carrier *carrier
	ours    *pgtest.Clock
	theirs  *clock.Clock
	sites   []connection.Connection
}

func newCounter(t *testing.T, sites int, change ...func(*claude.Config)) *counter {
	t.Helper()
	db := pgtest.New(t)
	vault, err := connection.OpenVault(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{t: t, db: db, owner: pgtest.Owner(t, db), ours: pgtest.NewClock(t, db, monday), theirs: clock.At(monday)}
	c.ledger = &syncrun.Ledger{DB: db, Warehouse: warehouse.New(), Connections: connection.NewStore(vault), Log: slog.New(slog.DiscardHandler)}
	cfg := claude.Config{Clock: c.theirs}
	for _, fn := range change {
		fn(&cfg)
	}
	c.sim = newAPI(t, cfg)
	c.claude = newClaude(c.sim.url, secretKey)
	c.carrier = &carrier{db: db, claude: c.claude, log: slog.New(slog.DiscardHandler)}
	for n := range sites {
		c.addSite(fmt.Sprint("Club ", n))
	}
	return c
}

// addSite adds a tenant with a website.
func (c *counter) addSite(name string) {
	c.t.Helper()
	created, err := identity.CreateTenant(c.t.Context(), c.db, name, tenant.Pro)
	if err != nil {
		c.t.Fatal(err)
	}
	c.in(created.ID, func(ctx context.Context, tx *postgres.TenantTx) error {
		site, _, err := c.ledger.Connections.Connect(ctx, tx, connection.Request{Pipeline: connection.Website, SourceAccountID: name + ".example"})
		c.sites = append(c.sites, site)
		return err
	})
}

func (c *counter) in(id tenant.ID, fn func(context.Context, *postgres.TenantTx) error) {
	c.t.Helper()
	if err := c.db.TenantTx(c.t.Context(), id, func(tx *postgres.TenantTx) error { return fn(c.t.Context(), tx) }); err != nil {
		c.t.Fatal(err)
	}
}

// begin starts a site's sync.
func (c *counter) begin(site int) *syncrun.Run {
	c.t.Helper()
	run, _, err := c.ledger.Begin(c.t.Context(), c.sites[site], syncrun.Incremental, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _, _ = run.Finish(context.WithoutCancel(c.t.Context()), syncrun.Outcome{}, nil) })
	return run
}

func asking(q question, change ...func(*guard.Ask)) guard.Ask {
	in, out := q.most()
	a := guard.Ask{Purpose: guard.Scheduled, Stage: guard.Describe, Model: q.Model, InputTokens: in, OutputTokens: out}
	for _, fn := range change {
		fn(&a)
	}
	return a
}

// put lets a sync of the site reserve and note its question for the next batch, and end.
func (c *counter) put(site int) guard.Reservation {
	c.t.Helper()
	run := c.begin(site)
	q := aQuestion()
	var r guard.Reservation
	err := run.Commit(c.t.Context(), syncrun.Work{Also: func(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) (err error) {
		if r, err = guard.Reserve(ctx, tx, asking(q, func(a *guard.Ask) { a.RunID, a.Batch = run.ID, true })); err != nil {
			return err
		}
		return c.carrier.put(ctx, tx, r, q)
	}})
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := run.Finish(c.t.Context(), syncrun.Outcome{}, nil); err != nil {
		c.t.Fatal(err)
	}
	return r
}

func (c *counter) putAll() {
	c.t.Helper()
	for n := range c.sites {
		c.put(n)
	}
}

// step does what there is to do, and says how many pieces of work that were.
func (c *counter) step() (n int) {
	c.t.Helper()
	for {
		worked, err := c.carrier.step(c.t.Context())
		if err != nil {
			c.t.Fatal(err)
		}
		if !worked {
			return n
		}
		if n++; n > 50 {
			c.t.Fatal("the carrier does not come to an end")
		}
	}
}

// pass lets time pass on both clocks.
func (c *counter) pass(d time.Duration) {
	c.ours.Advance(d)
	c.theirs.Advance(d)
}

// takeAll takes every answer, as the tenants' pipelines would, and ends their analyses.
func (c *counter) takeAll() (results []result) {
	c.t.Helper()
	waiting, err := answered(c.t.Context(), c.db, 100)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, of := range waiting {
		c.in(of.Tenant, func(ctx context.Context, tx *postgres.TenantTx) error {
			got, found, err := take(ctx, tx)
			if err != nil || !found {
				c.t.Errorf("%t, %v", found, err)
				return err
			}
			results = append(results, got.Result)
			if got.Result.Outcome != outcomeSucceeded {
				return nil
			}
			_, err = guard.Settle(ctx, tx, got.Reserved, got.Result.Answer.answered(true))
			return err
		})
	}
	return results
}

func (c *counter) text(sql string, args ...any) (value string) {
	c.t.Helper()
	if err := c.owner.QueryRow(c.t.Context(), sql, args...).Scan(&value); err != nil {
		c.t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// calls are the calls by what became of them.
func (c *counter) calls(want string) {
	c.t.Helper()
	got := c.text(`SELECT coalesce(string_agg(n || ' ' || status, ', ' ORDER BY status), '') FROM (SELECT status, count(*) AS n FROM llm_call GROUP BY status) s`)
	if diff := cmp.Diff(want, got); diff != "" {
		c.t.Errorf("calls (-want +got):\n%s", diff)
	}
}

// closed checks that the ledger closes: nothing is reserved any more, the rows of all periods tell of the calls' cost, and no
// less than what Claude charged for.
func (c *counter) closed() {
	c.t.Helper()
	costs := c.text(`SELECT coalesce(sum(cost), 0)::text FROM llm_call`)
	for _, sql := range []string{
		`SELECT string_agg(reserved || ' ' || (settled + overrun), '') FROM spend_total WHERE period = 'month'`,
		`SELECT sum(reserved) || ' ' || sum(settled + overrun) FROM spend_total WHERE period = 'day'`,
		`SELECT sum(reserved) || ' ' || sum(settled + overrun) FROM spend_tenant`,
	} {
		if got := c.text(sql); got != "0 "+costs {
			c.t.Errorf("%s: %s; the calls cost %s", sql, got, costs)
		}
	}
	var charged int64
	for _, b := range c.sim.Bills() {
		if strings.HasPrefix(b.CustomID, "theirs-") {
			continue
		}
		price := b.Input*100_000 + b.Output*500_000
		if b.Batch {
			price /= 2
		}
		charged += (price + 999_999) / 1_000_000
	}
	if got := c.text(`SELECT (coalesce(sum(cost), 0) >= $1)::text FROM llm_call`, charged); got != "true" {
		c.t.Errorf("Claude charged %d for %d answers, and the ledger knows of %s", charged, len(c.sim.Bills()), costs)
	}
}
