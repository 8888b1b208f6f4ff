package schedule

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

func TestATickAsksForWhatIsDueOnce(t *testing.T) {
	w := newWorld(t)
	w.connect(connection.Stripe, tenant.Pro)
	w.connect(connection.MemberPress, tenant.Free)
	if n := w.tick(); n != 0 {
		t.Errorf("%d were asked for although nothing is due", n)
	}
	w.makeDue()
	if n := w.tick(); n != 2 {
		t.Errorf("%d were asked for, of 2", n)
	}
	if n := w.tick(); n != 0 {
		t.Errorf("%d were asked for twice", n)
	}
	w.expectRuns("after the tick", "incremental queued 1, incremental queued 1")
	if got := w.text(`SELECT string_agg(format('%s %s', cause, cadence), ', ' ORDER BY run_id) FROM sync_run`); got != "schedule 24:00:00, schedule 720:00:00" {
		t.Errorf("the runs are of %s", got)
	}
	if got := w.text(`SELECT bool_and(next_sync_at BETWEEN now() + c.cadence / 2 AND now() + c.cadence * 1.5)::text
		FROM connection JOIN sync_run c USING (connection_id)`); got != "true" {
		t.Error("the next turns are not about a period away")
	}
	if n := w.work(); n != 2 {
		t.Errorf("%d jobs for 2 runs", n)
	}
	w.expectRuns("after the work", "incremental succeeded 1, incremental succeeded 1")
	if got := w.text(`SELECT count(*)::text FROM run_slot WHERE token IS NOT NULL`); got != "0" {
		t.Errorf("%s slots were not given back", got)
	}
}

func TestWhatIsAskedForIsAwaitedUntilItComes(t *testing.T) {
	w := newWorld(t)
	set := w.settableClock()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	set(now)
	c := w.connect(connection.Stripe, tenant.Pro)
	expect := func(what, want string) {
		t.Helper()
		if got := w.text(`SELECT coalesce(to_char(awaited_since AT TIME ZONE 'UTC', 'DD HH24:MI'), 'nothing') FROM connection`); got != want {
			t.Errorf("%s: awaited since %s, want %s", what, got, want)
		}
	}
	due := func(what, since string) {
		t.Helper()
		expect(what, since)
		w.work()
		expect(what+", and it came", "nothing")
	}
	w.request(c, syncrun.Connecting, "")
	due("connected", "01 12:00")
	w.exec(`UPDATE connection SET next_sync_at = '2026-03-01 13:30+00'`)
	set(now.Add(2 * time.Hour))
	w.tick()
	due("by the schedule, half an hour late", "01 13:30")
	w.request(c, syncrun.Button, "")
	due("by a button", "01 14:00")
}

func TestTicksAtTheSameTimeAskOnce(t *testing.T) {
	w := newWorld(t)
	for range 5 {
		w.connect(connection.Stripe, tenant.Pro)
	}
	w.makeDue()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := w.scheduler.Tick(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	w.tick()
	if got := w.text(`SELECT count(*)::text FROM sync_run`); got != "5" || len(w.engine.take()) != 5 {
		t.Errorf("%s runs for 5 connections", got)
	}
}

func TestWhatPiledUpComesAtThePace(t *testing.T) {
	w := newWorld(t)
	set := w.settableClock()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	set(now)
	for range 20 {
		w.connect(connection.Stripe, tenant.Pro)
	}
	w.makeDue()
	w.exec(`UPDATE connection SET next_sync_at = next_sync_at - interval '1 day' WHERE source_account_id >= 'acct_5'`)
	var starts []int
	for range 200 {
		starts = append(starts, w.tick())
		now = now.Add(DefaultEvery)
		set(now)
	}
	if starts[0] != int(leastBurst) {
		t.Errorf("the first tick asks for %d", starts[0])
	}
	if got := w.text(`SELECT min(source_account_id) FROM connection WHERE connection_id IN (SELECT connection_id FROM sync_run ORDER BY run_id LIMIT 5)`); got != "acct_5" {
		t.Errorf("the longest overdue do not come first: %s", got)
	}
	total := 0
	for i, n := range starts {
		if total += n; i > 0 && n > 1 {
			t.Errorf("tick %d asks for %d", i, n)
		}
	}
	if total != 20 {
		t.Errorf("%d of 20 were asked for", total)
	}
}

func TestWhatASwitchHoldsStaysDue(t *testing.T) {
	w := newWorld(t)
	set := w.settableClock()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	set(now)
	held := w.connect(connection.Stripe, tenant.Pro)
	w.connect(connection.MemberPress, tenant.Pro)
	for i, name := range []string{"all", "pipeline:stripe", "tenant:" + held.TenantID.String()} {
		w.makeDue()
		w.throw(name, time.Hour)
		if n := w.tick(); n != min(i, 1) {
			t.Errorf("under %s %d are asked for", name, n)
		}
		now = now.Add(2 * time.Hour) // the switch ends by itself
		set(now)
		if n := w.tick(); n != 2-min(i, 1) {
			t.Errorf("after %s %d are asked for", name, n)
		}
		w.work()
	}
}

func TestARunThatASwitchStoppedIsDueWhenItEnds(t *testing.T) {
	w := newWorld(t)
	set := w.settableClock()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	set(now)
	c := w.connect(connection.MemberPress, tenant.Free)
	w.makeDue()
	w.tick()
	w.throw("pipeline:memberpress", time.Hour)
	w.pull = commits
	w.work()
	w.expectRuns("under the switch", "incremental stopped 1")
	set(now.Add(30 * time.Minute))
	if n := w.tick(); n != 0 {
		t.Error("it is asked for under the switch")
	}
	set(now.Add(61 * time.Minute))
	if n := w.tick(); n != 1 {
		t.Error("it is not asked for after the switch, and its next turn is in a month")
	}
	w.work()
	w.expectRuns("after the switch", "incremental stopped 1, incremental succeeded 1")
	if got := w.text(`SELECT state FROM connection WHERE connection_id = $1`, c.ID); got != "connected" {
		t.Errorf("the connection is %s", got)
	}
}

func TestPausedAndDisconnectedAreNotAskedFor(t *testing.T) {
	w := newWorld(t)
	for _, state := range []string{"paused", "disconnected", "failed", "degraded"} {
		c := w.connect(connection.Stripe, tenant.Pro)
		w.exec(`UPDATE connection SET state = $2 WHERE connection_id = $1`, c.ID, state)
	}
	w.makeDue()
	if n := w.tick(); n != 2 { // what has failed gets another chance with each period
		t.Errorf("%d are asked for", n)
	}
	if got := w.text(`SELECT string_agg(state, ' ' ORDER BY state) FROM connection WHERE next_sync_at < now()`); got != "disconnected paused" {
		t.Errorf("still due: %s", got)
	}
}

func TestAConnectionThatNoClockKnowsIsNotForgotten(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Stripe, tenant.Free)
	if n := w.tick(); n != 0 {
		t.Errorf("%d are asked for at once", n)
	}
	w.exec(`UPDATE connection SET connected_at = now() - interval '11 minutes'`)
	w.throw("pipeline:stripe", 0)
	if n := w.tick(); n != 0 {
		t.Errorf("%d are asked for under a switch", n)
	}
	w.exec(`DELETE FROM switch`)
	if n := w.tick(); n != 1 || w.work() != 1 {
		t.Errorf("%d are asked for", n)
	}
	if got := w.text(`SELECT (next_sync_at > now())::text FROM connection WHERE connection_id = $1`, c.ID); got != "true" {
		t.Error("it is not due again")
	}
}

func TestRequestsJoinTheRunThatWaits(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Stripe, tenant.Pro)
	first := w.request(c, syncrun.Button, "")
	for range 3 {
		if again := w.request(c, syncrun.Knock, ""); again != first {
			t.Errorf("another run %d beside %d", again, first)
		}
	}
	w.request(c, syncrun.Button, syncrun.Full)
	w.expectRuns("while it waits", "full queued 1")
	w.work() // all the deliveries
	w.expectRuns("after the work", "full succeeded 1")
	second := w.request(c, syncrun.Button, "")
	if second == first {
		t.Error("a run that ended was asked for again")
	}
	w.pull = asks(w, c)
	w.work()
	w.pull = nil
	w.expectRuns("asked for while it ran", "full succeeded 1, incremental succeeded 1, incremental queued 1")
	w.work()
	w.expectRuns("in the end", "full succeeded 1, incremental succeeded 1, incremental succeeded 1")
}

func TestAPersonBringsARetryForwardAndAKnockDoesNot(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.MemberPress, tenant.Pro)
	w.pull = fails(fault.New(fault.Unavailable, "The site does not answer."))
	w.request(c, syncrun.Button, "")
	w.work()
	w.expectRuns("after a failure", "incremental failed 1, incremental queued 2")
	w.engine.take()
	w.request(c, syncrun.Knock, "")
	w.work()
	w.expectRuns("after a knock", "incremental failed 1, incremental queued 2")
	w.engine.take()
	w.request(c, syncrun.Button, "")
	w.pull = nil
	w.work()
	w.expectRuns("after a button", "incremental failed 1, incremental succeeded 1")
}

func TestASourceThatKnocksWhileItsSyncFailsIsNotAskedMoreOften(t *testing.T) {
	for name, failure := range map[string]error{
		"unavailable": fault.New(fault.Unavailable, "The site does not answer."),
		"rate limit":  fault.New(fault.RateLimited, "The site asks for patience."),
	} {
		w := newWorld(t)
		c := w.connect(connection.MemberPress, tenant.Pro)
		tries := 0
		w.pull = func(context.Context, *syncrun.Run) (syncrun.Outcome, error) {
			tries++
			w.request(c, syncrun.Knock, "")
			return syncrun.Outcome{}, failure
		}
		w.request(c, syncrun.Knock, "")
		for range 5 {
			w.work() // a delivery that comes too early is put off
			w.request(c, syncrun.Knock, "")
		}
		if tries != 1 {
			t.Errorf("%s: it was asked %d times at once: %s", name, tries, w.runs())
		}
		if got := w.text(`SELECT (not_before > memberintel_now() + interval '30 seconds')::text FROM sync_run WHERE status = 'queued'`); got != "true" {
			t.Errorf("%s: the next try does not wait", name)
		}
	}
}

// Less may be read for a knock than at a regular turn, which must not be lost in it.
func TestATurnThatMeetsAKnockIsATurn(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.MemberPress, tenant.Pro)
	cause := syncrun.Cause("")
	w.pull = func(_ context.Context, run *syncrun.Run) (syncrun.Outcome, error) {
		cause = run.Cause
		return syncrun.Outcome{}, nil
	}
	for _, steps := range []func(){
		func() { w.request(c, syncrun.Knock, ""); w.tick() },
		func() { w.tick(); w.request(c, syncrun.Knock, "") },
	} {
		w.exec(`UPDATE connection SET next_sync_at = memberintel_now() - interval '1 minute'`)
		steps()
		if w.work(); cause != syncrun.Scheduled {
			t.Errorf("it was a run for a %s", cause)
		}
	}
	w.request(c, syncrun.Knock, "")
	if w.work(); cause != syncrun.Knock {
		t.Errorf("a knock alone was a run for a %s", cause)
	}
}

func TestAKnockDoesNotStartWhatHasFailed(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.MemberPress, tenant.Pro)
	w.pull = fails(fault.New(fault.Unauthorized, "The key is refused."))
	w.request(c, syncrun.Button, "")
	w.work()
	if id := w.request(c, syncrun.Knock, ""); id != 0 || w.work() != 0 {
		t.Errorf("a knock started run %d of a connection that waits for a person", id)
	}
	w.pull = nil
	w.request(c, syncrun.Button, "")
	w.work()
	w.expectRuns("after a person", "incremental failed 1, incremental succeeded 1")
}

// What the service itself has brought is taken, and says nothing about the source that has failed.
func TestWhatTheServiceBroughtIsTakenForWhatHasFailed(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Website, tenant.Pro)
	w.pull = fails(fault.New(fault.NotPermitted, "A firewall stands before the site."))
	w.request(c, syncrun.Button, "")
	w.work()
	health := func() string {
		return w.text(`SELECT format('%s %s %s %s', state, last_error, consecutive_failures, awaited_since) FROM connection`)
	}
	before := health()
	for name, outcome := range map[string]syncrun.Outcome{"well": {Unasked: true}, "of no use": {Unasked: true, Problem: "It could not be read."}} {
		w.pull = func(_ context.Context, run *syncrun.Run) (syncrun.Outcome, error) {
			if run.Cause != syncrun.Knock {
				t.Errorf("the cause is %s", run.Cause)
			}
			return outcome, nil
		}
		id, err := w.scheduler.RequestNow(t.Context(), Order{ConnectionID: c.ID, Cause: syncrun.Knock, Brought: true})
		if err != nil || id == 0 || w.work() != 1 {
			t.Errorf("%s: nothing came of it: run %d, %v", name, id, err)
		}
		if got := health(); got != before || !strings.HasPrefix(got, "failed A firewall") {
			t.Errorf("%s: the connection was %q and is %q", name, before, got)
		}
	}
}

// Nobody waits for a success of a source that is not asked.
func TestWhatTheServiceBroughtIsNoSuccessThatIsDue(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Website, tenant.Pro)
	w.request(c, syncrun.Button, "")
	w.work()
	w.pull = func(context.Context, *syncrun.Run) (syncrun.Outcome, error) {
		return syncrun.Outcome{Unasked: true}, nil
	}
	if _, err := w.scheduler.RequestNow(t.Context(), Order{ConnectionID: c.ID, Cause: syncrun.Knock, Brought: true}); err != nil {
		t.Fatal(err)
	}
	w.work()
	if got := w.text(`SELECT format('%s %s', state, awaited_since IS NULL) FROM connection`); got != "connected t" {
		t.Errorf("the connection is %s", got)
	}
	w.exec(`UPDATE connection SET state = 'degraded', last_error = 'The site was down.'`)
	if _, err := w.scheduler.RequestNow(t.Context(), Order{ConnectionID: c.ID, Cause: syncrun.Knock, Brought: true}); err != nil {
		t.Fatal(err)
	}
	w.work()
	if got := w.text(`SELECT format('%s %s', state, last_error) FROM connection`); got != "degraded The site was down." {
		t.Errorf("the connection is %s", got)
	}
}

func TestANewConnectionAndANewPlanAreServedAtOnce(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Stripe, tenant.Free)
	turn := func() time.Duration {
		var seconds float64
		w.scan(&seconds, `SELECT extract(epoch FROM next_sync_at - now())::float8 FROM connection`)
		return time.Duration(seconds) * time.Second
	}
	w.request(c, syncrun.Connecting, "")
	if got := turn(); got < -time.Second || got > 7*day {
		t.Errorf("the first turn is in %v", got)
	}
	w.work()
	w.exec(`UPDATE connection SET next_sync_at = now() + interval '6 days'`)
	if _, err := identity.SetPlan(t.Context(), w.db, c.TenantID, tenant.Pro, "olga"); err != nil {
		t.Fatal(err)
	}
	w.request(c, syncrun.PlanChange, "")
	if got := turn(); got > day {
		t.Errorf("on pro the next turn is in %v", got)
	}
	w.expectRuns("on pro", "incremental succeeded 1, incremental queued 1")
	w.work()
	if _, err := identity.SetPlan(t.Context(), w.db, c.TenantID, tenant.Free, "olga"); err != nil {
		t.Fatal(err)
	}
	if id := w.request(c, syncrun.PlanChange, ""); id != 0 {
		t.Error("a sync on the day on which free begins")
	}
	if got := turn(); got < -time.Second || got > 7*day {
		t.Errorf("on free the next turn is in %v", got)
	}
	w.exec(`UPDATE connection SET state = 'disconnected'`)
	if _, err := w.scheduler.RequestNow(t.Context(), Order{ConnectionID: c.ID, Cause: syncrun.Button}); !fault.Is(err, fault.NotFound) {
		t.Errorf("a disconnected one: %v", err)
	}
}
