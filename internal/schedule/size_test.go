package schedule

import (
	"context"
	"flag"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
)

var sizeConnections = flag.Int("size.connections", 20_000, "connections in the test of a tick's cost")

// TestATickReadsNoMoreThanItTakes looks at the plans of what a tick and a sweep ask, with a fleet of connections of
// which one in a hundred is due. With -v it shows them with their times.
func TestATickReadsNoMoreThanItTakes(t *testing.T) {
	w := newWorld(t)
	w.exec(`INSERT INTO tenant (tenant_id, name, plan) SELECT gen_random_uuid(), 'club ' || i, CASE WHEN i % 11 = 0 THEN 'pro' ELSE 'free' END
		FROM generate_series(1, $1::int) i`, *sizeConnections)
	w.exec(`INSERT INTO connection (tenant_id, pipeline_type, state, next_sync_at)
		SELECT tenant_id, 'stripe', 'connected', now() - interval '1 hour' + random() * interval '100 hours' FROM tenant`)
	w.exec(`INSERT INTO sync_run (tenant_id, connection_id, pipeline_type, mode, status, finished_at)
		SELECT tenant_id, connection_id, pipeline_type, 'incremental', 'succeeded', now() FROM connection`)
	for _, table := range []string{"tenant", "connection", "sync_run"} {
		w.exec(`VACUUM (ANALYZE) ` + table)
	}
	store := w.ledger.Connections
	for name, ask := range map[string]func(context.Context, *postgres.ServiceTx) error{
		"claim": func(ctx context.Context, tx *postgres.ServiceTx) error {
			_, err := store.ClaimDue(ctx, tx, 100, connection.Held{})
			return err
		},
		"claim while a pipeline is held": func(ctx context.Context, tx *postgres.ServiceTx) error {
			_, err := store.ClaimDue(ctx, tx, 100, connection.Held{Pipelines: []string{"stripe"}})
			return err
		},
		"unscheduled": func(ctx context.Context, tx *postgres.ServiceTx) error {
			_, err := store.ClaimUnscheduled(ctx, tx, 100, forgotten, connection.Held{})
			return err
		},
		"dead": func(ctx context.Context, tx *postgres.ServiceTx) error {
			_, err := syncrun.FindDead(ctx, tx, atOnce)
			return err
		},
		"late": func(ctx context.Context, tx *postgres.ServiceTx) error {
			_, err := syncrun.Redeliver(ctx, tx, atOnce, DefaultLost)
			return err
		},
		"backlog": func(ctx context.Context, tx *postgres.ServiceTx) error {
			_, err := w.ledger.Backlog(ctx, tx, DefaultLost)
			return err
		},
		"due": func(ctx context.Context, tx *postgres.ServiceTx) error {
			_, _, err := store.CountDue(ctx, tx)
			return err
		},
		"count": func(ctx context.Context, tx *postgres.ServiceTx) error {
			_, err := store.CountByCadence(ctx, tx)
			return err
		},
	} {
		plan := w.explain(ask)
		t.Logf("%s\n%s", name, plan)
		whole := strings.Contains(strings.ReplaceAll(plan, "Seq Scan on run_slot", ""), "Seq Scan") // which has a row for each place
		if name != "count" && (whole || buffers(plan) > 1000+*sizeConnections/5) {
			t.Errorf("%s reads a whole table:\n%s", name, plan)
		}
	}
	if n := w.tick(); n == 0 {
		t.Error("nothing is asked for")
	}
	var whole []string
	for range 5 { // with the statistics warm, as a server has them
		w.exec(`UPDATE schedule_pace SET allowance = 100, as_of = now()`)
		began := w.text(`SELECT extract(epoch FROM clock_timestamp())::text`)
		n := w.tick()
		whole = append(whole, w.text(`SELECT format('%s ms for %s', round(1000 * (extract(epoch FROM clock_timestamp()) - $1::numeric)), $2::int)`, began, n))
	}
	t.Log("whole ticks, with the client: " + strings.Join(whole, ", "))
}

// explain returns the plans of what is asked, with what they took.
func (w *world) explain(ask func(context.Context, *postgres.ServiceTx) error) string {
	w.t.Helper()
	e := &explaining{}
	err := w.db.ServiceTx(w.t.Context(), func(tx *postgres.ServiceTx) error {
		e.Tx = tx.Tx
		return ask(w.t.Context(), &postgres.ServiceTx{Tx: e})
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(e.plans, "\n")
}

// buffers is how many pages a plan has looked at, each as often as it did: a table that is read whole by an index has one
// for each row.
func buffers(plan string) (n int) {
	for _, pages := range regexp.MustCompile(`Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?`).FindStringSubmatch(plan) {
		more, _ := strconv.Atoi(pages) // none where it is no number
		n += more
	}
	return n
}

// explaining is a transaction that notes the plan of each query before it runs it.
type explaining struct {
	pgx.Tx
	plans []string
}

func (e *explaining) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if err := e.explain(ctx, sql, args...); err != nil {
		return failed{err}
	}
	return e.Tx.QueryRow(ctx, sql, args...)
}

func (e *explaining) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := e.explain(ctx, sql, args...); err != nil {
		return nil, err
	}
	return e.Tx.Query(ctx, sql, args...)
}

func (e *explaining) explain(ctx context.Context, sql string, args ...any) error {
	rows, err := e.Tx.Query(ctx, `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) `+sql, args...)
	if err != nil {
		return err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	e.plans = append(e.plans, lines...)
	return err
}

// failed is the row of a query that failed.
type failed struct{ error }

func (f failed) Scan(...any) error { return f.error }
