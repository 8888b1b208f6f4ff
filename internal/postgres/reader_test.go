package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
)

// A reader holds a SQL session and may be anybody: whatever it sets, makes or asks, it sees its own
// tenant's rows and writes none.
func TestAReaderReachesNoOtherTenant(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	super := pgtest.Superuser(t, w.db)
	var object uint32
	if err := super.QueryRow(ctx, `SELECT lo_from_bytea(0, $1::bytea)`, []byte(secret)).Scan(&object); err != nil {
		t.Fatal(err)
	}
	if _, err := super.Exec(ctx, `ANALYZE`); err != nil {
		t.Fatal(err)
	}
	busy, err := w.owner.Acquire(ctx) // its last statement stands in pg_stat_activity
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Release()
	if _, err := busy.Exec(ctx, `SELECT '`+secret+` in a query'`); err != nil {
		t.Fatal(err)
	}

	granted := texts(t, w.owner, `SELECT g::text FROM (`+grants+`) g ORDER BY 1`)
	roles := texts(t, super, `SELECT rolname FROM pg_roles WHERE rolname ~ '^memberintel_' OR rolname = 'postgres'`)
	moods := []string{
		`SELECT 1`,
		`SET default_transaction_read_only = off; SET statement_timeout = 0; SET app.tenant_id = '` + w.theirs.String() + `'`,
		`SET row_security = off`,
		`SET row_security = on; SET search_path = pg_temp, public, pg_catalog; SET plan_cache_mode = force_generic_plan`,
		`SET search_path = public; SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE; SET ROLE memberintel_reader`,
	}
	h := w.login(w.reader)
	for _, role := range roles {
		_ = h.try(ctx, `SET ROLE `+role)
		_ = h.try(ctx, `SET SESSION AUTHORIZATION `+role)
		var session, current string
		if err := h.conn.QueryRow(ctx, `SELECT session_user, current_user`).Scan(&session, &current); err != nil {
			t.Fatal(err)
		}
		if session != w.reader || (current != w.reader && current != "memberintel_reader") {
			t.Fatalf("the reader became %s/%s", session, current)
		}
		_ = h.try(ctx, `RESET ROLE`)
	}
	for _, mood := range moods {
		if err := h.try(ctx, mood); err != nil {
			t.Fatalf("%s: %v", mood, err)
		}
		for _, relation := range append(append([]string{"site_pace", "switch", "webhook_quarantine", "goose_db_version"}, w.tables...), w.views...) {
			for _, sql := range onRelation(relation, w) {
				err := h.try(ctx, sql)
				if heard := h.heard(); strings.Contains(strings.ToLower(heard), strings.ToLower(secret)) {
					t.Errorf("after %s:\n%s\nshows %q", mood, sql, heard)
				}
				if err == nil && forbidden(sql) {
					t.Errorf("after %s: %s was done", mood, sql)
				}
			}
		}
		for _, sql := range anywhere(w, object) {
			_ = h.try(ctx, sql)
			if heard := h.heard(); strings.Contains(strings.ToLower(heard), strings.ToLower(secret)) {
				t.Errorf("after %s:\n%s\nshows %q", mood, sql, heard)
			}
		}
	}
	w.unharmed(w.theirs)
	w.unharmed(w.ours)
	if diff := cmp.Diff(granted, texts(t, w.owner, `SELECT g::text FROM (`+grants+`) g ORDER BY 1`)); diff != "" {
		t.Errorf("rights changed:\n%s", diff)
	}
}

// forbidden reports whether the statement must fail.
func forbidden(sql string) bool {
	verb, _, _ := strings.Cut(strings.ReplaceAll(sql, ";", " "), " ")
	return !strings.Contains(sql, "TO STDOUT") && !slices.Contains([]string{"SELECT", "EXPLAIN", "BEGIN", "VACUUM", "ANALYZE", "GRANT"}, verb)
}

// onRelation is what somebody might try on a table or view.
func onRelation(r string, w *world) []string {
	b := w.theirs.String()
	if !strings.Contains(r, ".") {
		r = "public." + r
	}
	return []string{
		`SELECT * FROM ` + r,
		`SELECT * FROM ` + r + ` WHERE tenant_id = '` + b + `'`,
		`SELECT x::text FROM ` + r + ` x WHERE tenant_id <> '` + w.ours.String() + `' OR true`,
		`SELECT * FROM ` + r + ` TABLESAMPLE SYSTEM (100)`,
		`SELECT table_to_xml('` + r + `', true, false, '')`,
		`COPY ` + r + ` TO STDOUT`,
		`COPY (SELECT * FROM ` + r + `) TO STDOUT`,
		`BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT * FROM ` + r + `; COMMIT; SET app.tenant_id = '` + b + `'; FETCH ALL c; CLOSE c`,
		`BEGIN; PREPARE p AS SELECT * FROM ` + r + `; EXECUTE p; EXECUTE p; EXECUTE p; EXECUTE p; EXECUTE p; EXECUTE p; DEALLOCATE p; COMMIT`,
		`EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM ` + r + ` x WHERE x::text LIKE '` + secret[:4] + `%'`,
		`INSERT INTO ` + r + ` (tenant_id) VALUES ('` + b + `')`,
		`INSERT INTO ` + r + ` SELECT * FROM ` + r,
		`UPDATE ` + r + ` SET tenant_id = '` + b + `'`,
		`DELETE FROM ` + r,
		`TRUNCATE ` + r,
		`COPY ` + r + ` FROM STDIN`,
		`ALTER TABLE ` + r + ` DISABLE ROW LEVEL SECURITY`,
		`CREATE POLICY mine ON ` + r + ` USING (true)`,
		`CREATE RULE r AS ON SELECT TO ` + r + ` DO INSTEAD NOTHING`,
		`CREATE INDEX ON ` + r + ` (tenant_id)`,
		`COMMENT ON TABLE ` + r + ` IS 'mine'`,
		`LOCK TABLE ` + r + ` IN ACCESS EXCLUSIVE MODE`,
		`DROP TABLE ` + r,
		`ANALYZE ` + r, `VACUUM ` + r, `GRANT SELECT ON ` + r + ` TO PUBLIC`, // these only warn
	}
}

// anywhere is what somebody might try on the server.
func anywhere(w *world, object uint32) []string {
	all := []string{
		`SELECT * FROM search_members('` + secret + `')`,
		`SELECT * FROM search_members('se')`, `SELECT * FROM search_members('s')`, `SELECT * FROM search_members('%')`,
		`SELECT * FROM search_members('', '` + secret + `')`,
		`SELECT * FROM search_members('', NULL, NULL, '{"k": "` + secret + `"}')`,
		`SELECT * FROM search_members('x'') OR true --')`,
		`SELECT * FROM search_members(after_name => '` + secret + `')`,
		`SELECT * FROM pg_stats`, `SELECT * FROM pg_stats_ext`, `SELECT * FROM pg_stats_ext_exprs`, `SELECT * FROM pg_statistic`,
		`SELECT * FROM pg_stat_activity`, `SELECT pg_stat_get_backend_activity(generate_series(1, 100))`, `SELECT * FROM pg_stat_all_tables`,
		`SELECT * FROM pg_prepared_statements`, `SELECT * FROM pg_cursors`, `SELECT * FROM pg_locks`, `SELECT * FROM pg_sequences`,
		`SELECT * FROM pg_authid`, `SELECT * FROM pg_shadow`, `SELECT * FROM pg_file_settings`, `SELECT * FROM pg_user_mappings`,
		`SELECT * FROM pg_largeobject`, fmt.Sprintf(`SELECT convert_from(lo_get(%d), 'UTF8')`, object), fmt.Sprintf(`SELECT lo_unlink(%d)`, object),
		fmt.Sprintf(`SELECT lo_put(%d, 0, 'x')`, object), fmt.Sprintf(`ALTER LARGE OBJECT %d OWNER TO CURRENT_USER`, object),
		`SELECT schema_to_xml('public', true, false, '')`, `SELECT database_to_xml(true, false, '')`, `SELECT query_to_xml('SELECT * FROM members', true, false, '')`,
		`SELECT * FROM ts_stat('SELECT to_tsvector(name) FROM members')`,
		`SELECT pg_read_file('postgresql.conf')`, `SELECT * FROM pg_ls_dir('.')`, `SELECT pg_logical_emit_message(true, 'x', 'y')`,
		`COPY (SELECT 1) TO PROGRAM 'id'`, `COPY (SELECT 1) TO '/dev/null'`,
		`CREATE EXTENSION dblink`, `CREATE EXTENSION pageinspect`, `LOAD 'auto_explain'`,
		`CREATE TABLE public.mine (x int)`, `CREATE SCHEMA mine`, `CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
		`CREATE OR REPLACE FUNCTION memberintel_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'`,
		`SET session_replication_role = replica`, `SET lc_messages = 'C'`, `SELECT nextval('members_id_seq')`, `SELECT setval('members_id_seq', 1)`,
		`ALTER ROLE ` + w.reader + ` BYPASSRLS`, `ALTER ROLE ` + w.reader + ` RENAME TO x`, `CREATE ROLE x`, `GRANT memberintel_app TO ` + w.reader,
		`DO $$ BEGIN PERFORM set_config('app.tenant_id', '` + w.theirs.String() + `', false); RAISE NOTICE '%', (SELECT array_agg(m) FROM members m); END $$`,
		// Tables, functions and operators of its own, before those that the definer function means.
		`CREATE TEMP TABLE IF NOT EXISTS tenant_reader (role_name text, tenant_id uuid);
		 INSERT INTO pg_temp.tenant_reader VALUES (session_user, '` + w.theirs.String() + `');
		 SELECT * FROM search_members(''); SELECT * FROM public.members; DISCARD TEMP`,
		`CREATE FUNCTION pg_temp.lower(x text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'lower %', x; RETURN x; END $$;
		 CREATE FUNCTION pg_temp.btrim(x text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE '% of %', (SELECT array_agg(m) FROM public.members m), current_user; RETURN x; END $$;
		 SELECT * FROM search_members('o')`,
	}
	// A cheap function of its own that tells its arguments, and operators that fail on some of them: the
	// policy must come before them, or they see rows that it hides.
	leak := `CREATE OR REPLACE FUNCTION pg_temp.leak(x text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'leak %', x; RETURN true; END $$;`
	for relation, column := range canonicalTables {
		all = append(all,
			leak+`SELECT count(*) FROM public.`+relation+` WHERE pg_temp.leak(`+column+`)`,
			leak+`SELECT count(*) FROM public.`+relation+` x WHERE pg_temp.leak(x.raw::text) AND x.source_id = 'id_1'`,
		)
	}
	return append(all,
		leak+`SELECT count(*) FROM public.payments x WHERE pg_temp.leak(x::text)`,
		leak+`SELECT count(*) FROM public.tenant_data_freshness x WHERE pg_temp.leak(x::text)`,
		leak+`SELECT count(*) FROM search_members('') x WHERE pg_temp.leak(x::text)`,
		leak+`SELECT count(*) FROM public.tenant_reader x WHERE pg_temp.leak(role_name || tenant_id)`,
		leak+`SELECT count(*) FROM public.members a JOIN public.members b ON pg_temp.leak(a.name || b.name)`,
	)
}

func TestAHostilePatternTellsNothing(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	reader := w.login(w.reader)
	// Each of these fails on a row of the other tenant, and on none of ours: an error would tell that the
	// row is there.
	for _, condition := range []string{
		`name LIKE '` + secret + `\'`, `name LIKE '` + secret[:3] + `\'`, `name ILIKE 'secretb\'`, `search_text LIKE 'secretb\'`,
		`1 / (length(name) - ` + fmt.Sprint(len(secret)) + `) >= 0`, `name::int > 0 OR name = 'Ours'`,
		`CASE WHEN name = '` + secret + `' THEN 1 / (length(name) - length(name)) ELSE 1 END = 1`,
		`(metadata ->> 'k')::numeric > 0 OR name = 'Ours'`, `name ~ (CASE WHEN name = '` + secret + `' THEN '(' ELSE '.' END)`,
	} {
		if strings.Contains(condition, "OR name = 'Ours'") {
			condition = `CASE WHEN name = 'Ours' THEN true ELSE ` + strings.TrimSuffix(condition, ` OR name = 'Ours'`) + ` END`
		}
		for _, from := range []string{"members", "(SELECT * FROM members OFFSET 0) m"} {
			if err := reader.try(ctx, `SELECT count(*) FROM `+from+` WHERE `+condition); err != nil {
				t.Errorf("%s: %v", condition, err)
			}
		}
		err := w.as(w.ours, func(ctx context.Context, tx *postgres.TenantTx) error {
			_, err := tx.Exec(ctx, `SELECT count(*) FROM members WHERE `+condition)
			return err
		})
		if err != nil {
			t.Errorf("the program: %s: %v", condition, err)
		}
	}
	for _, pattern := range []string{secret + `\`, `\`, `%\`, `Sec_etB`, `%`, `_`, `secretb\ x`, "\x01", `{"`, `'; DROP TABLE members; --`} {
		rows, err := reader.conn.Query(ctx, `SELECT name FROM search_members($1)`, pattern)
		if err != nil {
			t.Errorf("search for %q: %v", pattern, err)
			continue
		}
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil || name != "Ours" {
				t.Errorf("search for %q finds %q, %v", pattern, name, err)
			}
		}
		if err := rows.Err(); err != nil {
			t.Errorf("search for %q: %v", pattern, err)
		}
	}
}

func TestAReaderWhoseMappingIsGoneSeesNothing(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	if _, err := w.owner.Exec(ctx, `UPDATE tenant_reader SET role_name = 'memberintel_reader_gone' WHERE tenant_id = $1`, w.ours); err != nil {
		t.Fatal(err)
	}
	defer func() { // so that the login is dropped with the database
		if _, err := w.owner.Exec(ctx, `UPDATE tenant_reader SET role_name = $2 WHERE tenant_id = $1`, w.ours, w.reader); err != nil {
			t.Error(err)
		}
	}()
	reader := w.login(w.reader)
	if err := reader.try(ctx, `SET app.tenant_id = '`+w.ours.String()+`'; SELECT count(*) || ' members' FROM members`); err != nil || !strings.Contains(reader.heard(), "0 members") {
		t.Errorf("a reader of nobody sees rows, %v", err)
	}
	if err := reader.try(ctx, `SELECT * FROM search_members('')`); !denied(err) {
		t.Errorf("a reader of nobody searches: %v", err)
	}
}
