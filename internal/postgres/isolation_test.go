package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

// The program itself is trusted to name the tenant, so set_config is open to it by design. What must hold:
// in a transaction of one tenant no statement reads, writes, moves, blocks or points at a row of another,
// and outside of one there are no rows.

// reachedNothing accepts a refusal by rights, policies or keys, and a statement that touched no row.
func reachedNothing(tag pgconn.CommandTag, err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "42501" || pg.Code == "23503" // refused; or a key that leads to a row of another tenant
	}
	return err == nil && tag.RowsAffected() == 0
}

func TestATenantsTransactionReachesNoOtherTenant(t *testing.T) {
	w := newWorld(t)
	for _, table := range w.tables {
		columns := w.writable(table)
		// theirs gives the row of ours the other's tenant_id; the keys stay, so they meet the other's row.
		copied := func(change string) string {
			return fmt.Sprintf(`INSERT INTO %[1]s (%[2]s) SELECT %[3]s FROM (SELECT (jsonb_populate_record(NULL::%[1]s, to_jsonb(t) || %[4]s)).* FROM %[1]s t) c`,
				table, columns, columns, change)
		}
		theirs := fmt.Sprintf(`jsonb_build_object('tenant_id', '%s')`, w.theirs)
		for what, sql := range map[string]string{
			"update":           fmt.Sprintf(`UPDATE %s SET tenant_id = tenant_id WHERE tenant_id = '%s'`, table, w.theirs),
			"move to":          fmt.Sprintf(`UPDATE %s SET tenant_id = '%s'`, table, w.theirs),
			"delete":           fmt.Sprintf(`DELETE FROM %s WHERE tenant_id = '%s'`, table, w.theirs),
			"insert":           copied(theirs),
			"insert quietly":   copied(theirs) + ` ON CONFLICT DO NOTHING`,
			"select":           fmt.Sprintf(`SELECT FROM %s WHERE tenant_id <> '%s'`, table, w.ours),
			"select or error":  fmt.Sprintf(`SELECT FROM %s t WHERE strpos(t::text, '%s') > 0`, table, secret),
			"lock":             fmt.Sprintf(`SELECT FROM %s WHERE tenant_id = '%s' FOR KEY SHARE`, table, w.theirs),
			"truncate":         `TRUNCATE ` + table + ` CASCADE`,
			"merge":            fmt.Sprintf(`MERGE INTO %s t USING (SELECT '%s'::uuid AS id) s ON t.tenant_id = s.id WHEN MATCHED THEN DELETE`, table, w.theirs),
			"lift its walls":   `ALTER TABLE ` + table + ` NO FORCE ROW LEVEL SECURITY`,
			"open it to all":   `CREATE POLICY open ON ` + table + ` USING (true)`,
			"listen at writes": `CREATE TRIGGER t AFTER INSERT ON ` + table + ` EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
		} {
			var tag pgconn.CommandTag
			err := w.as(w.ours, func(ctx context.Context, tx *postgres.TenantTx) (err error) {
				tag, err = tx.Exec(ctx, sql)
				return err
			})
			if !reachedNothing(tag, err) {
				t.Errorf("%s %s: %v, %v", what, table, tag, err)
			}
		}
		// An upsert aimed at the other's keys.
		for _, key := range texts(t, w.owner, `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attname) FROM pg_index i
			JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
			WHERE i.indrelid = $1::text::regclass AND i.indisunique AND i.indpred IS NULL GROUP BY i.indexrelid`, table) {
			err := w.as(w.ours, func(ctx context.Context, tx *postgres.TenantTx) error {
				_, err := tx.Exec(ctx, copied(theirs)+` ON CONFLICT (`+key+`) DO UPDATE SET tenant_id = excluded.tenant_id`)
				return err
			})
			if !reachedNothing(pgconn.CommandTag{}, err) || err == nil {
				t.Errorf("upsert into %s by (%s): %v", table, key, err)
			}
		}
		if n, err := w.seen(w.ours, table); n != 1 || err != nil {
			t.Errorf("%s shows %d rows of ours, %v", table, n, err)
		}
	}
	for _, view := range w.views {
		if n, err := w.seen(w.ours, view+` WHERE tenant_id <> '`+w.ours.String()+`'`); n != 0 || err != nil {
			t.Errorf("%s shows %d rows of others, %v", view, n, err)
		}
	}
	w.unharmed(w.theirs)
}

func (w *world) seen(id tenant.ID, from string) (n int, err error) {
	err = w.as(id, func(ctx context.Context, tx *postgres.TenantTx) error {
		return tx.QueryRow(ctx, `SELECT count(*) FROM `+from).Scan(&n)
	})
	return n, err
}

func TestNothingCanBeHungOnAnotherTenantsConnectionOrRun(t *testing.T) {
	w := newWorld(t)
	for _, key := range []string{"connection_id", "run_id"} {
		owned := map[string]string{"connection_id": "connection", "run_id": "sync_run"}[key]
		tables := texts(t, w.owner, `SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
			WHERE c.relkind = 'r' AND a.attname = $1 AND `+ours+` AND c.oid <> $2::text::regclass AND c.relname <> 'sync_run'`, key, owned)
		if len(tables) == 0 {
			t.Fatalf("no table has a %s", key)
		}
		var id any
		if err := w.owner.QueryRow(t.Context(), `SELECT `+key+` FROM `+owned+` WHERE tenant_id = $1`, w.theirs).Scan(&id); err != nil {
			t.Fatal(err)
		}
		for _, table := range tables {
			columns := w.writable(table)
			err := w.as(w.ours, func(ctx context.Context, tx *postgres.TenantTx) error {
				_, err := tx.Exec(ctx, fmt.Sprintf(`INSERT INTO %[1]s (%[2]s) SELECT %[2]s FROM (SELECT (jsonb_populate_record(NULL::%[1]s,
					to_jsonb(t) || jsonb_build_object('%[3]s', $1::text))).* FROM %[1]s t) c ON CONFLICT DO NOTHING`, table, columns, key), fmt.Sprint(id))
				return err
			})
			// A row of theirs that stands in the way of DO NOTHING is not written either.
			n := 0
			if scanErr := w.owner.QueryRow(t.Context(), `SELECT count(*) FROM `+table+` WHERE tenant_id = $1 AND `+key+` = $2`, w.ours, id).Scan(&n); scanErr != nil || n != 0 {
				t.Errorf("%s: %d rows of ours hang on theirs; %v, %v", table, n, err, scanErr)
			}
			err = w.as(w.ours, func(ctx context.Context, tx *postgres.TenantTx) error {
				_, err := tx.Exec(ctx, `UPDATE `+table+` SET `+key+` = $1`, id)
				return err
			})
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || (pg.Code != "23503" && pg.Code != "23505" && pg.Code != "42501") {
				t.Errorf("%s: our row was moved to theirs: %v", table, err)
			}
		}
	}
	w.unharmed(w.theirs)
	w.unharmed(w.ours)
}

func TestWithoutATenantThereAreNoRows(t *testing.T) {
	w := newWorld(t)
	for name, before := range map[string]string{
		"never set":                 `SELECT 1`,
		"set by an earlier one":     `BEGIN; SELECT set_config('app.tenant_id', '` + w.ours.String() + `', true); COMMIT`,
		"rolled back":               `BEGIN; SELECT set_config('app.tenant_id', '` + w.ours.String() + `', true); ROLLBACK`,
		"somebody who is not there": `SET app.tenant_id = '00000000-0000-0000-0000-000000000001'`,
		"no id at all":              `SET app.tenant_id = ''' OR true --'`,
	} {
		conn := w.login(postgres.AppRole).conn
		if _, err := conn.Exec(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		for _, relation := range append(w.tables, w.views...) {
			var n int
			err := conn.QueryRow(t.Context(), `SELECT count(*) FROM `+relation).Scan(&n)
			if invalid := name == "no id at all"; n != 0 || (err != nil) != invalid {
				t.Errorf("%s: %s shows %d rows, %v", name, relation, n, err)
			}
		}
		if _, err := conn.Exec(t.Context(), `INSERT INTO members (tenant_id, source_platform, source_account_id, livemode, source_id, observed_at, observed_until)
			VALUES ($1, 'stripe', '', true, 'x', now(), now())`, w.ours); err == nil {
			t.Errorf("%s: a row was written without a tenant", name)
		}
		if _, err := conn.Exec(t.Context(), `SELECT * FROM search_members('')`); name != "somebody who is not there" && err == nil {
			t.Errorf("%s: search answered", name)
		}
	}
	if err := w.as(tenant.ID{}, func(context.Context, *postgres.TenantTx) error { return nil }); err == nil {
		t.Error("a transaction of nobody began")
	}
}

func TestOneTransactionServesTenantsInTurn(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	const one = `SELECT string_agg(name, ',') FROM members WHERE source_id = $1` // planned once, and run for both
	err := w.db.SharedTx(ctx, func(shared *postgres.SharedTx) error {
		for i := range 14 {
			id, want := w.ours, "Ours"
			if i%2 == 1 {
				id, want = w.theirs, secret
			}
			err := shared.As(id, func(tx *postgres.TenantTx) error {
				var got string
				if err := tx.QueryRow(ctx, one, "id_1").Scan(&got); err != nil {
					return err
				}
				var found string
				if err := tx.QueryRow(ctx, `SELECT string_agg(name, ',') FROM search_members('')`).Scan(&found); err != nil {
					return err
				}
				if got != want || found != want {
					t.Errorf("round %d shows %q and finds %q, want %q", i, got, found, want)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.seen(w.ours, "members"); err != nil {
		t.Error(err)
	}
}

func TestSupportAndServiceSeeNoMembersAndNoCredentials(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	private := []string{"connection_secret", "tenant_reader", "quarantine", "sync_checkpoint", "sync_cursor", "stripe_refetch", "stripe_events_processed",
		"subscription_item_history", "customer_brain.site_profile"}
	for table := range canonicalTables {
		private = append(private, table)
	}
	for _, relation := range private {
		for _, sql := range []string{`SELECT count(*) FROM ` + relation, `DELETE FROM ` + relation, `COPY ` + relation + ` TO STDOUT`} {
			for role, run := range w.crossTenant(ctx) {
				if err := run(sql); !denied(err) {
					t.Errorf("%s: %s: %v", role, sql, err)
				}
			}
		}
	}
	for role, run := range w.crossTenant(ctx) {
		if err := run(`SELECT * FROM search_members('')`); !denied(err) {
			t.Errorf("%s searches members: %v", role, err)
		}
	}
	runs := w.crossTenant(ctx)
	for _, sql := range []string{`SELECT * FROM payments`, `SELECT last_error FROM connection`, `SELECT * FROM connection`, `UPDATE connection SET state = 'paused'`,
		`INSERT INTO switch (name, reason, thrown_by) VALUES ('all', 'x', 'x')`, `DELETE FROM tenant`} {
		if err := runs["service"](sql); !denied(err) {
			t.Errorf("service: %s: %v", sql, err)
		}
	}
	for _, sql := range []string{`UPDATE connection SET state = 'paused'`, `UPDATE tenant SET plan = 'free'`, `SELECT * FROM payments`, `DELETE FROM audit_event`, `SELECT * FROM webhook_quarantine`,
		`SELECT text FROM alert_outbox`, `UPDATE alert_outbox SET status = 'sent'`, `DELETE FROM alert_incident`} {
		if err := runs["operator"](sql); !denied(err) {
			t.Errorf("operator: %s: %v", sql, err)
		}
	}
	if err := runs["operator"](`SELECT last_error FROM connection; SELECT * FROM tenant_data_freshness`); err != nil {
		t.Error(err)
	}
	w.unharmed(w.theirs)
	w.unharmed(w.ours)
}

func (w *world) crossTenant(ctx context.Context) map[string]func(string) error {
	return map[string]func(string) error{
		"service": func(sql string) error {
			return w.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error { _, err := tx.Exec(ctx, sql); return err })
		},
		"operator": func(sql string) error {
			return w.db.OperatorTx(ctx, func(tx *postgres.OperatorTx) error { _, err := tx.Exec(ctx, sql); return err })
		},
	}
}

func denied(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == "42501"
}

// hostile collects whatever a session is shown: rows, copied lines, notices, and the words of errors.
type hostile struct {
	conn *pgx.Conn
	said strings.Builder
}

func (w *world) login(role string) *hostile {
	w.t.Helper()
	cfg := pgtest.Login(w.t, w.db, role).Config().ConnConfig.Copy()
	h := &hostile{}
	cfg.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { h.said.WriteString(n.Message + n.Detail + n.Hint + "\n") }
	cfg.OnNotification = func(_ *pgconn.PgConn, n *pgconn.Notification) { h.said.WriteString(n.Payload + "\n") }
	conn, err := pgx.ConnectConfig(w.t.Context(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	h.conn = conn
	w.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(w.t.Context())) })
	return h
}

// try runs statements by the simple protocol and keeps what they show.
func (h *hostile) try(ctx context.Context, sql string) error {
	if strings.Contains(sql, "TO STDOUT") {
		_, err := h.conn.PgConn().CopyTo(ctx, &h.said, sql)
		h.keep(err)
		return err
	}
	if strings.Contains(sql, "FROM STDIN") {
		_, err := h.conn.PgConn().CopyFrom(ctx, strings.NewReader(""), sql)
		h.keep(err)
		return err
	}
	results := h.conn.PgConn().Exec(ctx, sql)
	for results.NextResult() {
		for reader := results.ResultReader(); reader.NextRow(); {
			for _, value := range reader.Values() {
				h.said.Write(value)
				h.said.WriteByte('\n')
			}
		}
	}
	err := results.Close()
	h.keep(err)
	if h.conn.PgConn().TxStatus() != 'I' {
		_ = h.conn.PgConn().Exec(ctx, "ROLLBACK").Close()
	}
	return err
}

func (h *hostile) keep(err error) {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		h.said.WriteString(pg.Message + pg.Detail + pg.Hint + pg.Where + "\n")
	}
}

// heard returns what was shown since the last call.
func (h *hostile) heard() string {
	defer h.said.Reset()
	return h.said.String()
}
