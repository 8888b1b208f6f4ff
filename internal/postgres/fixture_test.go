package postgres_test

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

// secret stands in every row of the other tenant, in as many columns as take text. Whoever reads it has
// broken through.
const secret = "SecretB"

// world is a database with a row of two tenants in every table that has a tenant_id.
type world struct {
	t        testing.TB
	db       *postgres.DB
	owner    *pgxpool.Pool
	ours     tenant.ID
	theirs   tenant.ID
	reader   string // the login of our reader
	tables   []string
	views    []string
	baseline map[tenant.ID]string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	db := pgtest.New(t)
	w := &world{t: t, db: db, owner: pgtest.Owner(t, db), baseline: map[tenant.ID]string{}}
	vault, err := connection.OpenVault(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []struct {
		id           *tenant.ID
		name, marker string
	}{{&w.ours, "Lakeside", "Ours"}, {&w.theirs, secret + " club", secret}} {
		created, err := identity.CreateTenant(t.Context(), db, one.name, tenant.Pro)
		if err != nil {
			t.Fatal(err)
		}
		*one.id = created.ID
		if _, err := identity.EnsureReader(t.Context(), db, vault, created.ID); err != nil {
			t.Fatal(err)
		}
		w.fill(created.ID, one.marker)
	}
	w.reader = "memberintel_reader_" + strings.ReplaceAll(w.ours.String(), "-", "")
	relations := func(kind string) []string {
		return texts(t, w.owner, `SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = $1 AND `+ours+`
			AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') ORDER BY 1`, kind)
	}
	w.tables, w.views = relations("r"), relations("v")
	for _, id := range []tenant.ID{w.ours, w.theirs} {
		for _, table := range w.tables {
			if n := w.count(table, id); n != 1 {
				t.Fatalf("the fixture needs one row of each tenant in %s and has %d: add the table to fill", table, n)
			}
		}
		w.baseline[id] = w.digest(id)
	}
	return w
}

func (w *world) count(table string, id tenant.ID) (n int) {
	w.t.Helper()
	if err := w.owner.QueryRow(w.t.Context(), `SELECT count(*) FROM `+table+` WHERE tenant_id = $1`, id).Scan(&n); err != nil {
		w.t.Fatal(err)
	}
	return n
}

// digest is of all rows of a tenant.
func (w *world) digest(id tenant.ID) string {
	w.t.Helper()
	var all strings.Builder
	for _, table := range w.tables {
		all.WriteString(table + "\n")
		all.WriteString(strings.Join(texts(w.t, w.owner, `SELECT t::text FROM `+table+` t WHERE tenant_id = $1 ORDER BY 1`, id), "\n"))
	}
	return all.String()
}

// unharmed fails the test when a row of the tenant is no longer what it was.
func (w *world) unharmed(id tenant.ID) {
	w.t.Helper()
	if got := w.digest(id); got != w.baseline[id] {
		w.t.Errorf("rows of the tenant changed:\n%s\nwas:\n%s", got, w.baseline[id])
	}
}

// canonicalTables are the tables with a record's head, and a column of each that can bear the marker.
var canonicalTables = map[string]string{
	"members": "name", "plans": "name", "subscriptions": "member_source_id", "subscription_items": "subscription_source_id",
	"invoices": "number", "transactions": "description", "payment_allocations": "invoice_source_id",
	"payment_intents": "description", "orders": "member_source_id", "content_rules": "title", "sites": "name",
}

// fill puts one row of the tenant into every table. Both tenants have records of the same source ids, as
// two accounts can.
func (w *world) fill(id tenant.ID, marker string) {
	w.t.Helper()
	ctx := w.t.Context()
	exec := func(sql string, args ...any) {
		w.t.Helper()
		if _, err := w.owner.Exec(ctx, sql, args...); err != nil {
			w.t.Fatalf("%s: %v", sql, err)
		}
	}
	for _, table := range slices.Sorted(maps.Keys(canonicalTables)) {
		kind, kindValue := "", ""
		if table == "transactions" {
			kind, kindValue = ", kind, amount_minor, status", ", 'payment', 500, 'succeeded'"
		}
		exec(`INSERT INTO `+table+` (tenant_id, source_platform, source_account_id, livemode, source_id, observed_at, observed_until, raw, `+
			canonicalTables[table]+kind+`) VALUES ($1, 'stripe', 'acct', true, 'id_1', now(), now(), jsonb_build_object('x', $2::text), $2`+kindValue+`)`, id, marker)
	}
	exec(`UPDATE members SET email = lower($2) || '@example.com', metadata = jsonb_build_object('k', $2::text), membership_status = $2 WHERE tenant_id = $1`, id, marker)
	exec(`INSERT INTO subscription_item_history (tenant_id, source_platform, source_account_id, livemode, item_source_id, subscription_source_id, valid_from, cause)
		VALUES ($1, 'stripe', 'acct', true, 'id_1', $2, now(), 'first_seen')`, id, marker)
	exec(`INSERT INTO customer_brain.site_profile (tenant_id, version, niche) VALUES ($1, 1, $2)`, id, marker)
	exec(`INSERT INTO connection (tenant_id, pipeline_type, source_account_id, last_error) VALUES ($1, 'stripe', $2, $2)`, id, marker)
	const c = `(SELECT connection_id FROM connection WHERE tenant_id = $1)`
	exec(`INSERT INTO connection_secret (tenant_id, connection_id, name, sealed) VALUES ($1, `+c+`, 'key', $2::text::bytea)`, id, marker)
	exec(`INSERT INTO connection_care (tenant_id, connection_id, page_size) VALUES ($1, `+c+`, 500)`, id)
	exec(`INSERT INTO member_clock (tenant_id, due_at) VALUES ($1, now())`, id)
	exec(`INSERT INTO member_foreign_id VALUES ($1, 'memberpress', 'site', true, '1', 'cus_1')`, id)
	exec(`WITH l AS (INSERT INTO user_login (email, password_hash) VALUES (lower($2) || '@login.example', $2) RETURNING user_id, email)
		INSERT INTO tenant_user (tenant_id, user_id, email, role) SELECT $1::uuid, user_id, email, 'owner' FROM l`, id, marker)
	exec(`INSERT INTO connect_code (tenant_id, code_hash, user_id, site_url, site_id, callback, challenge, expires_at)
		SELECT tenant_id, sha256($2::text::bytea), user_id, $2, gen_random_uuid(), $2, $2, now() FROM tenant_user WHERE tenant_id = $1`, id, marker)
	exec(`INSERT INTO connected_home (tenant_id, connection_id, home_url, home_hash) VALUES ($1, `+c+`, $2, sha256($2::text::bytea))`, id, marker)
	exec(`INSERT INTO audit_event (tenant_id, actor, action, subject) VALUES ($1, $2, 'connect', $2)`, id, marker)
	exec(`INSERT INTO sync_run (tenant_id, connection_id, pipeline_type, mode, error_message) VALUES ($1, `+c+`, 'stripe', 'full', $2)`, id, marker)
	exec(`INSERT INTO sync_checkpoint (tenant_id, run_id, stream, part, position) VALUES ($1, (SELECT run_id FROM sync_run WHERE tenant_id = $1), $2, 1, '{}')`, id, marker)
	exec(`INSERT INTO sync_cursor (tenant_id, connection_id, name, position) VALUES ($1, `+c+`, $2, '{}')`, id, marker)
	exec(`INSERT INTO quarantine (tenant_id, connection_id, pipeline_type, stream, source_id, reason, raw, observed_at, observed_until)
		VALUES ($1, `+c+`, 'stripe', 'charges', 'id_1', $2, $2::text::bytea, now(), now())`, id, marker)
	exec(`INSERT INTO stripe_events_processed (tenant_id, livemode, event_id, type, event_created, outcome) VALUES ($1, true, 'evt_1', $2, now(), 'applied')`, id, marker)
	exec(`INSERT INTO stripe_refetch (tenant_id, connection_id, stream, source_id, reason, after, due_at) VALUES ($1, `+c+`, 'charges', 'id_1', $2, now(), now())`, id, marker)
	exec(`INSERT INTO alert_incident (tenant_id, connection_id, pipeline_type, reason, sentence, since, mail_after) VALUES ($1, `+c+`, 'stripe', 'failing', $2, now(), now())`, id, marker)
	exec(`INSERT INTO alert_outbox (tenant_id, incident_id, about, recipient, subject, text)
		VALUES ($1, (SELECT incident_id FROM alert_incident WHERE tenant_id = $1), 'outage', $2, $2, $2)`, id, marker)
	w.fillWebsite(exec, id, marker)
}

// fillWebsite gives a tenant one row in each of the tables about its website.
func (w *world) fillWebsite(exec func(sql string, args ...any), id tenant.ID, marker string) {
	const of = `SELECT tenant_id, connection_id, run_id FROM sync_run WHERE tenant_id = $1`
	exec(`INSERT INTO spend_tenant (tenant_id, starts_on, cap) VALUES ($1, '2026-11-01', 1)`, id)
	exec(`INSERT INTO analysis (tenant_id, purpose, period, nth, run_id) SELECT tenant_id, 'first', $2::text, 1, run_id FROM (`+of+`) r`, id, marker)
	exec(`INSERT INTO llm_call (tenant_id, analysis_id, stage, attempt, run_id, model, price_id, batch, day, month, reserved, expires_at, request_id)
		SELECT a.tenant_id, analysis_id, 'describe', 1, run_id, model, price_id, true, '2026-11-22', '2026-11-01', 1, now(), $2
		  FROM analysis a, llm_price WHERE tenant_id = $1 LIMIT 1`, id, marker)
	exec(`INSERT INTO llm_question (tenant_id, call_id, custom_id, params) SELECT tenant_id, call_id, $2, '{}' FROM llm_call WHERE tenant_id = $1`, id, marker)
	exec(`INSERT INTO fetch_snapshot (tenant_id, connection_id, run_id, fetched_at, state, detail) SELECT tenant_id, connection_id, run_id, now(), 'up', $2 FROM (`+of+`) r`, id, marker)
	exec(`INSERT INTO page_snapshot (tenant_id, snapshot_id, position, url, status, bytes) SELECT tenant_id, snapshot_id, 0, $2, 200, 1 FROM fetch_snapshot WHERE tenant_id = $1`, id, marker)
	exec(`INSERT INTO site_text (tenant_id, text_hash, content, bytes) VALUES ($1, sha256($2::text::bytea), $2::text::bytea, 1)`, id, marker)
	exec(`INSERT INTO site_status (tenant_id, connection_id, state, detail) SELECT tenant_id, connection_id, 'up', $2 FROM (`+of+`) r`, id, marker)
}

// writable lists the columns of a table that an INSERT may name.
func (w *world) writable(table string) string {
	w.t.Helper()
	return strings.Join(texts(w.t, w.owner, `SELECT quote_ident(attname) FROM pg_attribute WHERE attrelid = $1::text::regclass
		AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity <> 'a' ORDER BY attnum`, table), ", ")
}

// as runs fn in a transaction of the tenant.
func (w *world) as(id tenant.ID, fn func(context.Context, *postgres.TenantTx) error) error {
	ctx := w.t.Context()
	return w.db.TenantTx(ctx, id, func(tx *postgres.TenantTx) error { return fn(ctx, tx) })
}
