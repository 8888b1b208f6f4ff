package stripe

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"memberintel/internal/connection"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
)

func TestAnUnknownStatusIsKeptAsideWithASentence(t *testing.T) {
	w := newWorld(t)
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	sub := w.subscribe(ana, w.price(4500, "month"))
	w.sim.Advance(time.Minute)
	w.sync("")
	ep := w.endpoint(w.door())
	w.sim.Advance(time.Minute)
	strange := latest(t, w.account, sub)
	strange["status"] = "hibernating"
	raw, err := json.Marshal(strange)
	w.must(err)
	w.account.Emit("customer.subscription.updated", raw, nil)
	w.deliver(ep)

	if got := one[string](w, w.c, `SELECT status FROM subscriptions WHERE source_id = $1`, sub); got != "active" {
		t.Errorf("the subscription is %q, want what was understood last", got)
	}
	if got := one[[]byte](w, w.c, `SELECT raw FROM quarantine WHERE source_id = $1`, sub); !json.Valid(got) || !strings.Contains(string(got), "hibernating") {
		t.Errorf("kept %s", got)
	}
	c := w.current(w.c)
	if c.State != connection.Degraded || c.LastError == nil || !strings.Contains(*c.LastError, `status holds "hibernating"`) || !strings.Contains(*c.LastError, sub) {
		t.Errorf("the connection is %s: %v", c.State, c.LastError)
	}
	if got := one[string](w, w.c, `SELECT outcome FROM stripe_events_processed ORDER BY processed_at DESC LIMIT 1`); got != "quarantined" {
		t.Errorf("outcome %q", got)
	}

	w.sim.Advance(time.Minute)
	w.must(w.account.UpdateMetadata(sub, map[string]string{"court": "2"}))
	w.deliver(ep)
	if n := one[int](w, w.c, `SELECT count(*) FROM quarantine`); n != 0 {
		t.Errorf("%d objects in quarantine after a state that was understood", n)
	}
	if c := w.current(w.c); c.State != connection.Connected || c.LastError != nil {
		t.Errorf("the connection is %s: %v", c.State, c.LastError)
	}
	w.mustEqual(w.c)
}

func TestAPageWithAStrangeObjectBringsTheOthers(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.account.CreateCustomer(simstripe.CustomerParams{Name: fmt.Sprint("member ", i)})
	}
	w.must(w.account.PutObject([]byte(`{"id":"cus_odd","object":"customer","created":1793600000,"livemode":false,"name":["Odd"]}`)))
	w.must(w.account.PutObject([]byte(`{"id":"cus_nul","object":"customer","created":1793600001,"livemode":false,"name":"a\u0000b"}`)))
	w.sim.Advance(time.Minute)
	report := w.sync("")
	if report.Status != syncrun.Partial || report.Quarantined != 2 || report.ErrorMessage == nil {
		t.Fatalf("%s, %d in quarantine: %v", report.Status, report.Quarantined, report.ErrorMessage)
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM members`); n != 3 {
		t.Errorf("%d members, want 3", n)
	}
	if c := w.current(w.c); c.State != connection.Degraded {
		t.Errorf("the connection is %s", c.State)
	}
}

// An upgrade learns a shape; what was kept is read again, under the ordering rule.
func TestTheQuarantineIsReadAgain(t *testing.T) {
	w := newWorld(t)
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	bea := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Bea"})
	w.sim.Advance(time.Minute)
	at := w.clock.Now()
	for _, id := range []string{ana, bea} {
		// As a version that did not understand the customer left it.
		raw, err := json.Marshal(latest(t, w.account, id))
		w.must(err)
		w.owner(`INSERT INTO quarantine (tenant_id, connection_id, pipeline_type, stream, source_id, reason, raw, api_version, observed_at, observed_until)
			VALUES ($1, $2, 'stripe', 'customers', $3, 'not understood', $4, $5, $6, $6)`, w.c.TenantID, w.c.ID, id, raw, simstripe.VersionDahlia, at)
	}
	w.owner(`INSERT INTO quarantine (tenant_id, connection_id, pipeline_type, stream, source_id, reason, raw, api_version, observed_at, observed_until)
		VALUES ($1, $2, 'stripe', 'customers', 'cus_odd', 'not understood', '{"id":"cus_odd","object":"customer"}', $3, $4, $4)`,
		w.c.TenantID, w.c.ID, simstripe.VersionDahlia, at)
	w.sim.Advance(time.Minute)
	ep := w.endpoint(w.door())
	w.must(w.account.DeleteCustomer(bea))
	w.deliver(ep)
	out, err := w.p.RereadQuarantine(t.Context(), w.current(w.c))
	w.must(err)
	if c := w.current(w.c); c.State != connection.Degraded { // one is held still
		t.Errorf("the connection is %s", c.State)
	}
	if out.Tried != 2 || out.Released != 1 || one[int](w, w.c, `SELECT count(*) FROM quarantine`) != 1 {
		t.Errorf("%+v, and the one that is still strange must stay", out)
	}
	if got := w.nameOf(w.c, ana); got != "Ana" {
		t.Errorf("the member is %q", got)
	}
	if got := one[string](w, w.c, `SELECT membership_status FROM members WHERE source_id = $1`, bea); got != "deleted" {
		t.Errorf("an old state from quarantine made the deleted member %q", got)
	}
	w.owner(`DELETE FROM quarantine`)
	w.owner(`UPDATE connection SET last_error_beside = 'push'`)
	if _, err := w.p.RereadQuarantine(t.Context(), w.current(w.c)); err != nil || w.current(w.c).LastError != nil {
		t.Errorf("nothing is held any more, and the connection says %v", w.current(w.c).LastError)
	}
}

// What comes beside the syncs is told, but it is no attempt that failed, and a refused key stays the first thing to say.
func TestWhatIsPushedCountsAsNoFailedAttempt(t *testing.T) {
	w := newWorld(t)
	sub := w.subscribe(w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"}), w.price(4500, "month"))
	w.sync("")
	ep := w.endpoint(w.door())
	push := func() {
		w.sim.Advance(time.Minute)
		strange := latest(t, w.account, sub)
		strange["status"] = "hibernating"
		raw, err := json.Marshal(strange)
		w.must(err)
		w.account.Emit("customer.subscription.updated", raw, nil)
		w.deliver(ep)
	}
	before := w.current(w.c)
	for range 3 {
		push()
	}
	c := w.current(w.c)
	if c.State != connection.Degraded || c.ConsecutiveFailures != 0 || !c.LastAttemptAt.Equal(*before.LastAttemptAt) {
		t.Errorf("the connection is %s after %d failed attempts, the last at %v", c.State, c.ConsecutiveFailures, c.LastAttemptAt)
	}
	w.owner(`UPDATE connection SET state = 'degraded', last_error = 'Stripe was away.', last_error_beside = NULL, consecutive_failures = 1`)
	push()
	if c := w.current(w.c); c.State != connection.Degraded || *c.LastError != "Stripe was away." {
		t.Errorf("a connection whose last attempt failed is %s: %s", c.State, *c.LastError)
	}
	w.owner(`UPDATE connection SET state = 'failed', last_error = 'The key is refused.', last_error_kind = 'unauthorized'`)
	push()
	if c := w.current(w.c); c.State != connection.Failed || *c.LastError != "The key is refused." {
		t.Errorf("a connection that waits for a person is %s: %s", c.State, *c.LastError)
	}
}
