package app

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"memberintel/internal/care"
	sim "memberintel/internal/sim/stripe"
)

const anna = "anna@oakhill.example"

// program is the program as a command has it, with a server's loops in a hurry.
func (d *desk) program(args ...string) *program {
	d.t.Helper()
	p := &program{Process: Process{Args: args, Env: d.env, Stdout: io.Discard, Stderr: io.Discard}, env: environment(d.env)}
	if _, code := p.parse(); code != exitCodeUnwanted {
		d.t.Fatalf("%v: exit %d", args, code)
	}
	p.rhythm = rhythm{tick: 50 * time.Millisecond, look: 20 * time.Millisecond, send: 20 * time.Millisecond}
	return p
}

// open is the program's house, with a pool of its own as another process has.
func (d *desk) open(p *program) *house {
	d.t.Helper()
	h, err := p.open(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(h.close)
	return h
}

// server starts what serve does in the roles, and returns its address and what ends it.
func (d *desk) server(roles ...string) (address string, end func()) {
	d.t.Helper()
	p := d.program("serve", "--listen", "127.0.0.1:0")
	h := d.open(p)
	listener, err := listen(d.t.Context(), p.Listen)
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(d.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.serve(ctx, h, roles, listener) }()
	return listener.Addr().String(), func() {
		d.t.Helper()
		stop()
		if err := <-ended; err != nil {
			d.t.Error(err)
		}
	}
}

// An outage in a whole installation, where two processes watch and send at the same time: one mail when the key is
// revoked, one when there is another.
func TestAnOutageIsMailedOnceAndSoIsItsEnd(t *testing.T) {
	d, mails := newDesk(t), newSink(t)
	d.env = append(d.env, "MEMBERINTEL_SMTP_URL="+mails.url())
	d.connected()
	d.sync(exitDone)
	d.json(exitDone, "tenant", "contact", anna, "--tenant", "club")
	address, endFirst := d.server(roleWeb, roleWorker, roleScheduler)
	_, endSecond := d.server(roleWorker, roleScheduler)

	d.sim.RevokeKey(d.key)
	d.makeDue()
	mails.wait()
	d.mustTellOfTheOutage(address)

	d.key = d.account.RestrictedKey(append(sim.ReadPermissions(), "accounts_kyc_basic_read")...)
	d.hidden = append(d.hidden, d.key)
	d.jsonFrom(d.secrets(), exitDone, "connect", "stripe", "--tenant", "club")
	mails.wait()
	endFirst()
	endSecond()

	// Whoever looks and sends once more finds nothing to do.
	p := d.program("status")
	h := d.open(p)
	sender, err := p.sender(h)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := p.watcher(h).Watch(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, err := sender.Send(t.Context()); n != 0 || err != nil {
			t.Errorf("%d more mails, %v", n, err)
		}
	}
	var subjects []string
	for _, m := range mails.to(anna) {
		subjects = append(subjects, m.subject)
	}
	if diff := cmp.Diff([]string{"club: the Stripe connection needs you", "club: the Stripe sync works again"}, subjects); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	d.must(d.json(exitDone, "status"), map[string]any{
		"tenants.0.connections.0.state": "connected", "tenants.0.connections.0.since": nil, "tenants.0.banners": []any{}, "support": []any{}, "mails.waiting": 0,
	})
}

// mustTellOfTheOutage looks at the status, for people and for programs, and at the page.
func (d *desk) mustTellOfTheOutage(address string) {
	d.t.Helper()
	status := d.json(exitNotHealthy, "status")
	d.must(status, map[string]any{
		"summary.failed": 1, "tenants.0.connections.0.state": "failed", "tenants.0.banners.0.level": "alarm", "tenants.0.banners.0.pipeline_type": "stripe",
		"support.0.name": "club", "support.0.plan": "pro", "support.0.pipeline_type": "stripe", "support.0.reason": "person", "support.0.mails.0.recipient": anna,
	})
	sentence, _ := status.at("tenants", 0, "connections", 0, "last_error").(string)
	step, _ := status.at("tenants", 0, "connections", 0, "checklist", 0).(string)
	if sentence == "" || step == "" || status.at("tenants", 0, "connections", 0, "since") == nil || status.at("support", 0, "cause") == nil {
		d.t.Errorf("the status tells too little: %s", status)
	}
	d.must(status, map[string]any{"tenants.0.banners.0.sentence": sentence, "support.0.sentence": sentence})
	if status = d.json(exitNotHealthy, "status", "--tenant", "club"); status.at("support") != nil || status.at("tenants", 0, "banners", 0) == nil {
		d.t.Errorf("the status of one tenant: %s", status)
	}
	code, text, _ := d.run(nil, "status")
	for _, want := range []string{"1 connection: 1 failed.\n", "Support list, 1 outage", "mail to " + anna, "    " + sentence + "\n    - " + step + "\n"} {
		if code != exitNotHealthy || !strings.Contains(text, want) {
			d.t.Errorf("exit %d, and people are not told %q:\n%s", code, want, text)
		}
	}
	code, page := get(d.t, "http://"+address+"/", "")
	for _, want := range []string{`<div class="banner alarm" role="alert">`, "Stripe: " + sentence, "<li>" + step + "</li>", "memberintel waits for you"} {
		if code != http.StatusOK || strings.Count(page, want) != 1 {
			d.t.Errorf("the page, %d, has not once %q:\n%s", code, want, page)
		}
	}
}

// A person who syncs by hand, or connects again, is believed that it works now.
func TestAPersonIsBelieved(t *testing.T) {
	d := newDesk(t)
	view := d.connected()
	id, err := uuid.Parse(view.at("connection_id").(string))
	if err != nil {
		t.Fatal(err)
	}
	owner, err := uuid.Parse(view.at("tenant_id").(string))
	if err != nil {
		t.Fatal(err)
	}
	d.sync(exitDone)
	remove := d.sim.Fault(sim.Fault{Kind: sim.ServerError, ShouldRetry: "false"})
	d.sync(exitNotHealthy)
	remove()
	permit, err := care.New(d.db, care.Config{}).Begin(t.Context(), care.Place{Tenant: owner, Connection: id, Site: "api.stripe.example"})
	if err != nil {
		t.Fatal(err)
	}
	if err := permit.Done(t.Context(), care.Outcome{Verdict: care.Gone, Requests: 1}); err != nil {
		t.Fatal(err)
	}
	d.must(d.json(exitNotHealthy, "status"), map[string]any{"tenants.0.connections.0.state": "paused"})
	d.sync(exitDone)
	if n := d.count(`SELECT count(*) FROM connection_care WHERE breaker = 'closed'`); n != 1 {
		t.Error("a sync by hand leaves the breaker open")
	}

	remove = d.sim.Fault(sim.Fault{Kind: sim.ServerError, ShouldRetry: "false"})
	d.sync(exitNotHealthy)
	remove()
	d.exec(`DELETE FROM sync_run WHERE status = 'queued'`)
	d.jsonFrom(d.secrets(), exitDone, "connect", "stripe", "--tenant", "club")
	if n := d.count(`SELECT count(*) FROM sync_run WHERE status = 'queued' AND cause = 'connect'`); n != 1 {
		t.Error("a new credential for a connection that does not work is not tried")
	}
}

func TestASwitchPausesAConnection(t *testing.T) {
	d := newDesk(t)
	d.connected()
	d.sync(exitDone)
	d.json(exitDone, "switch", "on", "pipeline:stripe", "--reason", "Stripe is down", "--for", "2h")
	why := "This work is stopped by the switch pipeline:stripe: Stripe is down"
	d.must(d.json(exitDone, "status"), map[string]any{
		"summary.paused": 1, "tenants.0.connections.0.state": "paused", "tenants.0.connections.0.paused_because": why, "tenants.0.connections.0.last_error": nil,
	})
	if _, text, _ := d.run(nil, "status"); !strings.Contains(text, "  Stripe: paused\n    "+why+"\n") {
		t.Errorf("people are told\n%s", text)
	}
	d.json(exitDone, "switch", "off", "pipeline:stripe")
	d.must(d.json(exitDone, "status"), map[string]any{"tenants.0.connections.0.state": "connected", "tenants.0.connections.0.paused_because": nil})
}
