package app

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres/pgtest"
	sim "memberintel/internal/sim/stripe"
)

func TestFromATenantToItsRows(t *testing.T) {
	d := newDesk(t)
	created := d.json(exitDone, "tenant", "create", "--name", "club", "--plan", "pro")
	d.must(created, map[string]any{"name": "club", "plan": "pro"})
	id := created.at("id")
	d.must(d.json(exitDone, "tenant", "list"), map[string]any{"tenants.0.id": id, "tenants.0.name": "club"})

	connected := d.jsonFrom(d.secrets(), exitDone, "connect", "stripe", "--tenant", "club")
	connection := connected.at("connection_id")
	d.must(connected, map[string]any{
		"tenant_id": id, "pipeline": "stripe", "state": "pending", "warnings": []any{},
		"webhook_url": "http://127.0.0.1:8080/webhooks/stripe/" + connection.(string),
	})
	d.must(d.json(exitDone, "status"), map[string]any{
		"tenants.0.tenant_id": id, "tenants.0.plan": "pro", "tenants.0.connections.0.connection_id": connection,
		"tenants.0.connections.0.state": "pending", "tenants.0.connections.0.stale": true, "tenants.0.connections.0.data_as_of": nil,
		"tenants.0.connections.0.checklist": []any{}, "tenants.0.connections.0.last_error": nil,
	})

	first := d.sync(exitDone)
	d.must(first, map[string]any{"pipeline_type": "stripe", "mode": "full", "status": "succeeded", "quarantined": 0, "error_message": nil})
	if first.at("records_processed").(float64) == 0 || first.at("started_at") == nil || first.at("finished_at") == nil {
		t.Errorf("the report says too little: %s", first)
	}
	d.must(d.json(exitDone, "sync", "--tenant", id.(string), "--pipeline", "stripe"), map[string]any{"mode": "incremental", "status": "succeeded"})
	d.must(d.json(exitDone, "replay", "--tenant", "club", "--since", "72h"), map[string]any{"mode": "replay", "status": "succeeded", "events": 0})
	d.must(d.json(exitDone, "verify", "--tenant", "club", "--pipeline", "stripe"), map[string]any{
		"status": "succeeded", "missing": []any{}, "extra": []any{}, "different": []any{}, "repaired": 0,
	})
	status := d.json(exitDone, "status", "--tenant", "club")
	d.must(status, map[string]any{
		"tenants.0.connections.0.pipeline_type": "stripe", "tenants.0.connections.0.state": "connected", "tenants.0.connections.0.stale": false,
		"tenants.0.connections.0.consecutive_failures": 0,
	})
	for _, field := range []string{"last_success_at", "last_attempt_at", "data_as_of", "next_attempt_at"} {
		if status.at("tenants", 0, "connections", 0, field) == nil {
			t.Errorf("%s is missing in %s", field, status)
		}
	}
	if _, stdout, _ := d.run(nil, "replay", "--tenant", "club", "--since", "72h"); !strings.HasSuffix(stdout, "The warehouse had seen all events.\n") {
		t.Errorf("a replay of nothing new is told as %q", stdout)
	}
	d.mustAnswerReaders()
	d.must(d.json(exitDone, "disconnect", "stripe", "--tenant", "club"), map[string]any{
		"connection_id": connection, "tenant_id": id, "pipeline": "stripe", "state": "disconnected",
	})
	d.must(d.json(exitError, "sync", "--tenant", "club", "--pipeline", "stripe"), map[string]any{"kind": "stopped"})
}

// What an earlier account has left behind is told wherever somebody looks, and does not pass for the new account's.
func TestAnotherAccountAfterADisconnect(t *testing.T) {
	d := newDesk(t)
	d.connected()
	d.sync(exitDone)
	d.must(d.json(exitDone, "status"), map[string]any{"tenants.0.connections.0.leftovers": []any{}})
	d.json(exitDone, "disconnect", "stripe", "--tenant", "club")
	rows := d.count(`SELECT count(*) FROM account_rows`)
	members := d.count(`SELECT count(*) FROM members`)

	other := d.sim.NewAccount(sim.AccountOptions{})
	other.CreateCustomer(sim.CustomerParams{Name: "Bea"})
	secrets := "MEMBERINTEL_STRIPE_KEY=" + other.RestrictedKey(append(sim.ReadPermissions(), "accounts_kyc_basic_read")...) +
		"\nMEMBERINTEL_STRIPE_WEBHOOK_SECRET=" + deskSecret
	left := fmt.Sprintf("%d rows of %s in test mode", rows, d.account.ID())
	for range 2 { // as long as they are there
		connected := d.jsonFrom(strings.NewReader(secrets), exitDone, "connect", "stripe", "--tenant", "club")
		if warning := fmt.Sprint(connected.at("warnings", 0)); !strings.Contains(warning, left) || !strings.Contains(warning, "source_account_id") {
			t.Errorf("the warning is %q, want it to tell of %q", warning, left)
		}
	}
	told := func(want map[string]any) {
		t.Helper()
		status := d.json(exitDone, "status")
		d.must(status, want)
		d.must(status, map[string]any{
			"tenants.0.connections.0.leftovers.0.source_account_id": d.account.ID(), "tenants.0.connections.0.leftovers.0.livemode": false,
			"tenants.0.connections.0.leftovers.0.rows": rows,
		})
	}
	told(map[string]any{
		"tenants.0.connections.0.state": "pending", "tenants.0.connections.0.data_as_of": nil, "tenants.0.connections.0.stale": true,
		"tenants.0.connections.0.last_success_at": nil,
	})
	if code, stdout, _ := d.run(nil, "status"); code != exitDone || !strings.Contains(stdout, left) {
		t.Errorf("exit %d, and people are told %q", code, stdout)
	}

	remove := d.sim.Fault(sim.Fault{Kind: sim.ServerError, ShouldRetry: "false"})
	d.must(d.sync(exitNotHealthy), map[string]any{"status": "failed"})
	remove()
	status := d.json(exitNotHealthy, "status")
	d.must(status, map[string]any{"tenants.0.connections.0.data_as_of": nil, "tenants.0.connections.0.stale": true})
	if n := d.count(`SELECT count(*) FROM tenant_data_freshness WHERE data_as_of IS NOT NULL OR last_success_at IS NOT NULL OR NOT stale`); n != 0 {
		t.Error("the freshness of the old account passes for the new one's")
	}
	d.must(d.sync(exitDone), map[string]any{"status": "succeeded"})
	told(map[string]any{"tenants.0.connections.0.state": "connected", "tenants.0.connections.0.stale": false})
	if n := d.count(`SELECT count(*) FROM members`); n != members+1 {
		t.Errorf("%d members, want the %d old ones, which stay, and one new", n, members)
	}
}

// count reads a number as the schema's owner, from whom nothing is hidden.
func (d *desk) count(sql string) (n int) {
	d.t.Helper()
	if err := pgtest.Owner(d.t, d.db).QueryRow(d.t.Context(), sql).Scan(&n); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// mustAnswerReaders runs the queries that readers are promised, by the login that db url prints.
func (d *desk) mustAnswerReaders() {
	d.t.Helper()
	url := d.json(exitDone, "db", "url", "--tenant", "club").at("url").(string)
	if again := d.json(exitDone, "db", "url", "--role", "reader", "--tenant", "club").at("url"); again != url {
		d.t.Errorf("the reader's address changed from %s to %v", url, again)
	}
	conn := d.reader()
	var name string
	if err := conn.QueryRow(d.t.Context(), `SELECT lower(split_part(name, ' ', 2)) FROM members WHERE name IS NOT NULL ORDER BY id LIMIT 1`).Scan(&name); err != nil {
		d.t.Fatal(err)
	}
	for _, query := range []string{
		`SELECT * FROM members WHERE membership_status = 'active'`,
		strings.Replace(`SELECT * FROM members WHERE name ILIKE '%smith%'`, "smith", name, 1),
		`SELECT * FROM members WHERE metadata->>'membership_type' = 'Adult'`,
	} {
		rows, err := conn.Query(d.t.Context(), query)
		if err != nil {
			d.t.Fatal(err)
		}
		found := 0
		for rows.Next() {
			found++
		}
		if rows.Err() != nil || found == 0 {
			d.t.Errorf("%s: %d rows, %v", query, found, rows.Err())
		}
	}
	if _, err := conn.Exec(d.t.Context(), `SET default_transaction_read_only = off; UPDATE members SET name = 'x'`); err == nil {
		d.t.Error("the reader can write")
	}
}

// reader signs in to the database by the address that db url prints.
func (d *desk) reader() *pgx.Conn {
	d.t.Helper()
	conn, err := pgx.Connect(d.t.Context(), d.json(exitDone, "db", "url", "--tenant", "club").at("url").(string))
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(d.t.Context())) })
	return conn
}

func TestOtherLogins(t *testing.T) {
	d := newDesk(t)
	if got := d.json(exitDone, "db", "url", "--role", "app").at("url"); got != d.db.AppURL() {
		t.Errorf("app is %v", got)
	}
	if got := d.json(exitDone, "db", "url", "--role", "owner").at("url"); got != d.db.OwnerURL() {
		t.Errorf("owner is %v", got)
	}
	super := pgtest.Superuser(t, d.db)
	t.Cleanup(func() { // the login belongs to the server, which other tests use too
		if _, err := super.Exec(context.WithoutCancel(t.Context()), `DROP ROLE memberintel_operator_login`); err != nil {
			t.Error(err)
		}
	})
	url := d.json(exitDone, "db", "url", "--role", "operator").at("url").(string)
	if again := d.json(exitDone, "db", "url", "--role", "operator").at("url"); again != url {
		t.Errorf("the operator's address changed from %s to %v", url, again)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	if _, err := conn.Exec(t.Context(), `SELECT count(*) FROM sync_run`); err != nil {
		t.Errorf("the operator cannot read runs: %v", err)
	}
	if _, err := conn.Exec(t.Context(), `SELECT count(*) FROM members`); err == nil {
		t.Error("the operator can read members")
	}
}

func TestWrongUse(t *testing.T) {
	d := newDesk(t)
	d.env = append(d.env, "MEMBERINTEL_DATABASE_URL=postgres://nobody@127.0.0.1:1/none") // nothing may look for it
	for _, args := range [][]string{
		{}, {"fly"}, {"tenant"}, {"tenant", "create"}, {"tenant", "create", "--name", "club", "--plan", "gold"},
		{"sync", "--tenant", "club"}, {"sync", "--pipeline", "stripe"}, {"sync", "--tenant", "club", "--pipeline", "paypal"},
		{"sync", "--tenant", "club", "--pipeline", "stripe", "--mode", "live"}, {"replay", "--tenant", "club"},
		{"replay", "--tenant", "club", "--since", "soon"}, {"replay", "--tenant", "club", "--since", "-1h"}, {"verify", "--tenant", "club"},
		{"disconnect", "--tenant", "club"}, {"disconnect", "paypal", "--tenant", "club"}, {"switch", "on", "all"}, {"db", "url"},
		{"db", "url", "--role", "king"}, {"serve", "--roles", "web,king"}, {"connect", "stripe", "--tenant", "club", "--key", d.key},
		{"connect", "stripe", "--tenant", "club", d.key}, {"tenant", "list", "--max-syncs", "0"}, {"tenant", "list", "--public-url", "here"},
		{"tenant", "list", "--database-url", "postgres://me:secret@db.example/x"}, {"serve", "--listen", "here"},
		{"demo", "--pace", "0"}, {"demo", "--members=-1"}, {"demo", "--months=-1"},
	} {
		d.must(d.json(exitUsage, args...), map[string]any{"kind": "usage"})
		code, stdout, stderr := d.run(nil, args...)
		if code != exitUsage || stdout != "" || !strings.HasPrefix(stderr, "memberintel: ") {
			t.Errorf("%v: exit %d, %q, %q", args, code, stdout, stderr)
		}
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	d := newDesk(t)
	d.json(exitDone, "tenant", "create", "--name", "club")
	for _, test := range []struct {
		args []string
		kind string
		want string
	}{
		{[]string{"tenant", "create", "--name", "club"}, "conflict", "choose another name"},
		{[]string{"connect", "stripe", "--tenant", "nobody"}, "not_found", "memberintel tenant list"},
		{[]string{"connect", "stripe", "--tenant", "club"}, "invalid", "MEMBERINTEL_STRIPE_KEY"},
		{[]string{"sync", "--tenant", "club", "--pipeline", "stripe"}, "not_found", "memberintel connect stripe"},
		{[]string{"disconnect", "stripe", "--tenant", "club"}, "not_found", "memberintel connect stripe"},
		{[]string{"quarantine", "list", "--tenant", "club"}, "not_found", "memberintel connect stripe"},
		{[]string{"switch", "on", "everything", "--reason", "x"}, "invalid", "pipeline:stripe"},
		{[]string{"switch", "on", "tenant:nobody", "--reason", "x"}, "not_found", "memberintel tenant list"},
		{[]string{"connect", "memberpress", "--tenant", "club", "--site", "https://a.example", "--key-id", "1"}, "invalid", "MEMBERINTEL_MEMBERPRESS_SECRET"},
		{[]string{"connect", "website", "--tenant", "club", "--url", "ftp://a.example"}, "invalid", "must look like https://"},
		{[]string{"connect", "website", "--tenant", "club", "--url", "http://169.254.169.254/latest"}, "invalid", "public"},
		{[]string{"sync", "--tenant", "club", "--pipeline", "website"}, "not_found", "memberintel connect website"},
		{[]string{"verify", "--tenant", "club", "--pipeline", "memberpress"}, "not_found", "memberintel connect memberpress"},
		{[]string{"disconnect", "website", "--tenant", "club"}, "not_found", "memberintel connect website"},
	} {
		got := d.json(exitError, test.args...)
		if text, _ := got.at("error").(string); got.at("kind") != test.kind || !strings.Contains(text, test.want) {
			t.Errorf("%v: %s, want %s with %q", test.args, got, test.kind, test.want)
		}
		if code, stdout, stderr := d.run(nil, test.args...); code != exitError || stdout != "" || !strings.Contains(stderr, test.want) {
			t.Errorf("%v: exit %d, %q, %q", test.args, code, stdout, stderr)
		}
	}
}

// A database that does not let the program in is told as what to look at, whatever the driver says, and without the password.
func TestADatabaseThatIsAway(t *testing.T) {
	d := newDesk(t)
	d.hidden = append(d.hidden, "s3cr3tpw")
	d.env = append(d.env, "MEMBERINTEL_OWNER_DATABASE_URL=")
	for url, want := range map[string]string{
		"postgres://me:s3cr3tpw@127.0.0.1:1/none": "look whether it runs, and whether MEMBERINTEL_DATABASE_URL",
		"postgres:/me:s3cr3tpw@127.0.0.1:none":    "it must look like postgres://user:password@host:5432/database",
	} {
		d.env = append(d.env, "MEMBERINTEL_DATABASE_URL="+url)
		got := d.json(exitError, "status")
		if text, _ := got.at("error").(string); got.at("kind") == "" || !strings.Contains(text, want) {
			t.Errorf("%s, want %q", got, want)
		}
		if _, _, stderr := d.run(nil, "status"); strings.Count(stderr, "\n") > 2 {
			t.Errorf("more than a sentence and its cause: %s", stderr)
		}
	}
}

// What a command tells of an error says nothing twice, and promises no sync to somebody who has none yet.
func TestAnErrorsCauseAddsToItsSentence(t *testing.T) {
	d := newDesk(t)
	d.json(exitDone, "tenant", "create", "--name", "club")
	d.env = append(d.env, "MEMBERINTEL_ALLOW_ADDRESSES=127.0.0.0/8")
	secret := "MEMBERINTEL_MEMBERPRESS_SECRET=" + base64.RawURLEncoding.EncodeToString(make([]byte, 32))
	_, _, stderr := d.run(strings.NewReader(secret), "connect", "memberpress", "--tenant", "club", "--site", "http://127.0.0.1:1", "--key-id", "mik_7Q2fXb9ZtR4c")
	if n := strings.Count(stderr, "127.0.0.1:1 cannot be reached"); n != 1 || !strings.Contains(stderr, "  Cause: ") || !strings.Contains(stderr, "  - ") {
		t.Errorf("the sentence stands there %d times: %s", n, stderr)
	}
	if strings.Contains(stderr, "the next sync") {
		t.Errorf("no sync comes after that: %s", stderr)
	}
	refused := strings.NewReader("MEMBERINTEL_STRIPE_KEY=rk_test_nobodyhasit")
	if _, _, stderr := d.run(refused, "connect", "stripe", "--tenant", "club"); strings.Count(stderr, "Stripe refuses") != 1 || !strings.Contains(stderr, "  Cause: ") {
		t.Errorf("a refusal is told as %s", stderr)
	}
}

// What is still in the queue for a connection that was ended is no next attempt.
func TestADisconnectedSourceIsNotTriedAgain(t *testing.T) {
	d := newDesk(t)
	d.connected()
	if d.json(exitDone, "status").at("tenants", 0, "connections", 0, "next_attempt_at") == nil {
		t.Error("nothing is queued")
	}
	d.json(exitDone, "disconnect", "stripe", "--tenant", "club")
	d.must(d.json(exitDone, "status"), map[string]any{"tenants.0.connections.0.state": "disconnected", "tenants.0.connections.0.next_attempt_at": nil})
}

func TestWhomNewsGoesTo(t *testing.T) {
	d := newDesk(t)
	d.json(exitDone, "tenant", "create", "--name", "club")
	d.must(d.json(exitDone, "tenant", "contact", "--tenant", "club"), map[string]any{"name": "club", "contact": []any{}})
	for range 2 {
		d.must(d.json(exitDone, "tenant", "contact", "anna@club.example", "--tenant", "club"), map[string]any{"contact": []any{"anna@club.example"}})
	}
}

func TestRefusedKey(t *testing.T) {
	d := newDesk(t)
	d.connected()
	d.sync(exitDone)
	d.sim.RevokeKey(d.key)
	d.must(d.jsonFrom(d.secrets(), exitError, "connect", "stripe", "--tenant", "club"), map[string]any{"kind": "unauthorized"})
	d.must(d.sync(exitNotHealthy), map[string]any{"status": "failed"})
	status := d.json(exitNotHealthy, "status")
	d.must(status, map[string]any{"tenants.0.connections.0.state": "failed", "tenants.0.connections.0.consecutive_failures": 1})
	if status.at("tenants", 0, "connections", 0, "checklist", 0) == nil {
		t.Errorf("no checklist in %s", status)
	}
}

func TestMissingPermissionIsNamed(t *testing.T) {
	d := newDesk(t)
	d.key = d.account.RestrictedKey("customer_read", "event_read", "invoice_read", "plan_read", "product_read", "subscription_read")
	d.hidden = append(d.hidden, d.key)
	d.json(exitDone, "tenant", "create", "--name", "club")
	d.jsonFrom(d.secrets(), exitDone, "connect", "stripe", "--tenant", "club", "--account", d.account.ID())
	report := d.sync(exitNotHealthy)
	d.must(report, map[string]any{"status": "partial"})
	if text, _ := report.at("error_message").(string); !strings.Contains(text, "Charges") {
		t.Errorf("the permission is not named: %s", report)
	}
	d.must(d.json(exitNotHealthy, "status"), map[string]any{"tenants.0.connections.0.state": "degraded"})
}

func TestDriftIsToldAndRepaired(t *testing.T) {
	d := newDesk(t)
	d.connected()
	d.sync(exitDone)
	owner := pgtest.Owner(t, d.db)
	if _, err := owner.Exec(t.Context(), `UPDATE members SET phone = '000' WHERE source_id = (SELECT min(source_id) FROM members WHERE deleted_at IS NULL)`); err != nil {
		t.Fatal(err)
	}
	found := d.json(exitNotHealthy, "verify", "--tenant", "club", "--pipeline", "stripe")
	d.must(found, map[string]any{"different.0.stream": "customers", "different.0.field": "phone", "different.0.warehouse": "000", "repaired": 0})
	if _, stdout, _ := d.run(nil, "verify", "--tenant", "club", "--pipeline", "stripe"); !strings.Contains(stdout, " checked, 1 field different.\n") {
		t.Errorf("one difference is told as %q", stdout)
	}
	d.must(d.json(exitNotHealthy, "verify", "--tenant", "club", "--pipeline", "stripe", "--repair"), map[string]any{"different.0.field": "phone", "repaired": 1})
	d.must(d.json(exitDone, "verify", "--tenant", "club", "--pipeline", "stripe"), map[string]any{"different": []any{}})
}

func TestQuarantine(t *testing.T) {
	d := newDesk(t)
	d.connected()
	d.account.CreateCustomer(sim.CustomerParams{Name: "Ada Odd", Email: "ada@club.example"})
	d.sim.Advance(10 * time.Second)
	sane := d.account.State("customers")[0] // the newest
	var fields map[string]any
	if err := json.Unmarshal(sane, &fields); err != nil {
		t.Fatal(err)
	}
	id := fields["id"]
	fields["email"] = map[string]any{"no": "text"}
	odd, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.account.PutObject(odd); err != nil {
		t.Fatal(err)
	}
	d.must(d.sync(exitNotHealthy), map[string]any{"status": "partial", "quarantined": 1})
	list := d.json(exitDone, "quarantine", "list", "--tenant", "club")
	d.must(list, map[string]any{"objects.0.stream": "customers", "objects.0.source_id": id, "objects.1": nil})
	if bytes, _ := list.at("objects", 0, "bytes").(float64); bytes == 0 || list.at("objects", 0, "reason") == "" {
		t.Errorf("the object is not told: %s", list)
	}
	d.must(d.json(exitNotHealthy, "quarantine", "replay", "--tenant", "club"), map[string]any{"tried": 1, "released": 0, "left": 1, "status": "partial"})
	if err := d.account.PutObject(sane); err != nil {
		t.Fatal(err)
	}
	d.must(d.json(exitDone, "sync", "--tenant", "club", "--pipeline", "stripe", "--mode", "full"), map[string]any{"status": "succeeded"})
	d.must(d.json(exitDone, "quarantine", "list", "--tenant", "club"), map[string]any{"objects": []any{}})
	d.must(d.json(exitDone, "quarantine", "replay", "--tenant", "club"), map[string]any{"tried": 0, "released": 0, "left": 0})
	if _, stdout, _ := d.run(nil, "quarantine", "replay", "--tenant", "club"); stdout != "Nothing is in quarantine.\n" {
		t.Errorf("an empty quarantine is told as %q", stdout)
	}
}

func TestSwitches(t *testing.T) {
	d := newDesk(t)
	d.connected()
	d.must(d.json(exitDone, "switch", "on", "tenant:club", "--reason", "moving house", "--for", "2h"), map[string]any{"on": true})
	list := d.json(exitDone, "switch", "list")
	d.must(list, map[string]any{"switches.0.on": true, "switches.0.reason": "moving house", "switches.0.by": "cli"})
	if list.at("switches", 0, "since") == nil || list.at("switches", 0, "expires_at") == nil {
		t.Errorf("the times are missing: %s", list)
	}
	report := d.sync(exitNotHealthy)
	d.must(report, map[string]any{"status": "stopped"})
	if text, _ := report.at("error_message").(string); !strings.Contains(text, "moving house") {
		t.Errorf("the reason is missing: %s", report)
	}
	d.json(exitDone, "switch", "off", "tenant:club")
	d.must(d.json(exitDone, "switch", "list"), map[string]any{"switches": []any{}})
	d.must(d.sync(exitDone), map[string]any{"status": "succeeded"})
}

func TestKeyRotation(t *testing.T) {
	d := newDesk(t)
	d.connected()
	before := d.json(exitDone, "db", "url", "--tenant", "club").at("url")
	d.must(d.json(exitDone, "key", "rotate"), map[string]any{"rotated": true, "resealed": 2})
	d.sync(exitDone)
	if after := d.json(exitDone, "db", "url", "--tenant", "club").at("url"); after != before {
		t.Errorf("the reader's address changed from %v to %v", before, after)
	}
}

func TestInterruptedSyncIsStoppedAndGoesOn(t *testing.T) {
	d := newDesk(t)
	d.connected()
	ctx, interrupt := context.WithCancel(t.Context())
	var requests atomic.Int64
	d.sim.OnRead(func(*http.Request) {
		if requests.Add(1) == 6 {
			interrupt()
		}
	})
	args := []string{"sync", "--tenant", "club", "--pipeline", "stripe", "--json"}
	d.must(d.decode(exitNotHealthy, args)(d.runWith(ctx, nil, args...)), map[string]any{
		"status": "stopped", "error_message": "This was interrupted; the next sync goes on from where it was.",
	})
	d.must(d.sync(exitDone), map[string]any{"mode": "full", "status": "succeeded"})
	d.must(d.json(exitDone, "verify", "--tenant", "club", "--pipeline", "stripe"), map[string]any{"status": "succeeded"})
}

func TestConnectingAgainReplacesTheWebhookSecretAlone(t *testing.T) {
	d := newDesk(t)
	first := d.connected()
	again := d.jsonFrom(strings.NewReader("MEMBERINTEL_STRIPE_WEBHOOK_SECRET=whsec_another\n"), exitDone, "connect", "stripe", "--tenant", "club")
	if again.at("connection_id") != first.at("connection_id") {
		t.Errorf("a new connection: %s", again)
	}
	d.sync(exitDone)
	writer := d.account.SecretKey()
	d.hidden = append(d.hidden, writer)
	warned := d.jsonFrom(strings.NewReader("MEMBERINTEL_STRIPE_KEY="+writer+"\n"), exitDone, "connect", "stripe", "--tenant", "club")
	if text, _ := warned.at("warnings", 0).(string); !strings.Contains(text, "restricted key") {
		t.Errorf("no warning about a key that can write: %s", warned)
	}
}

func TestOutdatedSchemaIsRefusedUntilMigrated(t *testing.T) {
	d := newDesk(t)
	owner := pgtest.Owner(t, d.db)
	if _, err := owner.Exec(t.Context(), `DELETE FROM goose_db_version WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`); err != nil {
		t.Fatal(err)
	}
	got := d.json(exitError, "tenant", "list")
	if text, _ := got.at("error").(string); !strings.Contains(text, "memberintel migrate") {
		t.Errorf("%s", got)
	}
	d.env = append(d.env, "MEMBERINTEL_OWNER_DATABASE_URL=") // as a server that migrates elsewhere
	got = d.json(exitError, "tenant", "list")
	if text, _ := got.at("error").(string); !strings.Contains(text, "memberintel migrate") {
		t.Errorf("without the owner's address: %s", got)
	}
}

// Whether the schema is the program's must be known before anything is done with it.
func TestASchemaThatCannotBeReadIsRefused(t *testing.T) {
	d := newDesk(t)
	d.env = append(d.env, "MEMBERINTEL_OWNER_DATABASE_URL=")
	d.json(exitDone, "tenant", "list")
	d.env = append(d.env, "MEMBERINTEL_OWNER_DATABASE_URL=postgres://nobody@127.0.0.1:1/none")
	d.json(exitError, "tenant", "create", "--name", "club")
	if n := d.count(`SELECT count(*) FROM tenant`); n != 0 {
		t.Error("it went on")
	}
}

func TestMigrateIsRepeatable(t *testing.T) {
	d := newDesk(t)
	d.must(d.json(exitDone, "migrate"), map[string]any{"migrated": true})
	d.must(d.json(exitDone, "migrate"), map[string]any{"migrated": true})
}

func TestKeyFileIsPrivate(t *testing.T) {
	d := newDesk(t)
	file := filepath.Join(t.TempDir(), "keys", "mine.json")
	d.env = append(d.env, "MEMBERINTEL_KEY_FILE="+file)
	d.connected()
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestWhatASwitchHeldUpIsDueWhenItIsCleared(t *testing.T) {
	d := newDesk(t)
	d.connected()
	d.sync(exitDone)
	d.json(exitDone, "switch", "on", "subsystem:webhooks", "--reason", "a test")
	d.json(exitDone, "switch", "off", "subsystem:webhooks")
	var due bool
	err := pgtest.Owner(t, d.db).QueryRow(t.Context(), `SELECT next_sync_at <= now() FROM connection`).Scan(&due)
	if err != nil || !due {
		t.Errorf("the next sync is not due: %v, %v", due, err)
	}
}
