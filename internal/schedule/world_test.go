package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/connection"
	"memberintel/internal/guard"
	"memberintel/internal/identity"
	"memberintel/internal/job"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

// world is a database with a scheduler on it, and a job engine that keeps what it is given.
type world struct {
	t         *testing.T
	db        *postgres.DB
	owner     *pgxpool.Pool
	ledger    *syncrun.Ledger
	scheduler *Scheduler
	engine    *engine
	worker    *Worker
	// pull is what the pipeline does in a run; nil: nothing, and it succeeds.
	pull func(ctx context.Context, run *syncrun.Run) (syncrun.Outcome, error)
}

// engine is a job engine whose deliveries wait until a test takes them.
type engine struct {
	mu   sync.Mutex
	jobs []job.Job
}

func (e *engine) Enqueue(_ context.Context, _ pgx.Tx, jobs []job.Job) (func(context.Context) error, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.jobs = append(e.jobs, jobs...)
	return nil, nil
}

// take empties the engine.
func (e *engine) take() []job.Job {
	e.mu.Lock()
	defer e.mu.Unlock()
	jobs := e.jobs
	e.jobs = nil
	return jobs
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := pgtest.New(t)
	w := &world{t: t, db: db, owner: pgtest.Owner(t, db), engine: &engine{}}
	w.ledger = newLedger(t, db)
	w.scheduler = &Scheduler{DB: db, Ledger: w.ledger, Queue: w.engine, Log: w.ledger.Log}
	w.worker = &Worker{Scheduler: w.scheduler, Syncs: map[connection.Pipeline]Sync{}}
	for _, p := range []connection.Pipeline{connection.Stripe, connection.MemberPress, connection.Website} {
		w.worker.Syncs[p] = w.sync
	}
	return w
}

func newLedger(t *testing.T, db *postgres.DB) *syncrun.Ledger {
	t.Helper()
	vault, err := connection.OpenVault(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return &syncrun.Ledger{DB: db, Warehouse: warehouse.New(), Connections: connection.NewStore(vault), Log: slog.New(slog.DiscardHandler)}
}

// sync is the least that a pipeline does.
func (w *world) sync(ctx context.Context, c connection.Connection, ticket syncrun.Ticket) (syncrun.Report, error) {
	run, runCtx, err := w.ledger.BeginQueued(ctx, c, ticket)
	if err != nil {
		return syncrun.Report{}, err
	}
	var outcome syncrun.Outcome
	if w.pull != nil {
		outcome, err = w.pull(runCtx, run)
	}
	return run.Finish(runCtx, outcome, err)
}

// connect makes a tenant with a connection.
func (w *world) connect(p connection.Pipeline, plan tenant.Plan) connection.Connection {
	w.t.Helper()
	ctx := w.t.Context()
	var n int
	w.scan(&n, `SELECT count(*) FROM tenant`)
	created, err := identity.CreateTenant(ctx, w.db, fmt.Sprint("club ", n), plan)
	if err != nil {
		w.t.Fatal(err)
	}
	var c connection.Connection
	err = w.db.TenantTx(ctx, created.ID, func(tx *postgres.TenantTx) error {
		c, _, err = w.ledger.Connections.Connect(ctx, tx, connection.Request{Pipeline: p, SourceAccountID: fmt.Sprint("acct_", n)})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) scan(into any, sql string, args ...any) {
	w.t.Helper()
	if err := w.owner.QueryRow(w.t.Context(), sql, args...).Scan(into); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

func (w *world) text(sql string, args ...any) (s string) {
	w.t.Helper()
	w.scan(&s, sql, args...)
	return s
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.owner.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// settableClock lets the test set the time with set, many times and cheaply.
func (w *world) settableClock() (set func(time.Time)) {
	w.t.Helper()
	w.exec(`CREATE TABLE test_clock (at timestamptz)`)
	w.exec(`INSERT INTO test_clock VALUES (now())`)
	w.exec(`GRANT SELECT ON test_clock TO PUBLIC`)
	w.exec(`CREATE OR REPLACE FUNCTION memberintel_now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM test_clock'`)
	return func(at time.Time) { w.exec(`UPDATE test_clock SET at = $1`, at) }
}

func (w *world) tick() int {
	w.t.Helper()
	n, err := w.scheduler.Tick(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

func (w *world) sweep() Swept {
	w.t.Helper()
	swept, err := w.scheduler.Sweep(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return swept
}

func (w *world) request(c connection.Connection, cause syncrun.Cause, mode syncrun.Mode) int64 {
	w.t.Helper()
	id, err := w.scheduler.RequestNow(w.t.Context(), Order{ConnectionID: c.ID, Cause: cause, Mode: mode})
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// work hands all that the engine has to the worker, and returns how much that was.
func (w *world) work() int {
	w.t.Helper()
	jobs := w.engine.take()
	for _, j := range jobs {
		if err := w.worker.Handle(w.t.Context(), j); err != nil {
			w.t.Fatal(err)
		}
	}
	return len(jobs)
}

// runs lists all runs, oldest first.
func (w *world) runs() string {
	w.t.Helper()
	return w.text(`SELECT coalesce(string_agg(format('%s %s %s', mode, status, attempt), ', ' ORDER BY run_id), '') FROM sync_run`)
}

func (w *world) expectRuns(what, want string) {
	w.t.Helper()
	if got := w.runs(); got != want {
		w.t.Errorf("%s: %s, want %s", what, got, want)
	}
}

func (w *world) throw(name string, lasting time.Duration) {
	w.t.Helper()
	err := w.db.OperatorTx(w.t.Context(), func(tx *postgres.OperatorTx) error {
		return guard.On(w.t.Context(), tx, name, "being repaired", "olga", lasting)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) makeDue() {
	w.t.Helper()
	w.exec(`UPDATE connection SET next_sync_at = memberintel_now() - interval '1 minute'`)
}
