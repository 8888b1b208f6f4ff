package syncrun_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

type world struct {
	t      *testing.T
	db     *postgres.DB
	owner  *pgxpool.Pool
	ledger *syncrun.Ledger
	conn   connection.Connection
}

func newWorld(t *testing.T, plan tenant.Plan) *world {
	t.Helper()
	db := pgtest.New(t)
	vault, err := connection.OpenVault(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	created, err := identity.CreateTenant(t.Context(), db, "Lakeside Tennis", plan)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: db, owner: pgtest.Owner(t, db), ledger: &syncrun.Ledger{DB: db, Warehouse: warehouse.New(),
		Connections: connection.NewStore(vault), Log: slog.New(slog.DiscardHandler)}}
	w.conn.TenantID = created.ID
	w.do(func(ctx context.Context, tx *postgres.TenantTx) (err error) {
		w.conn, _, err = w.ledger.Connections.Connect(ctx, tx, connection.Request{Pipeline: connection.Stripe, SourceAccountID: "acct_1"})
		return err
	})
	return w
}

func (w *world) do(fn func(context.Context, *postgres.TenantTx) error) {
	w.t.Helper()
	ctx := w.t.Context()
	if err := w.db.TenantTx(ctx, w.conn.TenantID, func(tx *postgres.TenantTx) error { return fn(ctx, tx) }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) begin(mode syncrun.Mode) (*syncrun.Run, context.Context) {
	w.t.Helper()
	run, ctx, err := w.ledger.Begin(w.t.Context(), w.conn, mode, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	return run, ctx
}

// text reads one value as the owner.
func (w *world) text(sql string, args ...any) (value string) {
	w.t.Helper()
	if err := w.owner.QueryRow(w.t.Context(), sql, args...).Scan(&value); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// expire makes the run's worker look dead.
func (w *world) expire(run *syncrun.Run) {
	w.t.Helper()
	if _, err := w.owner.Exec(w.t.Context(), `UPDATE sync_run SET lease_expires_at = now() - interval '1 second' WHERE run_id = $1`, run.ID); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) throw(name string) {
	w.t.Helper()
	err := w.db.OperatorTx(w.t.Context(), func(tx *postgres.OperatorTx) error {
		return guard.On(w.t.Context(), tx, name, "being repaired", "olga", 0)
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// member is work that writes one member and says so in a checkpoint.
func member(id string, part int) syncrun.Work {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return syncrun.Work{
		Batch: &canonical.Batch{Source: canonical.Source{Platform: "stripe", AccountID: "acct_1"}, Members: []canonical.Member{{Head: canonical.Head{
			SourceID: id, Raw: []byte(`{}`), Observed: canonical.Observation{From: at, Until: at}}}}},
		Checkpoints: []syncrun.Checkpoint{{Stream: "customers", Part: part, Position: id, Records: 1}},
	}
}

func object(id string, s int) syncrun.Quarantined {
	at := time.Unix(int64(1_800_000_000+s), 0).UTC()
	return syncrun.Quarantined{Stream: "charges", SourceID: id, Reason: "unknown status", Raw: fmt.Appendf(nil, "raw at %d", s),
		Observed: canonical.Observation{From: at, Until: at}}
}

func TestHowARunEnds(t *testing.T) {
	asOf := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		outcome     syncrun.Outcome
		err         error
		quarantined bool
		status      syncrun.Status
		state       connection.State
	}{
		"well":                    {outcome: syncrun.Outcome{DataAsOf: asOf}, status: syncrun.Succeeded, state: connection.Connected},
		"not everything readable": {outcome: syncrun.Outcome{DataAsOf: asOf, NotPermitted: []string{"charges"}}, status: syncrun.Partial, state: connection.Degraded},
		"with a problem":          {outcome: syncrun.Outcome{DataAsOf: asOf, Problem: "Some payments could not be listed."}, status: syncrun.Partial, state: connection.Degraded},
		"with quarantine":         {outcome: syncrun.Outcome{DataAsOf: asOf}, quarantined: true, status: syncrun.Partial, state: connection.Degraded},
		"source away":             {err: fault.New(fault.Unavailable, "Stripe does not answer."), status: syncrun.Failed, state: connection.Degraded},
		"refused":                 {err: fault.New(fault.Unauthorized, "The key is refused."), status: syncrun.Failed, state: connection.Failed},
		"stopped":                 {err: fault.New(fault.Stopped, "A switch is on."), status: syncrun.Stopped},
		"interrupted":             {err: context.Canceled, status: syncrun.Stopped, state: connection.Pending},
		"a bug":                   {err: errors.New("boom"), status: syncrun.Failed, state: connection.Degraded},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tenant.Pro)
			run, ctx := w.begin(syncrun.Full)
			work := member("cus_1", 1)
			if c.quarantined {
				work.Quarantined = []syncrun.Quarantined{object("ch_1", 1)}
			}
			if err := run.Commit(ctx, work); err != nil {
				t.Fatal(err)
			}
			report, err := run.Finish(ctx, c.outcome, c.err)
			if err != nil || report.Status != c.status || report.RecordsProcessed != 1 || report.FinishedAt == nil || (report.ErrorMessage == nil) != (c.status == syncrun.Succeeded) {
				t.Errorf("%+v, %v", report, err)
			}
			if state := w.text(`SELECT state FROM connection`); c.state != "" && state != string(c.state) {
				t.Errorf("the connection is %s", state)
			}
			if ctx.Err() == nil {
				t.Error("the run's context outlives it")
			}
			if err := run.Commit(t.Context(), member("cus_2", 1)); !fault.Is(err, fault.Busy) {
				t.Errorf("a finished run commits: %v", err)
			}
			if next, ctx := w.begin(syncrun.Full); next.ID == run.ID || next.Resumed {
				t.Error("a finished run was resumed")
			} else if _, err := next.Finish(ctx, syncrun.Outcome{}, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOneWorkerAtATime(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	run, ctx := w.begin(syncrun.Full)
	for _, mode := range []syncrun.Mode{syncrun.Full, syncrun.Incremental, syncrun.Replay} {
		if _, _, err := w.ledger.Begin(t.Context(), w.conn, mode, 0); !fault.Is(err, fault.Busy) {
			t.Errorf("%s beside a full one: %v", mode, err)
		}
	}
	verify, verifyCtx, err := w.ledger.Begin(t.Context(), w.conn, syncrun.Verify, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := verify.Finish(verifyCtx, syncrun.Outcome{}, nil); err != nil {
		t.Error(err)
	}
	began := make(chan error, 1)
	go func() { // waits until the first one ends
		next, nextCtx, err := w.ledger.Begin(t.Context(), w.conn, syncrun.Incremental, time.Minute)
		if err == nil {
			_, err = next.Finish(nextCtx, syncrun.Outcome{}, nil)
		}
		began <- err
	}()
	if _, err := run.Finish(ctx, syncrun.Outcome{}, nil); err != nil {
		t.Error(err)
	}
	if err := <-began; err != nil {
		t.Error(err)
	}
}

func TestADeadWorkersRunIsResumed(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	dead, deadCtx := w.begin(syncrun.Full)
	for part := range 3 {
		if err := dead.Commit(deadCtx, member(fmt.Sprint("cus_", part), part)); err != nil {
			t.Fatal(err)
		}
	}
	w.expire(dead)
	heir, ctx := w.begin(syncrun.Full)
	if !heir.Resumed || heir.ID != dead.ID {
		t.Errorf("run %d, resumed %t, of %d", heir.ID, heir.Resumed, dead.ID)
	}
	saved, err := heir.Checkpoints(ctx)
	if err != nil || len(saved) != 3 || string(saved[2].Position) != `"cus_2"` {
		t.Errorf("checkpoints %+v, %v", saved, err)
	}
	if n, _ := heir.Progress(); n != 3 {
		t.Errorf("%d records known of", n)
	}
	// The one that was thought dead comes back.
	if err := dead.Commit(t.Context(), member("cus_late", 9)); !fault.Is(err, fault.Busy) {
		t.Errorf("a lost lease commits: %v", err)
	}
	if n := w.text(`SELECT count(*)::text FROM members WHERE source_id = 'cus_late'`); n != "0" {
		t.Error("what a lost lease committed is there")
	}
	if _, err := dead.Finish(deadCtx, syncrun.Outcome{}, nil); !fault.Is(err, fault.Busy) {
		t.Errorf("a lost lease finishes: %v", err)
	}
	if err := heir.Commit(ctx, member("cus_3", 3)); err != nil {
		t.Error(err)
	}
	report, err := heir.Finish(ctx, syncrun.Outcome{}, nil)
	if err != nil || report.RecordsProcessed != 4 || report.Status != syncrun.Succeeded {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestADeadRunOfAnotherModeIsClosed(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	dead, deadCtx := w.begin(syncrun.Full)
	w.expire(dead)
	next, ctx := w.begin(syncrun.Incremental)
	if next.Resumed || next.ID == dead.ID {
		t.Error("an incremental run resumed a full one")
	}
	if status := w.text(`SELECT status FROM sync_run WHERE run_id = $1`, dead.ID); status != "failed" {
		t.Errorf("the dead one is %s", status)
	}
	_, _ = dead.Finish(deadCtx, syncrun.Outcome{}, nil)
	if _, err := next.Finish(ctx, syncrun.Outcome{}, nil); err != nil {
		t.Error(err)
	}
}

func TestALostLeaseEndsTheRunsContext(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	run, ctx := w.begin(syncrun.Full)
	w.expire(run)
	heir, heirCtx := w.begin(syncrun.Full)
	select { // the heartbeat sees it
	case <-ctx.Done():
	case <-time.After(syncrun.LeaseTTL):
		t.Fatal("the worker was never told")
	}
	if _, err := run.Finish(ctx, syncrun.Outcome{}, ctx.Err()); !fault.Is(err, fault.Busy) {
		t.Errorf("it ended with %v", err)
	}
	if _, err := heir.Finish(heirCtx, syncrun.Outcome{}, nil); err != nil {
		t.Error(err)
	}
}

// The database is there, and does not answer.
func TestALeaseThatCannotBeRenewedInTimeEndsTheRunsContext(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	w.ledger.TTL = 600 * time.Millisecond
	run, ctx := w.begin(syncrun.Full)
	other, err := w.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Exec(t.Context(), `SELECT FROM sync_run WHERE run_id = $1 FOR UPDATE`, run.ID); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Second):
		t.Error("the run goes on without a lease")
	}
	if err := other.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	report, err := run.Finish(ctx, syncrun.Outcome{}, ctx.Err())
	if err != nil || report.Status != syncrun.Failed {
		t.Errorf("%+v, %v", report, err)
	}
	if got := w.text(`SELECT format('%s, %s failures', state, consecutive_failures) FROM connection`); got != "pending, 0 failures" {
		t.Errorf("the source is blamed: %s", got)
	}
}

func TestASwitchStopsARunAtItsNextCommit(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	run, ctx := w.begin(syncrun.Full)
	if err := run.Commit(ctx, member("cus_1", 1)); err != nil {
		t.Fatal(err)
	}
	w.throw("pipeline:stripe")
	err := run.Commit(ctx, member("cus_2", 1))
	if !fault.Is(err, fault.Stopped) {
		t.Fatalf("got %v", err)
	}
	report, finishErr := run.Finish(ctx, syncrun.Outcome{}, err)
	if finishErr != nil || report.Status != syncrun.Stopped || report.RecordsProcessed != 1 || report.ErrorMessage == nil {
		t.Errorf("%+v, %v", report, finishErr)
	}
	if n := w.text(`SELECT count(*)::text FROM members`); n != "1" {
		t.Errorf("%s members", n)
	}
	if position := w.text(`SELECT position #>> '{}' FROM sync_checkpoint`); position != "cus_1" {
		t.Errorf("the checkpoint says %s", position)
	}
}

func TestACommitIsAllOrNothing(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	run, ctx := w.begin(syncrun.Full)
	work := member("cus_1", 1)
	work.Quarantined = []syncrun.Quarantined{object("ch_1", 1)}
	work.Also = func(context.Context, *postgres.TenantTx, warehouse.Result) error { return errors.New("no") }
	if err := run.Commit(ctx, work); err == nil {
		t.Error("no error")
	}
	if n := w.text(`SELECT ((SELECT count(*) FROM members) + (SELECT count(*) FROM quarantine) + (SELECT count(*) FROM sync_checkpoint))::text`); n != "0" {
		t.Errorf("%s rows of a commit that failed", n)
	}
	if _, err := run.Finish(ctx, syncrun.Outcome{}, nil); err != nil {
		t.Error(err)
	}
}

func TestFreshness(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pgtest.SetNow(t, w.db, now)
	fresh := func() string {
		t.Helper()
		var all []syncrun.Freshness
		w.do(func(ctx context.Context, tx *postgres.TenantTx) (err error) {
			all, err = syncrun.FreshnessOf(ctx, tx)
			return err
		})
		if len(all) == 0 {
			return "never ran"
		}
		clock := func(at *time.Time) string {
			if at == nil {
				return "never"
			}
			return at.UTC().Format("02 15:04")
		}
		return fmt.Sprintf("as of %s, success %s, last %s, stale %t", clock(all[0].DataAsOf), clock(all[0].LastSuccessAt), *all[0].LastStatus, all[0].Stale)
	}
	expect := func(what, want string) {
		t.Helper()
		if diff := cmp.Diff(want, fresh()); diff != "" {
			t.Errorf("%s (-want +found)\n%s", what, diff)
		}
	}
	finish := func(mode syncrun.Mode, o syncrun.Outcome, err error) {
		t.Helper()
		run, ctx := w.begin(mode)
		if _, err := run.Finish(ctx, o, err); err != nil {
			t.Fatal(err)
		}
	}
	expect("before", "never ran")
	run, ctx := w.begin(syncrun.Full)
	expect("the first is running", "as of never, success never, last running, stale true")
	if _, err := run.Finish(ctx, syncrun.Outcome{DataAsOf: now.Add(-time.Minute)}, nil); err != nil {
		t.Fatal(err)
	}
	expect("after it", "as of 01 11:59, success 01 12:00, last succeeded, stale false")
	pgtest.SetNow(t, w.db, now.Add(47*time.Hour))
	expect("two days later", "as of 01 11:59, success 01 12:00, last succeeded, stale false")
	finish(syncrun.Incremental, syncrun.Outcome{}, fault.New(fault.Unavailable, "away"))
	expect("a failure does not make it fresh", "as of 01 11:59, success 01 12:00, last failed, stale false")
	pgtest.SetNow(t, w.db, now.Add(49*time.Hour))
	expect("past twice its cadence", "as of 01 11:59, success 01 12:00, last failed, stale true")
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
		w.ledger.CountLive(tx, w.conn, syncrun.Push{Events: 1, DataAsOf: now.Add(48 * time.Hour)})
		return nil
	})
	expect("an event came, but the pull is late", "as of 03 12:00, success 01 12:00, last failed, stale true")
	finish(syncrun.Incremental, syncrun.Outcome{DataAsOf: now.Add(49 * time.Hour), Problem: "half"}, nil)
	expect("in part", "as of 03 13:00, success 01 12:00, last partial, stale true")
	finish(syncrun.Verify, syncrun.Outcome{DataAsOf: now.Add(60 * time.Hour)}, nil)
	expect("a verification is no sync", "as of 03 13:00, success 01 12:00, last partial, stale true")
	finish(syncrun.Incremental, syncrun.Outcome{DataAsOf: now.Add(49 * time.Hour)}, nil)
	expect("well again, and nothing has happened since", "as of 03 13:00, success 03 13:00, last succeeded, stale false")
}

func TestALiveRunTakesNoSlot(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	run, ctx := w.begin(syncrun.Full)
	live := func(events int) error {
		return w.db.TenantTx(t.Context(), w.conn.TenantID, func(tx *postgres.TenantTx) error {
			work := member(fmt.Sprint("live_", events), 1)
			if _, err := w.ledger.CommitLive(t.Context(), tx, w.conn, work); err != nil {
				return err
			}
			w.ledger.CountLive(tx, w.conn, syncrun.PushOf(work, events, time.Now()))
			return nil
		})
	}
	for _, n := range []int{1, 2, 3} {
		if err := live(n); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.text(`SELECT string_agg(format('%s %s %s', status, events, records_processed), ',') FROM sync_run WHERE mode = 'live'`); got != "running 6 3" {
		t.Errorf("the live run is %s", got)
	}
	if _, err := run.Finish(ctx, syncrun.Outcome{}, nil); err != nil {
		t.Error(err)
	}
	w.throw(guard.Webhooks)
	if err := live(4); !fault.Is(err, fault.Stopped) {
		t.Errorf("a stopped push commits: %v", err)
	}
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error { return w.ledger.EndLive(ctx, tx, w.conn) })
	if got := w.text(`SELECT count(*)::text FROM sync_run WHERE status = 'running'`); got != "0" {
		t.Errorf("%s runs are open", got)
	}
}

func TestQuarantineIsKeptListedAndReleased(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	run, ctx := w.begin(syncrun.Full)
	for _, objects := range [][]syncrun.Quarantined{{object("ch_1", 10), object("ch_2", 10), object("", 10)}, {object("ch_1", 5)}, {object("ch_2", 20)}} {
		if err := run.Commit(ctx, syncrun.Work{Quarantined: objects}); err != nil {
			t.Fatal(err)
		}
	}
	list := func() (held []string) {
		w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
			var after int64
			for {
				page, err := syncrun.ListQuarantine(ctx, tx, connection.Stripe, after, 2)
				if err != nil || len(page) == 0 {
					return err
				}
				for _, h := range page {
					held, after = append(held, h.SourceID+" "+string(h.Raw)), h.ID
				}
			}
		})
		return held
	}
	if diff := cmp.Diff([]string{"ch_1 raw at 10", "ch_2 raw at 20", " raw at 10"}, list()); diff != "" {
		t.Errorf("(-want +found)\n%s", diff)
	}
	until := func(id string, s int) syncrun.Understood {
		return syncrun.Understood{Stream: "charges", SourceID: id, Settles: object(id, s).Observed.Until}
	}
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
		syncrun.ReleaseQuarantine(tx, w.conn.ID, []syncrun.Understood{until("ch_1", 10), until("ch_2", 15), {Stream: "refunds", SourceID: ""}},
			func(released int, stay []syncrun.Understood) {
				if released != 1 || len(stay) != 1 || stay[0].SourceID != "ch_2" {
					t.Errorf("released %d, what stays: %v", released, stay)
				}
			})
		return tx.Flush(ctx)
	})
	if diff := cmp.Diff([]string{"ch_2 raw at 20", " raw at 10"}, list()); diff != "" {
		t.Errorf("after the release (-want +found)\n%s", diff)
	}
	report, err := run.Finish(ctx, syncrun.Outcome{}, nil)
	if err != nil || report.Status != syncrun.Partial || report.Quarantined != 2 {
		t.Errorf("%+v, %v", report, err)
	}
}

// A commit that fails at its very end undoes what the report would tell.
func TestAnEndThatWasNotWrittenIsNotReported(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	run, ctx := w.begin(syncrun.Incremental)
	for _, sql := range []string{
		`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'disk full' USING ERRCODE = '53100'; END $$`,
		`CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON sync_run DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
			WHEN (new.status = 'succeeded') EXECUTE FUNCTION refuse()`,
	} {
		if _, err := w.owner.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	report, err := run.Finish(ctx, syncrun.Outcome{}, nil)
	if err == nil || report.RunID != 0 {
		t.Errorf("reported %+v, error %v", report, err)
	}
	if got := w.text(`SELECT status FROM sync_run`); got != "running" {
		t.Errorf("the run is %s", got)
	}
}

// A worker that comes back to life is not given up in the middle of its commit: nothing is written of a run that ended.
func TestARunIsNotGivenUpUnderACommit(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	run, ctx := w.begin(syncrun.Incremental)
	w.expire(run)
	dead := syncrun.Dead{RunID: run.ID, TenantID: w.conn.TenantID, ConnectionID: w.conn.ID, Pipeline: w.conn.Pipeline, Mode: run.Mode, Attempt: 10}
	work := member("cus_1", 1)
	work.Also = func(context.Context, *postgres.TenantTx, warehouse.Result) error {
		return w.ledger.GiveUp(t.Context(), dead)
	}
	if err := run.Commit(ctx, work); err != nil {
		t.Fatal(err)
	}
	if got := w.text(`SELECT status FROM sync_run`); got != "running" {
		t.Errorf("under the commit the run became %s", got)
	}
	w.expire(run)
	if err := w.ledger.GiveUp(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	if got := w.text(`SELECT (SELECT status FROM sync_run) || ' ' || state FROM connection`); got != "failed failed" {
		t.Errorf("afterwards the run and its connection are %s", got)
	}
	_, _ = run.Finish(ctx, syncrun.Outcome{}, nil)
}

// Somebody's command and a worker both find what a dead worker left: the one that comes second waits or is told so, and
// they never wait for each other.
func TestADeadRunIsTakenOverFromTwoSides(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	dead, _ := w.begin(syncrun.Full)
	w.expire(dead)
	var waiting []syncrun.Delivery
	err := w.db.ServiceTx(t.Context(), func(tx *postgres.ServiceTx) (err error) {
		waiting, err = syncrun.Queue(t.Context(), tx, []syncrun.Wanted{{TenantID: w.conn.TenantID, ConnectionID: w.conn.ID, Pipeline: w.conn.Pipeline, Attempt: 1, Cause: syncrun.Scheduled}})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// Both come to the dead run while its row is held: first the command, and behind it the worker.
	held, err := w.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := held.Exec(t.Context(), `SELECT FROM sync_run WHERE run_id = $1 FOR UPDATE`, dead.ID); err != nil {
		t.Fatal(err)
	}
	super := pgtest.Superuser(t, w.db)
	waits := func(n int) {
		t.Helper()
		for found := 0; found < n; {
			err := super.QueryRow(t.Context(), `SELECT count(DISTINCT pid) FROM pg_locks
				WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())`).Scan(&found)
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	ended := make(chan error, 2)
	begin := func(begin func() (*syncrun.Run, context.Context, error)) {
		go func() {
			run, ctx, err := begin()
			if err == nil {
				_, err = run.Finish(ctx, syncrun.Outcome{}, nil)
			}
			ended <- err
		}()
	}
	begin(func() (*syncrun.Run, context.Context, error) {
		return w.ledger.Begin(t.Context(), w.conn, syncrun.Incremental, 0)
	})
	waits(1)
	begin(func() (*syncrun.Run, context.Context, error) {
		return w.ledger.BeginQueued(t.Context(), w.conn, syncrun.Ticket{RunID: waiting[0].RunID, Gen: waiting[0].Gen})
	})
	waits(2)
	if err := held.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-ended; err != nil && !fault.Is(err, fault.Busy) {
			t.Errorf("neither began nor was told that another is at it: %v", err)
		}
	}
}
