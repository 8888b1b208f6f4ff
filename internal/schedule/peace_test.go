package schedule

import (
	"fmt"
	"testing"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// unasked is what a pipeline gets that was not let through to its site.
func unasked(kind fault.Kind, retryAfter time.Duration) error {
	refused := fault.Wrap(kind, care.ErrNotAsked, "lakeside.example is left in peace for a while.")
	refused.RetryAfter = retryAfter
	return fmt.Errorf("page 3: %w", refused)
}

func TestASiteThatIsLeftInPeaceCostsNoAttempt(t *testing.T) {
	w := newWorld(t)
	set := w.settableClock()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	set(now)
	c := w.connect(connection.MemberPress, tenant.Pro)
	w.pull = fails(unasked(fault.Unavailable, 10*time.Minute))
	w.request(c, syncrun.Knock, "")
	for range 15 {
		jobs := w.engine.take()
		if len(jobs) != 1 {
			t.Fatalf("%d jobs", len(jobs))
		}
		if wait := jobs[0].NotBefore.Sub(now); wait != 0 && (wait < 10*time.Minute || wait > 12*time.Minute) {
			t.Errorf("it waits %v", wait)
		}
		now = jobs[0].NotBefore
		set(now)
		if err := w.worker.Handle(t.Context(), jobs[0]); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.text(`SELECT format('%s %s', status, attempt) FROM sync_run ORDER BY run_id DESC LIMIT 1`); got != "queued 1" {
		t.Errorf("after 15 times: %s", got)
	}
	if got := w.text(`SELECT format('%s, %s failures', state, consecutive_failures) FROM connection`); got != "pending, 0 failures" {
		t.Errorf("the connection: %s", got)
	}
	w.pull = nil
	set(now.Add(time.Hour))
	w.work()
	if got := w.text(`SELECT state FROM connection`); got != "connected" {
		t.Errorf("when the site is asked again the connection is %s", got)
	}
}

func TestAPersonIsBelievedThatTheSiteWorksAgain(t *testing.T) {
	for cause, want := range map[syncrun.Cause]string{
		syncrun.Button: "closed", syncrun.Connecting: "closed", syncrun.Knock: "open", syncrun.PlanChange: "open",
	} {
		w := newWorld(t)
		c := w.connect(connection.MemberPress, tenant.Pro)
		permit, err := care.New(w.db, care.Config{}).Begin(t.Context(), care.Place{Tenant: c.TenantID, Connection: c.ID, Site: "lakeside.example"})
		if err != nil {
			t.Fatal(err)
		}
		if err := permit.Done(t.Context(), care.Outcome{Verdict: care.Gone, Requests: 1}); err != nil {
			t.Fatal(err)
		}
		w.request(c, cause, "")
		if got := w.text(`SELECT breaker FROM connection_care`); got != want {
			t.Errorf("after %s the breaker is %s", cause, got)
		}
	}
}
