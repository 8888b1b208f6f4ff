package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/postgres/pgtest"
)

// These lists are the review: whoever adds a table, policy, view or function has to come by here.
var (
	// withoutTenant are tables of the whole installation; no reader sees them.
	withoutTenant = []string{
		"alert_quiet", "attempt_rate", "budget_alarm", "budget_cap", "llm_batch", "llm_price", "run_slot", "schedule_pace", "site_pace",
		"spend_total", "switch", "user_login", "user_session", "webhook_quarantine",
	}
	// definers are the functions that run with their owner's rights.
	definers = []string{
		"budget_reap(integer) memberintel_budget", "budget_release(bigint,uuid) memberintel_budget",
		"budget_reserve(bigint,text,text,text,boolean,bigint,bigint,bigint,bigint,bigint) memberintel_budget",
		"budget_settle(bigint,uuid,bigint,bigint,bigint,bigint,boolean,text,text) memberintel_budget", "budget_unknown(bigint,uuid) memberintel_budget",
		"search_members(text,text,text,jsonb,text,bigint,integer) memberintel_search",
	}
	// readable is what a tenant's reader may select from.
	readable = []string{
		"billed_subscriptions", "content_rules", "customer_brain.site_profile", "economic_event", "economic_event_candidates", "invoices", "members",
		"orders", "payment_allocations", "payment_intents", "payments", "person_candidates", "plans", "site_status", "sites", "subscription_item_history",
		"subscription_items", "subscriptions", "sync_run", "tenant_data_freshness", "tenant_reader", "transactions",
	}
	// The cross-tenant roles: what they see, and of connection the service only these columns.
	operated = []string{
		"alert_incident", "alert_outbox", "analysis", "audit_event", "budget_alarm", "budget_cap", "connection", "connection_care", "llm_batch",
		"llm_call", "llm_price", "run_slot", "schedule_pace", "spend_tenant", "spend_total", "switch", "sync_run", "tenant", "tenant_data_freshness",
	}
	served = []string{
		"alert_incident", "alert_outbox", "alert_quiet", "attempt_rate", "budget_alarm", "budget_cap", "connect_code", "connection",
		"connection_care", "fetch_snapshot", "llm_batch", "llm_call", "llm_price", "llm_question", "member_clock", "run_slot", "schedule_pace",
		"site_status", "site_text", "spend_total", "switch", "sync_run", "tenant", "tenant_user", "user_login", "user_session", "webhook_quarantine",
	}
	// What the functions of the budget read and write; of tenant and sync_run some columns.
	budgeted = []string{
		"analysis", "budget_cap", "llm_call", "llm_price", "spend_tenant", "spend_total", "switch", "sync_run", "tenant",
	}
	routing = []string{
		"account_confirmed", "awaited_since", "connected_at", "connection_id", "consecutive_failures", "disconnected_at", "generation",
		"last_error_kind", "livemode", "next_sync_at", "pipeline_type", "refetch_due_at", "source_account_id", "state", "tenant_id",
	}
	breaker = []string{"breaker", "connection_id", "opened_at", "retry_at", "tenant_id"} // and these of connection_care
	// openPolicies show all tenants' rows: (policy, role) -> tables.
	openPolicies = map[string][]string{
		"service memberintel_service": {
			"alert_incident", "alert_outbox", "connect_code", "connection", "connection_care", "fetch_snapshot", "llm_call", "llm_question",
			"member_clock", "site_status", "site_text", "sync_run", "tenant", "tenant_user",
		},
		"operator memberintel_operator": {
			"alert_incident", "alert_outbox", "analysis", "audit_event", "connection", "connection_care", "llm_call", "spend_tenant", "sync_run", "tenant",
		},
		"budget memberintel_budget": {"analysis", "llm_call", "spend_tenant", "sync_run", "tenant"},
		"search memberintel_search": {"members"},
	}
)

func TestEveryTableIsUnderRowLevelSecurity(t *testing.T) {
	super := pgtest.Superuser(t, pgtest.New(t))
	open := texts(t, super, `SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'p', 'f', 'm') AND `+ours+`
		AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id') ORDER BY 1`)
	if diff := cmp.Diff(withoutTenant, open); diff != "" {
		t.Errorf("tables without a tenant_id (-reviewed +found):\n%s", diff)
	}
	unforced := texts(t, super, `SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'p', 'f', 'm') AND `+ours+`
		AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
		AND NOT (c.relrowsecurity AND c.relforcerowsecurity)`)
	nullable := texts(t, super, `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
		WHERE c.relkind = 'r' AND a.attname = 'tenant_id' AND NOT a.attnotnull AND `+ours)
	if len(unforced)+len(nullable) > 0 {
		t.Errorf("row-level security is not enabled and forced on %q; tenant_id may be null in %q", unforced, nullable)
	}
	foreign := texts(t, super, `SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p', 'S') AND
		c.relnamespace NOT IN (SELECT oid FROM pg_namespace WHERE nspname ~ '^pg_|^information_schema$') AND c.relnamespace NOT IN
		('public'::regnamespace, 'customer_brain'::regnamespace)`)
	if len(foreign) > 0 {
		t.Errorf("relations in schemas that nobody reviewed: %q", foreign)
	}
}

func TestEveryPolicyIsReviewed(t *testing.T) {
	super := pgtest.Superuser(t, pgtest.New(t))
	const own = "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)"
	const mapped = "(tenant_id = ( SELECT r.tenant_id FROM tenant_reader r WHERE (r.role_name = SESSION_USER)))"
	rows, err := super.Query(t.Context(), `SELECT policyname, array_to_string(roles, ','), cmd, permissive,
		regexp_replace(qual, '\s+', ' ', 'g'), coalesce(regexp_replace(with_check, '\s+', ' ', 'g'), ''),
		format('%I.%I', schemaname, tablename)::regclass::text FROM pg_policies`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	open := map[string][]string{}
	tenants := 0
	for rows.Next() {
		var name, role, cmd, permissive, using, check, table string
		if err := rows.Scan(&name, &role, &cmd, &permissive, &using, &check, &table); err != nil {
			t.Fatal(err)
		}
		switch {
		case name == "owner" && role == "memberintel_owner" && using == "true":
		case name == "tenant" && role == "memberintel_app" && cmd == "ALL" && using == own && check == own: // never a wrapped sub-select
			tenants++
		case name == "reader" && role == "memberintel_reader" && cmd == "SELECT" && using == mapped && slices.Contains(readable, table):
		case name == "self" && table == "tenant_reader" && cmd == "SELECT" && using == "(role_name = SESSION_USER)" &&
			role == "memberintel_reader,memberintel_search":
		case using == "true":
			open[name+" "+role] = append(open[name+" "+role], table)
		default:
			t.Errorf("nobody reviewed the policy %s on %s for %s %s: %s / %s", name, table, cmd, role, using, check)
		}
	}
	for _, tables := range open {
		slices.Sort(tables)
	}
	if diff := cmp.Diff(openPolicies, open); diff != "" || rows.Err() != nil {
		t.Errorf("policies that show all tenants (-reviewed +found): %v\n%s", rows.Err(), diff)
	}
	if want := len(texts(t, super, `SELECT 'x' FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relkind = 'r' AND a.attname = 'tenant_id' AND `+ours)); tenants != want {
		t.Errorf("%d tables have the tenant's policy, of %d", tenants, want)
	}
}

func TestViewsAndFunctionsRunWithTheirCallersRights(t *testing.T) {
	super := pgtest.Superuser(t, pgtest.New(t))
	if loose := texts(t, super, `SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('v', 'm')
		AND c.relnamespace IN ('public'::regnamespace, 'customer_brain'::regnamespace)
		AND NOT coalesce(c.reloptions @> '{security_invoker=true}', false)`); len(loose) > 0 {
		t.Errorf("views with their owner's rights: %q", loose)
	}
	const all = `FROM pg_proc p WHERE p.pronamespace <> 'pg_catalog'::regnamespace`
	if diff := cmp.Diff(definers, texts(t, super, `SELECT p.oid::regprocedure || ' ' || p.proowner::regrole `+all+` AND p.prosecdef ORDER BY 1`)); diff != "" {
		t.Errorf("security definer functions (-reviewed +found):\n%s", diff)
	}
	if loose := texts(t, super, `SELECT p.oid::regprocedure::text `+all+` AND p.prosecdef AND
		(NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c ~ '^search_path=pg_catalog, ([a-z]+, )*pg_temp$')
		 OR p.proacl IS NULL OR EXISTS (SELECT FROM aclexplode(p.proacl) a WHERE a.grantee = 0)
		 OR has_schema_privilege(p.proowner, 'public', 'CREATE') OR p.proowner IN (SELECT oid FROM pg_roles WHERE rolsuper OR rolbypassrls OR rolcanlogin))`); len(loose) > 0 {
		t.Errorf("functions with no fixed search_path, that anybody may run, or of an owner who may more than it needs: %q", loose)
	}
	if leakproof := texts(t, super, `SELECT p.oid::regprocedure::text `+all+` AND p.proleakproof AND NOT (p.pronamespace = 'information_schema'::regnamespace)`); len(leakproof) > 0 {
		t.Errorf("functions marked leakproof: %q", leakproof)
	}
}

func TestRolesMayWhatTheReviewSays(t *testing.T) {
	w := newWorld(t)
	super := pgtest.Superuser(t, w.db)
	const roles = `rolname ~ '^memberintel_'`
	if mighty := texts(t, super, `SELECT rolname FROM pg_roles WHERE `+roles+` AND (rolsuper OR rolbypassrls OR rolreplication)`); len(mighty) > 0 {
		t.Errorf("superusers or above row-level security: %q", mighty)
	}
	if makers := texts(t, super, `SELECT rolname FROM pg_roles WHERE `+roles+` AND (rolcreaterole OR rolcreatedb) AND rolname <> 'memberintel_owner'`); len(makers) > 0 {
		t.Errorf("may make roles or databases: %q", makers)
	}
	if owners := texts(t, super, `SELECT DISTINCT o.role::regrole::text FROM (
		SELECT relowner AS role FROM pg_class UNION SELECT proowner FROM pg_proc WHERE oid <> 'search_members'::regproc
		 AND proname NOT IN ('budget_reserve', 'budget_settle', 'budget_release', 'budget_unknown', 'budget_reap')
		UNION SELECT nspowner FROM pg_namespace UNION SELECT typowner FROM pg_type UNION SELECT datdba FROM pg_database WHERE datname = current_database()) o
		WHERE o.role::regrole::text ~ '^memberintel_' AND o.role::regrole::text <> 'memberintel_owner'`); len(owners) > 0 {
		t.Errorf("own something: %q", owners)
	}
	// Whose rights somebody has without asking: nobody but a tenant's reader, which is one, and the operator's login, likewise.
	if inherits := texts(t, super, `SELECT m.rolname || ' has ' || r.rolname FROM pg_roles m, pg_roles r WHERE m.`+roles+` AND r.`+roles+`
		AND m.oid <> r.oid AND pg_has_role(m.oid, r.oid, 'USAGE') AND NOT (m.rolname ~ '^memberintel_reader_' AND r.rolname = 'memberintel_reader')
		AND NOT (m.rolname = 'memberintel_operator_login' AND r.rolname = 'memberintel_operator')
		AND NOT (m.rolname = 'memberintel_operator_login' AND r.rolname = 'memberintel_operator') AND m.rolname <> 'memberintel_owner'`); len(inherits) > 0 {
		t.Errorf("inherited rights: %q", inherits)
	}
	if diff := cmp.Diff([]string{"memberintel_operator", "memberintel_service"}, texts(t, super, `SELECT r.rolname FROM pg_roles r
		WHERE pg_has_role('memberintel_app', r.oid, 'MEMBER') AND r.rolname <> 'memberintel_app' ORDER BY 1`)); diff != "" {
		t.Errorf("what the program may SET ROLE to (-reviewed +found):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"memberintel_reader"}, texts(t, super, `SELECT r.rolname FROM pg_roles r
		WHERE pg_has_role($1, r.oid, 'MEMBER') AND r.rolname <> $1 ORDER BY 1`, w.reader)); diff != "" {
		t.Errorf("what a reader may SET ROLE to (-reviewed +found):\n%s", diff)
	}

	const relations = `FROM pg_class c WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f', 'S')
		AND c.relnamespace IN ('public'::regnamespace, 'customer_brain'::regnamespace)`
	for role, want := range map[string][]string{
		w.reader: readable, "memberintel_operator": operated, "memberintel_service": served,
		"memberintel_search": {"members", "tenant_reader"}, "memberintel_budget": budgeted,
	} {
		got := texts(t, super, `SELECT c.oid::regclass::text `+relations+` AND c.relkind <> 'S' AND has_any_column_privilege($1, c.oid, 'SELECT') ORDER BY 1`, role)
		if diff := cmp.Diff(want, append([]string{}, got...)); diff != "" {
			t.Errorf("%s reads (-reviewed +found):\n%s", role, diff)
		}
	}
	writes := func(role string) string {
		return strings.Join(texts(t, super, `SELECT c.oid::regclass || ' ' || p `+strings.Replace(relations, "WHERE", `CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p WHERE`, 1)+`
			AND c.relkind <> 'S' AND CASE WHEN p IN ('INSERT', 'UPDATE', 'REFERENCES') THEN has_any_column_privilege($1, c.oid, p) ELSE has_table_privilege($1, c.oid, p) END ORDER BY 1`, role), ", ")
	}
	for role, want := range map[string]string{
		w.reader: "", "memberintel_search": "",
		"memberintel_budget": "analysis INSERT, analysis UPDATE, llm_call INSERT, llm_call UPDATE, spend_tenant INSERT, spend_tenant UPDATE, " +
			"spend_total INSERT, spend_total UPDATE",
		"memberintel_operator": "audit_event INSERT, switch DELETE, switch INSERT, switch UPDATE",
		"memberintel_service": "alert_incident DELETE, alert_outbox UPDATE, alert_quiet DELETE, alert_quiet INSERT, alert_quiet UPDATE, " +
			"attempt_rate DELETE, attempt_rate INSERT, attempt_rate UPDATE, budget_alarm INSERT, connect_code DELETE, connect_code UPDATE, " +
			"connection UPDATE, connection_care UPDATE, llm_batch INSERT, llm_batch UPDATE, llm_question UPDATE, run_slot INSERT, run_slot UPDATE, schedule_pace UPDATE, sync_run INSERT, sync_run UPDATE, " +
			"tenant INSERT, user_login INSERT, user_login UPDATE, user_session DELETE, user_session INSERT, user_session UPDATE, " +
			"webhook_quarantine DELETE, webhook_quarantine INSERT",
	} {
		if got := writes(role); got != want {
			t.Errorf("%s writes %q, reviewed is %q", role, got, want)
		}
	}
	if app := writes("memberintel_app"); strings.Contains(app, "TRUNCATE") || strings.Contains(app, "TRIGGER") || strings.Contains(app, "REFERENCES") ||
		strings.Contains(app, "switch") || strings.Contains(app, "members DELETE") || strings.Contains(app, "audit_event UPDATE") ||
		strings.Contains(app, "spend_") || strings.Contains(app, "budget_") || strings.Contains(app, "analysis") || strings.Contains(app, "llm_call") ||
		strings.Contains(app, "llm_price") || strings.Contains(app, "site_profile UPDATE") || strings.Contains(app, "site_profile DELETE") {
		t.Errorf("the program may %s", app)
	}
	for table, want := range map[string][]string{
		"connection": routing, "connection_care": breaker, "site_text": {"last_used_at", "tenant_id"}, "site_status": {"checked_at", "connection_id", "tenant_id"},
	} {
		if diff := cmp.Diff(want, texts(t, super, `SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0
			AND has_column_privilege('memberintel_service', attrelid, attnum, 'SELECT') ORDER BY attname`, table)); diff != "" {
			t.Errorf("columns of %s that the service reads (-reviewed +found):\n%s", table, diff)
		}
	}
	if diff := cmp.Diff([]string{"valid_to"}, texts(t, super, `SELECT attname FROM pg_attribute WHERE attrelid = 'subscription_item_history'::regclass AND attnum > 0
		AND has_column_privilege('memberintel_app', attrelid, attnum, 'UPDATE')`)); diff != "" {
		t.Errorf("columns of the history that the program rewrites (-reviewed +found):\n%s", diff)
	}
	if everybody := texts(t, super, `SELECT object || ': ' || rights FROM (`+grants+`) g WHERE role = 'PUBLIC' AND NOT (object = 'SCHEMA public' AND rights = 'USAGE')`); len(everybody) > 0 {
		t.Errorf("granted to everybody: %q", everybody)
	}
}
