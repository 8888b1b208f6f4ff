package schedule

import (
	"context"
	"fmt"
	"testing"
	"time"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/job"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

type pull = func(context.Context, *syncrun.Run) (syncrun.Outcome, error)

// member is work that writes one member and says so in a checkpoint.
func member(id string, part int) syncrun.Work {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	return syncrun.Work{
		Batch: &canonical.Batch{Source: canonical.Source{Platform: "stripe", AccountID: "acct_1"}, Members: []canonical.Member{{Head: canonical.Head{
			SourceID: id, Raw: []byte(`{}`), Observed: canonical.Observation{From: at, Until: at}}}}},
		Checkpoints: []syncrun.Checkpoint{{Stream: "customers", Part: part, Position: id, Records: 1}},
	}
}

func commits(ctx context.Context, run *syncrun.Run) (syncrun.Outcome, error) {
	return syncrun.Outcome{}, run.Commit(ctx, member("cus_1", 1))
}

func fails(err error) pull {
	return func(context.Context, *syncrun.Run) (syncrun.Outcome, error) { return syncrun.Outcome{}, err }
}

// asks asks for another sync while one runs.
func asks(w *world, c connection.Connection) pull {
	return func(context.Context, *syncrun.Run) (syncrun.Outcome, error) {
		w.request(c, syncrun.Knock, "")
		return syncrun.Outcome{}, nil
	}
}

func TestAJobIsDoneOnceHoweverOftenItComes(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Stripe, tenant.Pro)
	done := 0
	w.pull = func(context.Context, *syncrun.Run) (syncrun.Outcome, error) { done++; return syncrun.Outcome{}, nil }
	id := w.request(c, syncrun.Button, "")
	for _, j := range []job.Job{{Kind: job.Sync, RunID: id, Gen: 2}, {Kind: job.Sync, RunID: id + 1, Gen: 1}, {Kind: job.Sync, RunID: id, Gen: 0}} {
		if err := w.worker.Handle(t.Context(), j); err != nil || done != 0 {
			t.Errorf("%+v: done %d, %v", j, done, err)
		}
	}
	for range 3 {
		if err := w.worker.Handle(t.Context(), job.Job{Kind: job.Sync, RunID: id, Gen: 1}); err != nil || done != 1 {
			t.Errorf("done %d, %v", done, err)
		}
	}
}

func TestAFailureIsTriedAgainUntilItIsGivenUp(t *testing.T) {
	w := newWorld(t)
	set := w.settableClock()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	began := now
	set(now)
	c := w.connect(connection.MemberPress, tenant.Free)
	w.pull = fails(fault.New(fault.Unavailable, "The site does not answer."))
	turn := now.Add(10 * day)
	w.exec(`UPDATE connection SET next_sync_at = $1`, turn)
	w.request(c, syncrun.Button, "")
	for attempt := 1; attempt <= MaxAttempts; attempt++ {
		if state := w.text(`SELECT state FROM connection`); state == "failed" {
			t.Fatalf("given up before attempt %d", attempt)
		}
		jobs := w.engine.take()
		if len(jobs) != 1 {
			t.Fatalf("attempt %d has %d jobs", attempt, len(jobs))
		}
		if early := jobs[0].NotBefore.Sub(now); attempt > 1 {
			if err := w.worker.Handle(t.Context(), jobs[0]); err != nil { // the engine's clock is fast
				t.Fatal(err)
			}
			jobs = w.engine.take()
			if len(jobs) != 1 || jobs[0].NotBefore.Sub(now).Round(time.Second) != early.Round(time.Second) {
				t.Fatalf("a job that came early is to come again %+v", jobs)
			}
		}
		now = jobs[0].NotBefore
		set(now)
		if err := w.worker.Handle(t.Context(), jobs[0]); err != nil {
			t.Fatal(err)
		}
	}
	if left := w.engine.take(); len(left) != 0 {
		t.Errorf("after the last attempt there are %d jobs", len(left))
	}
	if took := now.Sub(began); took < 18*time.Hour || took > 30*time.Hour {
		t.Errorf("it took %v", took)
	}
	if got := w.text(`SELECT format('%s, %s failures, %s', state, consecutive_failures, last_error) FROM connection`); got != "failed, 10 failures, The site does not answer." {
		t.Errorf("the connection: %s", got)
	}
	if got := w.text(`SELECT (next_sync_at = $1)::text FROM connection`, turn); got != "true" {
		t.Error("the regular turn has moved")
	}
	w.pull = nil
	set(turn.Add(time.Minute))
	if n := w.tick(); n != 1 || w.work() != 1 {
		t.Error("the next period does not start it again")
	}
	if got := w.text(`SELECT state FROM connection`); got != "connected" {
		t.Errorf("it works again and is %s", got)
	}
}

func TestPatienceSpendsNoAttempt(t *testing.T) {
	w := newWorld(t)
	set := w.settableClock()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	set(now)
	c := w.connect(connection.Stripe, tenant.Pro)
	patience := fault.New(fault.RateLimited, "Stripe asks for patience.")
	patience.RetryAfter = 10 * time.Minute
	w.pull = fails(patience)
	w.request(c, syncrun.Button, syncrun.Full)
	for range 15 {
		jobs := w.engine.take()
		if len(jobs) != 1 {
			t.Fatalf("%d jobs", len(jobs))
		}
		if wait := jobs[0].NotBefore.Sub(now); wait != 0 && (wait < 10*time.Minute || wait > 13*time.Minute) {
			t.Errorf("it waits %v", wait)
		}
		now = jobs[0].NotBefore
		set(now)
		if err := w.worker.Handle(t.Context(), jobs[0]); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.text(`SELECT format('%s %s %s', mode, status, attempt) FROM sync_run ORDER BY run_id DESC LIMIT 1`); got != "full queued 1" {
		t.Errorf("after 15 times: %s", got)
	}
}

// A pass that takes longer than a job may is no failure as long as it gets on.
func TestALongPassGoesOnFromWhereItWas(t *testing.T) {
	w := newWorld(t)
	w.worker.Turn = 300 * time.Millisecond
	c := w.connect(connection.Stripe, tenant.Pro)
	part := 0
	w.pull = func(ctx context.Context, run *syncrun.Run) (syncrun.Outcome, error) {
		saved, err := run.Checkpoints(ctx)
		if err != nil || len(saved) != part {
			t.Errorf("turn %d begins with %d checkpoints, %v", part, len(saved), err)
		}
		if part++; part > 12 {
			return syncrun.Outcome{}, nil
		}
		if err := run.Commit(ctx, member(fmt.Sprint("cus_", part), part)); err != nil {
			return syncrun.Outcome{}, err
		}
		<-ctx.Done()
		return syncrun.Outcome{}, fmt.Errorf("read a page: %w", ctx.Err())
	}
	w.request(c, syncrun.Button, syncrun.Full)
	for range 12 {
		if w.work() != 1 {
			t.Fatal("it does not go on")
		}
		if got := w.text(`SELECT format('%s %s %s', mode, status, attempt) FROM sync_run ORDER BY run_id DESC LIMIT 1`); got != "full queued 1" {
			t.Fatalf("after turn %d: %s", part, got)
		}
		if got := w.text(`SELECT format('%s %s %s', state, consecutive_failures, last_error) FROM connection`); got != "pending 0 " {
			t.Fatalf("after turn %d the connection is %s", part, got)
		}
	}
	w.work()
	if got := w.text(`SELECT state FROM connection`); got != "connected" || part != 13 {
		t.Errorf("after %d turns the connection is %s", part, got)
	}
}

// One that got nowhere in its time, or whose reading would begin anew, has failed.
func TestATurnThatLeadsNowhereIsAFailure(t *testing.T) {
	for mode, commits := range map[syncrun.Mode]bool{syncrun.Full: false, "": true} {
		w := newWorld(t)
		w.worker.Turn = 300 * time.Millisecond
		c := w.connect(connection.Stripe, tenant.Pro)
		w.pull = func(ctx context.Context, run *syncrun.Run) (syncrun.Outcome, error) {
			if commits {
				if err := run.Commit(ctx, member("cus_1", 1)); err != nil {
					return syncrun.Outcome{}, err
				}
			}
			<-ctx.Done()
			return syncrun.Outcome{}, ctx.Err()
		}
		w.request(c, syncrun.Button, mode)
		w.work()
		if got := w.text(`SELECT format('%s %s', state, consecutive_failures) FROM connection`); got != "degraded 1" {
			t.Errorf("%q: the connection is %s", mode, got)
		}
		if got := w.text(`SELECT format('%s %s', status, attempt) FROM sync_run ORDER BY run_id DESC LIMIT 1`); got != "queued 2" {
			t.Errorf("%q: the next is %s", mode, got)
		}
	}
}

func TestARefusedKeyIsNotTriedAgain(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Stripe, tenant.Pro)
	w.pull = fails(fault.New(fault.Unauthorized, "The key is refused."))
	w.request(c, syncrun.Button, "")
	w.work()
	if n := w.work(); n != 0 {
		t.Errorf("%d more jobs", n)
	}
	w.expectRuns("after it", "incremental failed 1")
	if got := w.text(`SELECT state FROM connection`); got != "failed" {
		t.Errorf("the connection is %s", got)
	}
}

func TestAStoppingProcessHandsItsRunOn(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Stripe, tenant.Pro)
	w.request(c, syncrun.Button, syncrun.Full)
	stopping, stop := context.WithCancel(t.Context())
	w.pull = func(ctx context.Context, run *syncrun.Run) (syncrun.Outcome, error) {
		if err := run.Commit(ctx, member("cus_1", 1)); err != nil {
			return syncrun.Outcome{}, err
		}
		stop()
		<-ctx.Done()
		return syncrun.Outcome{}, ctx.Err()
	}
	if err := w.worker.Handle(stopping, w.engine.take()[0]); err != nil {
		t.Fatal(err)
	}
	w.expectRuns("after the stop", "full stopped 1, full queued 1")
	reached := 0
	w.pull = func(ctx context.Context, run *syncrun.Run) (syncrun.Outcome, error) {
		saved, err := run.Checkpoints(ctx)
		reached = len(saved)
		return syncrun.Outcome{}, err
	}
	w.work()
	if reached != 1 {
		t.Errorf("%d checkpoints were taken over", reached)
	}
}

func TestNoPlaceMeansALittlePatience(t *testing.T) {
	w := newWorld(t)
	w.ledger.MaxRuns = 2
	c := w.connect(connection.Stripe, tenant.Pro)
	expectWait := func(what string) {
		t.Helper()
		w.work()
		w.expectRuns(what, "incremental queued 1")
		left := w.engine.take()
		if len(left) != 1 || time.Until(left[0].NotBefore) < 10*time.Second || time.Until(left[0].NotBefore) > 30*time.Second {
			t.Fatalf("%s: %+v", what, left)
		}
		w.exec(`UPDATE sync_run SET not_before = now()`)
		w.engine.jobs = left
	}
	w.request(c, syncrun.Button, "")
	w.exec(`INSERT INTO run_slot SELECT i, nextval('run_slot_token'), NULL, now() + interval '1 hour' FROM generate_series(1, 2) i`)
	expectWait("all slots are taken")
	w.exec(`UPDATE run_slot SET expires_at = now() - interval '1 second' WHERE slot_id = 2`) // its holder died
	other := w.connect(connection.Stripe, tenant.Pro)
	run, ctx, err := w.ledger.Begin(t.Context(), other, syncrun.Replay, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.ledger.Begin(t.Context(), w.connect(connection.Stripe, tenant.Pro), syncrun.Full, 0); !fault.Is(err, fault.Busy) {
		t.Errorf("a third run began: %v", err)
	}
	if _, err := run.Finish(ctx, syncrun.Outcome{}, nil); err != nil {
		t.Error(err)
	}
	w.exec(`DELETE FROM sync_run WHERE status <> 'queued'`)
	run, ctx, err = w.ledger.Begin(t.Context(), c, syncrun.Replay, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.exec(`UPDATE run_slot SET token = NULL WHERE slot_id = 1`)
	w.work()
	if got := w.text(`SELECT status FROM sync_run WHERE mode = 'incremental'`); got != "queued" {
		t.Errorf("beside another run of the tenant it is %s", got)
	}
	if _, err := run.Finish(ctx, syncrun.Outcome{}, nil); err != nil {
		t.Error(err)
	}
	w.exec(`UPDATE sync_run SET not_before = now()`)
	w.work()
	if got := w.text(`SELECT status FROM sync_run WHERE mode = 'incremental'`); got != "succeeded" {
		t.Errorf("in the end it is %s", got)
	}
}

func TestARunWhoseConnectionIsGoneEnds(t *testing.T) {
	for _, state := range []string{"disconnected", "paused"} {
		w := newWorld(t)
		c := w.connect(connection.Stripe, tenant.Pro)
		w.request(c, syncrun.Button, "")
		w.exec(`UPDATE connection SET state = $1`, state)
		w.work()
		w.expectRuns(state, "incremental stopped 1")
	}
	w := newWorld(t)
	c := w.connect(connection.Website, tenant.Pro)
	delete(w.worker.Syncs, connection.Website)
	w.request(c, syncrun.Button, "")
	w.work()
	w.expectRuns("a pipeline of a newer release", "incremental queued 1")
}

func TestADeadWorkersRunIsGoneOnWith(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Stripe, tenant.Pro)
	id := w.request(c, syncrun.Button, "")
	dead, deadCtx, err := w.ledger.BeginQueued(t.Context(), c, syncrun.Ticket{RunID: id, Gen: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := dead.Become(deadCtx, syncrun.Full); err != nil {
		t.Fatal(err)
	}
	if err := dead.Commit(deadCtx, member("cus_1", 1)); err != nil {
		t.Fatal(err)
	}
	w.engine.take()
	if swept := w.sweep(); swept != (Swept{}) {
		t.Errorf("a living worker's run was swept: %+v", swept)
	}
	w.expire()
	if swept := w.sweep(); swept != (Swept{Resumed: 1}) {
		t.Errorf("swept %+v", swept)
	}
	if swept := w.sweep(); swept != (Swept{}) {
		t.Errorf("swept twice: %+v", swept)
	}
	late := dead.Commit(t.Context(), member("cus_late", 2))
	if !fault.Is(late, fault.Busy) {
		t.Errorf("the dead worker commits while its run waits: %v", late)
	}
	w.pull = func(ctx context.Context, run *syncrun.Run) (syncrun.Outcome, error) {
		saved, err := run.Checkpoints(ctx)
		if len(saved) != 1 || !run.Resumed || run.ID != id || run.Mode != syncrun.Full {
			t.Errorf("run %d (%s), resumed %t, has %d checkpoints", run.ID, run.Mode, run.Resumed, len(saved))
		}
		if late := dead.Commit(t.Context(), member("cus_late", 2)); !fault.Is(late, fault.Busy) {
			t.Errorf("the dead worker commits: %v", late)
		}
		return syncrun.Outcome{}, err
	}
	w.work()
	w.expectRuns("in the end", "full succeeded 2")
	_, _ = dead.Finish(deadCtx, syncrun.Outcome{}, nil)
	if got := w.text(`SELECT string_agg(source_id, ',') FROM members`); got != "cus_1" {
		t.Errorf("members %s", got)
	}
}

// expire makes all workers look dead.
func (w *world) expire() {
	w.exec(`UPDATE sync_run SET lease_expires_at = now() - interval '1 second' WHERE status = 'running'`)
	w.exec(`UPDATE run_slot SET expires_at = now() - interval '1 second' WHERE token IS NOT NULL`)
}

func TestADeadRunGivesWayToOneThatWaits(t *testing.T) {
	for _, swept := range []bool{true, false} {
		w := newWorld(t)
		c := w.connect(connection.Stripe, tenant.Pro)
		dead, ctx, err := w.ledger.Begin(t.Context(), c, syncrun.Full, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := dead.Commit(ctx, member("cus_1", 1)); err != nil {
			t.Fatal(err)
		}
		w.request(c, syncrun.Button, "")
		w.expire()
		if swept {
			if got := w.sweep(); got != (Swept{Ended: 1}) {
				t.Errorf("swept %+v", got)
			}
		}
		w.pull = func(ctx context.Context, run *syncrun.Run) (syncrun.Outcome, error) {
			if err := run.Become(ctx, syncrun.Full); err != nil {
				return syncrun.Outcome{}, err
			}
			saved, err := run.Checkpoints(ctx)
			if len(saved) != 1 {
				t.Errorf("swept %t: %d checkpoints were taken over", swept, len(saved))
			}
			return syncrun.Outcome{}, err
		}
		w.work()
		w.expectRuns("in the end", "full failed 1, full succeeded 1")
		_, _ = dead.Finish(ctx, syncrun.Outcome{}, nil)
	}
}

// A knock calls for little, so the run that waits for one does not do less than the dead one was to.
func TestARunForAKnockDoesTheWorkOfADeadOne(t *testing.T) {
	for _, swept := range []bool{true, false} {
		for _, mode := range []syncrun.Mode{syncrun.Full, syncrun.Incremental} {
			w := newWorld(t)
			c := w.connect(connection.MemberPress, tenant.Pro)
			dead, ctx, err := w.ledger.Begin(t.Context(), c, mode, 0)
			if err != nil {
				t.Fatal(err)
			}
			w.request(c, syncrun.Knock, "")
			w.expire()
			if swept {
				w.sweep()
			}
			w.pull = func(_ context.Context, run *syncrun.Run) (syncrun.Outcome, error) {
				if run.Mode != mode || run.Cause == syncrun.Knock {
					t.Errorf("swept %t: after a dead %s run comes a %s run for a %s", swept, mode, run.Mode, run.Cause)
				}
				return syncrun.Outcome{}, nil
			}
			if w.work() != 1 {
				t.Error("nothing was done")
			}
			_, _ = dead.Finish(ctx, syncrun.Outcome{}, nil)
		}
	}
}

func TestACommandResumesWhatASweepQueued(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Stripe, tenant.Pro)
	dead, deadCtx, err := w.ledger.Begin(t.Context(), c, syncrun.Full, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.expire()
	w.sweep()
	heir, ctx, err := w.ledger.Begin(t.Context(), c, syncrun.Full, 0)
	if err != nil || !heir.Resumed || heir.ID != dead.ID {
		t.Fatalf("%+v, %v", heir, err)
	}
	w.work() // the sweep's delivery comes too late
	if _, err := heir.Finish(ctx, syncrun.Outcome{}, nil); err != nil {
		t.Error(err)
	}
	w.expectRuns("in the end", "full succeeded 2")
	_, _ = dead.Finish(deadCtx, syncrun.Outcome{}, nil)
}

func TestARunThatKillsItsWorkersIsGivenUp(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Stripe, tenant.Pro)
	w.request(c, syncrun.Button, "")
	ended := 0
	for range MaxAttempts {
		w.exec(`UPDATE sync_run SET not_before = now()`)
		id, gen := w.waiting()
		run, ctx, err := w.ledger.BeginQueued(t.Context(), c, syncrun.Ticket{RunID: id, Gen: gen})
		if err != nil {
			t.Fatal(err)
		}
		w.expire()
		ended += w.sweep().Ended
		_, _ = run.Finish(ctx, syncrun.Outcome{}, nil)
	}
	if ended != 1 {
		t.Errorf("it ended %d times", ended)
	}
	w.expectRuns("in the end", "incremental failed 10")
	if got := w.text(`SELECT format('%s %s', state, last_error) FROM connection`); got != "failed The program ended 10 times before this sync did; the operator's log has the details." {
		t.Errorf("the connection: %s", got)
	}
}

func (w *world) waiting() (id int64, gen int32) {
	w.t.Helper()
	if err := w.owner.QueryRow(w.t.Context(), `SELECT run_id, gen FROM sync_run WHERE status = 'queued'`).Scan(&id, &gen); err != nil {
		w.t.Fatal(err)
	}
	return id, gen
}

func TestReplaysAndVerificationsOfDeadWorkersAreClosed(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Stripe, tenant.Pro)
	for _, mode := range []syncrun.Mode{syncrun.Replay, syncrun.Verify} {
		run, ctx, err := w.ledger.Begin(t.Context(), c, mode, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = run.Finish(ctx, syncrun.Outcome{}, nil) }()
	}
	err := w.db.TenantTx(t.Context(), c.TenantID, func(tx *postgres.TenantTx) error {
		w.ledger.CountLive(tx, c, syncrun.Push{Events: 1}) // which has no worker
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.expire()
	if swept := w.sweep(); swept != (Swept{Ended: 2}) {
		t.Errorf("swept %+v", swept)
	}
	w.expectRuns("after it", "replay failed 1, verify failed 1, live running 1")
}

func TestALostDeliveryIsSentAgain(t *testing.T) {
	w := newWorld(t)
	set := w.settableClock()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	set(now)
	c := w.connect(connection.Stripe, tenant.Pro)
	w.request(c, syncrun.Button, "")
	first := w.engine.take()[0]
	began, sent := now, 0
	for range 12 * 60 { // two hours
		now = now.Add(10 * time.Second)
		set(now)
		sent += w.sweep().Redelivered
	}
	if sent < 4 || sent > 8 {
		t.Errorf("within two hours it was sent %d times more", sent)
	}
	jobs := w.engine.take()
	done := 0
	w.pull = func(context.Context, *syncrun.Run) (syncrun.Outcome, error) { done++; return syncrun.Outcome{}, nil }
	for _, j := range append([]job.Job{first}, jobs...) { // and then all of them come
		if !j.NotBefore.Equal(began) {
			t.Errorf("generation %d queues up at %v; it waits since %v", j.Gen, j.NotBefore, began)
		}
		if err := w.worker.Handle(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	if done != 1 {
		t.Errorf("it was done %d times", done)
	}
}

func TestARunThatLostItsSlotTakesAnother(t *testing.T) {
	w := newWorld(t)
	w.ledger.MaxRuns, w.ledger.TTL = 1, 600*time.Millisecond
	c := w.connect(connection.Stripe, tenant.Pro)
	run, ctx, err := w.ledger.Begin(t.Context(), c, syncrun.Full, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.exec(`UPDATE run_slot SET token = nextval('run_slot_token'), expires_at = now() + interval '1 hour'`) // another's now
	<-ctx.Done()
	if err := context.Cause(ctx); fault.KindOf(err) != "" { // the source has no part in it
		t.Errorf("without a place it ends with %v", err)
	}
	report, err := run.Finish(ctx, syncrun.Outcome{}, ctx.Err())
	if err != nil || report.Status != syncrun.Failed {
		t.Errorf("%+v, %v", report, err)
	}
	if got := w.text(`SELECT (token IS NOT NULL)::text FROM run_slot`); got != "true" {
		t.Error("it gave another's slot back")
	}
	w.ledger.MaxRuns = 2
	run, ctx, err = w.ledger.Begin(t.Context(), c, syncrun.Full, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.exec(`UPDATE run_slot SET expires_at = now() - interval '1 second', token = nextval('run_slot_token') WHERE slot_id = 2`)
	wait(t, "it takes another slot", func() bool {
		return w.text(`SELECT coalesce(max(held_by), 0)::text FROM run_slot`) == fmt.Sprint(run.ID)
	})
	if ctx.Err() != nil {
		t.Error(context.Cause(ctx))
	}
	if _, err := run.Finish(ctx, syncrun.Outcome{}, nil); err != nil {
		t.Error(err)
	}
}

// wait waits for a condition.
func wait(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(30 * time.Second); !holds(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatal("in vain: " + what)
		}
	}
}

// cutOff loses its connection to the database in the middle of a commit, as with a restart of PostgreSQL.
func cutOff(ctx context.Context, run *syncrun.Run) (syncrun.Outcome, error) {
	work := member("cus_1", 1)
	work.Also = func(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) error {
		_, err := tx.Exec(ctx, `SELECT pg_terminate_backend(pg_backend_pid())`)
		return err
	}
	return syncrun.Outcome{}, run.Commit(ctx, work)
}

func TestARestartOfTheDatabaseIsNoFailureOfTheSource(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Stripe, tenant.Pro)
	w.pull = cutOff
	w.request(c, syncrun.Button, "")
	w.work()
	w.expectRuns("it goes on at once", "incremental failed 1, incremental queued 2")
	if got := w.text(`SELECT format('%s %s %s', state, consecutive_failures, last_error) FROM connection`); got != "pending 0 " {
		t.Errorf("the connection is %s", got)
	}
	w.pull = commits
	if n := w.work(); n != 1 {
		t.Errorf("%d jobs are there", n)
	}
	w.expectRuns("afterwards", "incremental failed 1, incremental succeeded 2")

	w.exec(`UPDATE connection SET state = 'pending'`)
	w.pull = cutOff // each time: then it is the run that does it
	w.request(c, syncrun.Button, "")
	set, now := w.settableClock(), time.Now()
	for range MaxAttempts {
		w.work()
		now = now.Add(7 * time.Hour)
		set(now)
	}
	if got := w.text(`SELECT format('%s %s %s', state, consecutive_failures, last_error IS NOT NULL) FROM connection`); got != "failed 1 t" {
		t.Errorf("after ten times the connection is %s", got)
	}
}
