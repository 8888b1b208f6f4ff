package app

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"memberintel/internal/guard"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// TestASwitchStopsAHundredSyncs throws the switch of Stripe while a hundred clubs are being read for the first time by
// a server, in the middle of their commits.
func TestASwitchStopsAHundredSyncs(t *testing.T) {
	const clubs, enough, reason = 100, 250, "a bad release"
	d := newDesk(t)
	p, h := d.house()
	fleet := d.fleet(p, h, clubs)
	d.logWrites()
	// The first request of a sync asks for Stripe's time, and the events come after all lists: at the one gate all
	// begin, and behind the other none ends.
	begin := d.gate(func(r *http.Request) bool { return r.URL.Path == "/v1/events" && r.URL.Query().Get("limit") == "1" })
	end := d.gate(func(r *http.Request) bool { return r.URL.Path == "/v1/events" && r.URL.Query().Get("limit") != "1" })
	for _, c := range fleet {
		if err := h.request(t.Context(), c.connection, syncrun.Connecting); err != nil {
			t.Fatal(err)
		}
	}
	_, own := d.house()
	_, stop := d.serve(p, own, roleWorker, roleScheduler)
	begin.await(t, clubs)
	if got := d.text(`SELECT count(*)::text FROM sync_run WHERE status = 'running' AND lease_expires_at > clock_timestamp()`); got != fmt.Sprint(clubs) {
		t.Fatalf("%s of %d syncs run", got, clubs)
	}
	begin.open()
	d.holds(time.Minute, "commits follow one another", `SELECT count(DISTINCT xid) > $1 FROM written`, enough)

	owner := pgtest.Owner(t, d.db)
	if err := owner.Ping(t.Context()); err != nil { // what comes after the throw comes at once
		t.Fatal(err)
	}
	if err := guard.Throw(t.Context(), h.db, "pipeline:stripe", reason, actor, 0); err != nil {
		t.Fatal(err)
	}
	var thrown string // all transactions that had ended by then
	if err := owner.QueryRow(t.Context(), `SELECT pg_current_snapshot()::text`).Scan(&thrown); err != nil {
		t.Fatal(err)
	}
	end.open()
	d.holds(time.Minute, "no sync runs", `SELECT NOT EXISTS (SELECT FROM sync_run WHERE status = 'running')
		AND NOT EXISTS (SELECT FROM run_slot WHERE token IS NOT NULL)`)

	t.Logf("%s commits before the switch", d.text(`SELECT count(DISTINCT xid)::text FROM written WHERE pg_visible_in_snapshot(xid, $1::text::pg_snapshot)`, thrown))
	if late := d.text(`SELECT coalesce(string_agg(DISTINCT name, ', '), '') FROM written WHERE NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot)`, thrown); late != "" {
		t.Errorf("after the switch was thrown, something was written to %s", late)
	}
	sentence := "This work is stopped by the switch pipeline:stripe: " + reason
	if got := d.text(`SELECT string_agg(DISTINCT format('%s %s: %s', status, mode, error_message), '; ') || '; ' || count(*) FROM sync_run`); got !=
		fmt.Sprintf("stopped full: %s; %d", sentence, clubs) {
		t.Errorf("the runs: %s", got)
	}
	d.nothingIsHalfWritten()
	if got := d.text(`SELECT string_agg(DISTINCT format('%s, %s failures, %s', state, consecutive_failures, last_error), '; ') FROM connection`); got != "pending, 0 failures, " {
		t.Errorf("the connections: %s", got)
	}
	if err := p.watcher(h).Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := d.text(`SELECT count(*)::text FROM alert_incident`); got != "0" {
		t.Errorf("%s incidents were opened for a switch", got)
	}
	if asked, err := h.scheduler.Tick(t.Context()); asked > 0 || err != nil {
		t.Errorf("a tick asks for %d syncs that the switch stops, %v", asked, err)
	}

	stop()
	d.json(exitDone, "switch", "off", "pipeline:stripe")
	if got := d.text(`SELECT count(*)::text FROM connection WHERE next_sync_at <= now()`); got != fmt.Sprint(clubs) {
		t.Errorf("%s connections are due at once", got)
	}
	for _, c := range []club{fleet[0], fleet[clubs/2], fleet[clubs-1]} {
		d.must(d.json(exitDone, "sync", "--tenant", c.name, "--pipeline", "stripe"), map[string]any{"mode": "full", "status": "succeeded"})
		d.must(d.json(exitDone, "verify", "--tenant", c.name, "--pipeline", "stripe"), map[string]any{"status": "succeeded"})
	}
}

// logWrites lets the database itself note which transaction writes to which table that a sync fills.
func (d *desk) logWrites() {
	d.t.Helper()
	d.exec(`CREATE TABLE written (name text, xid xid8)`)
	d.exec(`CREATE FUNCTION note_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
		BEGIN INSERT INTO written VALUES (TG_TABLE_NAME, pg_current_xact_id()); RETURN NULL; END $$`)
	for _, table := range append(warehouse.Tables(), "sync_checkpoint", "sync_cursor", "stripe_events_processed", "stripe_refetch", "quarantine") {
		d.exec(`CREATE TRIGGER note_write AFTER INSERT OR UPDATE OR DELETE ON ` + table + ` EXECUTE FUNCTION note_write()`)
	}
}

// nothingIsHalfWritten compares what the runs say that they have read with what there is.
func (d *desk) nothingIsHalfWritten() {
	d.t.Helper()
	if got := d.text(`SELECT count(*)::text FROM sync_run r
		WHERE records_processed <> (SELECT coalesce(sum(records), 0) FROM sync_checkpoint k WHERE k.run_id = r.run_id)`); got != "0" {
		d.t.Errorf("%s runs have counted other records than their checkpoints", got)
	}
	for stream, table := range map[string]string{"customers": "members", "subscriptions": "subscriptions", "invoices": "invoices", "payment_intents": "payment_intents"} {
		if got := d.text(`SELECT count(*)::text FROM sync_run r
			WHERE (SELECT coalesce(sum(records), 0) FROM sync_checkpoint k WHERE k.run_id = r.run_id AND k.stream = $1)
			   <> (SELECT count(*) FROM `+table+` m WHERE m.tenant_id = r.tenant_id)`, stream); got != "0" {
			d.t.Errorf("of %s clubs, %s and their checkpoints differ", got, table)
		}
	}
	if got := d.text(`SELECT count(*)::text FROM sync_cursor`); got != "0" {
		d.t.Errorf("%s passes that were stopped have moved their cursor", got)
	}
}
