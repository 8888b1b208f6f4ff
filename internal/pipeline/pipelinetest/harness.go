package pipelinetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

// Crasher ends processes at a write of their own: from one write on, PostgreSQL refuses every further one, so that
// what stands is what a killed process would have left.
type Crasher struct{ owner *pgxpool.Pool }

// NewCrasher puts triggers on all tables of the test's own database.
func NewCrasher(t *testing.T, db *postgres.DB) *Crasher {
	t.Helper()
	c := &Crasher{owner: pgtest.Owner(t, db)}
	if _, err := c.owner.Exec(t.Context(), install); err != nil {
		t.Fatalf("pipelinetest: %v", err)
	}
	return c
}

// At refuses the write that comes as the step-th from now on, and all after it; 0 lets every write through again.
func (c *Crasher) At(ctx context.Context, step int64) error { return c.arm(ctx, step, "") }

func (c *Crasher) arm(ctx context.Context, step int64, switchName string) error {
	for _, sql := range []string{
		fmt.Sprintf(`UPDATE pipelinetest_plan SET crash_at = %d`, step), `ALTER SEQUENCE pipelinetest_step RESTART`,
	} {
		if _, err := c.owner.Exec(ctx, sql); err != nil {
			return fmt.Errorf("pipelinetest: %w", err)
		}
	}
	if _, err := c.owner.Exec(ctx, `UPDATE pipelinetest_plan SET switch_name = $1`, switchName); err != nil {
		return fmt.Errorf("pipelinetest: %w", err)
	}
	return nil
}

// harness looks into a test's database as its owner, and plays crashes and switches there.
type harness struct {
	*Crasher
	own []Table
}

// canonical are the tables that pipelines fill.
func canonical() []string {
	return []string{
		"members", "plans", "subscriptions", "subscription_items", "subscription_item_history", "invoices", "transactions",
		"payment_allocations", "payment_intents", "orders", "content_rules", "sites",
	}
}

// Each write counts as a step. From the step crash_at on, writes are refused; switch_name is thrown at the first
// write of a checkpoint.
const install = `
CREATE SEQUENCE pipelinetest_step;
CREATE TABLE pipelinetest_plan (crash_at bigint, switch_name text);
INSERT INTO pipelinetest_plan VALUES (0, '');
CREATE FUNCTION pipelinetest_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE step bigint; plan pipelinetest_plan;
BEGIN
    IF session_user <> 'memberintel_app' THEN RETURN NULL; END IF; -- the test itself
    step := nextval('pipelinetest_step');
    SELECT * INTO plan FROM pipelinetest_plan;
    IF plan.crash_at > 0 AND step >= plan.crash_at THEN
        RAISE EXCEPTION 'the process died' USING ERRCODE = '57P01';
    END IF;
    IF plan.switch_name <> '' AND TG_TABLE_NAME = 'sync_checkpoint' THEN
        INSERT INTO switch (name, reason, thrown_by) VALUES (plan.switch_name, 'a test', 'a test') ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $$;
DO $$
DECLARE name text;
BEGIN
    FOR name IN SELECT table_name FROM information_schema.columns
                 WHERE table_schema = 'public' AND column_name = 'tenant_id' AND table_name IN (
                       SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE')
                   AND table_name NOT IN ('tenant', 'tenant_reader', 'audit_event', 'record_head')
    LOOP
        EXECUTE format('CREATE TRIGGER pipelinetest AFTER INSERT OR UPDATE OR DELETE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION pipelinetest_write()', name);
    END LOOP;
END $$`

func newHarness(t *testing.T, db *postgres.DB) *harness {
	t.Helper()
	return &harness{Crasher: NewCrasher(t, db)}
}

func (h *harness) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := h.owner.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("pipelinetest: %v", err)
	}
}

// arm counts from nothing again, and says at which write everything ends and which switch is thrown; 0 and "" mean
// none.
func (h *harness) arm(t *testing.T, crashAt int64, name string) {
	t.Helper()
	if err := h.Crasher.arm(t.Context(), crashAt, name); err != nil {
		t.Fatal(err)
	}
}

func (h *harness) clear(t *testing.T) {
	t.Helper()
	h.exec(t, `DELETE FROM switch WHERE thrown_by = 'a test'`)
}

// steps is how many writes there were since arm.
func (h *harness) steps(t *testing.T) int64 {
	t.Helper()
	return h.count(t, `SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM pipelinetest_step`)
}

// commits is how many parts of streams the tenant's runs have reached the end of.
func (h *harness) commits(t *testing.T, id tenant.ID) int64 {
	t.Helper()
	return h.count(t, `SELECT count(*) FROM sync_checkpoint WHERE tenant_id = $1`, id)
}

func (h *harness) tombstones(t *testing.T, id tenant.ID) (n int64) {
	t.Helper()
	for _, table := range []string{"members", "plans", "subscriptions", "invoices", "transactions", "payment_intents"} {
		n += h.count(t, `SELECT count(*) FROM `+table+` WHERE tenant_id = $1 AND deleted_at IS NOT NULL`, id)
	}
	return n
}

func (h *harness) count(t *testing.T, sql string, args ...any) (n int64) {
	t.Helper()
	if err := h.owner.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatalf("pipelinetest: %v", err)
	}
	return n
}

// rows are the tenant's rows without what may differ between two tenants with equal sources: whose they are and when
// they were read.
func (h *harness) rows(t *testing.T, id tenant.ID) (rows []string) {
	t.Helper()
	for _, table := range canonical() {
		rows = append(rows, h.list(t, table, `replace((to_jsonb(r) - '{id,tenant_id,source_account_id,observed_at,observed_until,
			first_seen_at,last_verified_at,synced_at,last_event_id,deleted_at,valid_from,valid_to,history_id}'::text[])::text,
			coalesce(nullif(r.source_account_id, ''), 'no account'), 'the account')`, id)...)
	}
	for _, table := range h.own {
		differ := "{" + strings.Join(append([]string{"tenant_id"}, table.Differ...), ",") + "}"
		rows = append(rows, h.list(t, table.Name, `(to_jsonb(r) - '`+differ+`'::text[])::text`, id)...)
	}
	return rows
}

// everything is all that the tenant has, to the last column.
func (h *harness) everything(t *testing.T, id tenant.ID) (rows []string) {
	t.Helper()
	tables := append(canonical(), "connection", "sync_run", "sync_cursor", "quarantine")
	for _, table := range h.own {
		tables = append(tables, table.Name)
	}
	for _, table := range tables {
		rows = append(rows, h.list(t, table, `to_jsonb(r)::text`, id)...)
	}
	return rows
}

func (h *harness) list(t *testing.T, table, shown string, id tenant.ID) []string {
	t.Helper()
	found, err := h.owner.Query(t.Context(), `SELECT `+shown+` AS shown FROM `+table+` r WHERE tenant_id = $1 ORDER BY 1`, id)
	if err != nil {
		t.Fatalf("pipelinetest: %s: %v", table, err)
	}
	rows, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("pipelinetest: %s: %v", table, err)
	}
	for i := range rows {
		rows[i] = strings.Join([]string{table, rows[i]}, " ")
	}
	return rows
}
