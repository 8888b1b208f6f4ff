package schedule

import (
	"flag"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
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
	queries := map[string]string{
		"claim": `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) SELECT c.connection_id, c.tenant_id, c.pipeline_type, t.plan, c.next_sync_at
			FROM connection c JOIN tenant t USING (tenant_id)
			WHERE c.next_sync_at <= memberintel_now() AND c.state NOT IN ('disconnected', 'paused')
			AND c.pipeline_type <> ALL ('{}'::text[]) AND c.tenant_id <> ALL ('{}'::uuid[])
			ORDER BY c.next_sync_at LIMIT 100 FOR UPDATE OF c SKIP LOCKED`,
		"unscheduled": `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) SELECT c.connection_id FROM connection c JOIN tenant t USING (tenant_id)
			WHERE c.next_sync_at IS NULL AND c.state <> 'disconnected' AND c.state <> 'paused' AND c.connected_at < memberintel_now() - interval '10 minutes'
			ORDER BY c.connected_at LIMIT 100 FOR UPDATE OF c SKIP LOCKED`,
		"dead": `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) SELECT r.run_id FROM sync_run r
			WHERE r.status = 'running' AND r.mode <> 'live' AND r.lease_expires_at < clock_timestamp() ORDER BY r.run_id LIMIT 1000 FOR UPDATE OF r SKIP LOCKED`,
		"late": `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) SELECT run_id FROM sync_run WHERE status = 'queued' AND mode <> 'live'
			AND not_before < memberintel_now() - least(interval '5 minutes' * gen, interval '1 hour') ORDER BY not_before LIMIT 1000 FOR UPDATE SKIP LOCKED`,
		"held pipeline": `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) SELECT c.connection_id FROM connection c JOIN tenant t USING (tenant_id)
			WHERE c.next_sync_at <= memberintel_now() AND c.state NOT IN ('disconnected', 'paused')
			AND c.pipeline_type <> ALL ('{stripe}'::text[]) AND c.tenant_id <> ALL ('{}'::uuid[])
			ORDER BY c.next_sync_at LIMIT 100 FOR UPDATE OF c SKIP LOCKED`,
		"count": `EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) SELECT c.pipeline_type, t.plan, count(*) FROM connection c JOIN tenant t USING (tenant_id)
			WHERE c.next_sync_at IS NOT NULL AND c.state NOT IN ('disconnected', 'paused') GROUP BY 1, 2`,
	}
	for name, query := range queries {
		var lines []string
		err := w.db.ServiceTx(t.Context(), func(tx *postgres.ServiceTx) error {
			if name != "count" { // as the claims do
				if _, err := tx.Exec(t.Context(), `SET LOCAL enable_seqscan = off`); err != nil {
					return err
				}
			}
			rows, err := tx.Query(t.Context(), query)
			if err != nil {
				return err
			}
			lines, err = pgx.CollectRows(rows, pgx.RowTo[string])
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		plan := strings.Join(lines, "\n")
		t.Logf("%s\n%s", name, plan)
		if name != "count" && (strings.Contains(plan, "Seq Scan") || !strings.Contains(plan, "Index")) {
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
