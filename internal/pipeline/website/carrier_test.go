package website

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/sim/claude"
)

func TestQuestionsGoInABatchAndTheirAnswersComeBack(t *testing.T) {
	c := newCounter(t, 3)
	c.putAll()
	if n := c.step(); n != 1 {
		t.Errorf("%d steps", n)
	}
	c.pass(pollAll)
	c.step() // it is not done yet
	if got := c.takeAll(); len(got) != 0 {
		t.Errorf("answers %v", got)
	}
	c.pass(pollAll)
	c.step()
	got := c.takeAll()
	if len(got) != 3 || got[0].Answer.Text == "" || !got[0].Answer.whole() {
		t.Errorf("answers %+v", got)
	}
	c.calls("3 settled")
	c.closed()
	if n := c.step() + len(c.takeAll()); n != 0 {
		t.Errorf("%d more to do", n)
	}
	if bills := c.sim.Bills(); len(bills) != 3 || !bills[0].Batch {
		t.Errorf("bills %+v", bills)
	}
}

func TestTheAnswerToABatchesCreationIsLost(t *testing.T) {
	c := newCounter(t, 3, func(cfg *claude.Config) { cfg.BatchTime = time.Hour })
	// Somebody else's batch of the same size in the same workspace, and one that is smaller.
	c.foreign(3)
	c.foreign(1)
	c.sim.Fault(claude.Fault{Kind: claude.Lost, Path: "/batches", Count: 1})
	c.putAll()
	c.step()
	c.addSite("Latecomers")
	c.put(3)
	for range 28 { // one may be ours and cannot be looked into: nothing else is sent
		c.pass(recoverAll)
		c.step()
	}
	c.calls("4 reserved")
	if n := c.text(`SELECT count(*)::text FROM llm_batch`); n != "1" {
		t.Errorf("%s batches were sent while it was not known what had become of the first", n)
	}
	c.pass(2 * recoverAll)
	c.step() // found
	c.pass(pollAll)
	c.step() // fetched, and the question that came later goes with the next batch
	c.pass(time.Hour)
	c.step()
	if got := c.takeAll(); len(got) != 4 {
		t.Errorf("%d answers", len(got))
	}
	c.calls("4 settled")
	c.closed()
	ours := map[string]int{}
	for _, b := range c.sim.Bills() {
		if b.CustomID[:3] == "mi-" {
			ours[b.CustomID]++
		}
	}
	for id, n := range ours {
		if n != 1 {
			t.Errorf("%s was paid for %d times", id, n)
		}
	}
	if len(ours) != 4 {
		t.Errorf("%d questions were answered: %v", len(ours), ours)
	}
}

func TestABatchThatNeverCameToClaudeIsSentAgain(t *testing.T) {
	for name, fault := range map[string]claude.Fault{
		"cut off":    {Kind: claude.Dropped, Path: "/batches", Count: 1},
		"overloaded": {Kind: claude.Overloaded, Path: "/batches", Count: 1, After: 400},
		"a proxy":    {Kind: claude.HTMLError, Path: "/batches", Count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounter(t, 2)
			c.sim.Fault(fault)
			c.putAll()
			c.step()
			for range 20 {
				c.pass(2 * time.Minute)
				c.step()
			}
			if got := c.takeAll(); len(got) != 2 {
				t.Errorf("%d answers", len(got))
			}
			c.calls("2 settled")
			c.closed()
			if n := len(c.sim.Bills()); n != 2 {
				t.Errorf("paid %d times", n)
			}
		})
	}
}

func TestAWorkerDiesBetweenPackingAndSending(t *testing.T) {
	c := newCounter(t, 2)
	c.putAll()
	if _, found, err := c.carrier.pack(t.Context()); !found || err != nil {
		t.Fatal(found, err)
	}
	if n := c.step(); n != 0 {
		t.Errorf("another one touched it: %d", n)
	}
	for range 5 {
		c.pass(workFor)
		c.step()
	}
	c.takeAll()
	c.calls("2 settled")
	c.closed()
	if n := len(c.sim.Bills()); n != 2 {
		t.Errorf("paid %d times", n)
	}
}

func TestResultsThatComeTwiceOrNotAtAll(t *testing.T) {
	for name, test := range map[string]struct {
		fault   claude.Fault
		calls   string
		answers string
	}{
		"doubled": {claude.Fault{Kind: claude.Doubled}, "3 settled", "map[succeeded:3]"},
		"missing": {claude.Fault{Kind: claude.Missing}, "2 settled, 1 unknown", "map[missing:1 succeeded:2]"},
		"expired": {claude.Fault{Kind: claude.ExpiredResult}, "3 released", "map[expired:3]"},
		"errored": {claude.Fault{Kind: claude.ErroredResult}, "3 released", "map[errored:3]"},
		"cut":     {claude.Fault{Kind: claude.Cut, Path: "/results", Count: 2}, "3 settled", "map[succeeded:3]"},
		"down":    {claude.Fault{Kind: claude.Overloaded, Path: "/results", Count: 2}, "3 settled", "map[succeeded:3]"},
		"lost":    {claude.Fault{Kind: claude.Lost, Path: "/results", Count: 2}, "3 settled", "map[succeeded:3]"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounter(t, 3)
			c.sim.Fault(test.fault)
			c.putAll()
			c.step()
			for range 6 {
				c.pass(pollAll)
				c.step()
			}
			outcomes := map[string]int{}
			for _, r := range c.takeAll() {
				outcomes[r.Outcome]++
			}
			if got := fmt.Sprint(outcomes); got != test.answers {
				t.Errorf("answers %s, want %s", got, test.answers)
			}
			c.calls(test.calls)
			c.closed()
		})
	}
}

func TestAQuestionThatFailedIsPutAgain(t *testing.T) {
	c := newCounter(t, 1)
	remove := c.sim.Fault(claude.Fault{Kind: claude.ExpiredResult})
	first := c.put(0)
	c.step()
	c.pass(10 * time.Minute)
	c.step()
	remove()
	again := c.put(0) // although nobody has taken the answer
	if again.Attempt != 1 || again.CallID != first.CallID {
		t.Errorf("what cost nothing spent an attempt: %+v", again)
	}
	c.step()
	c.pass(10 * time.Minute)
	c.step()
	if got := c.takeAll(); len(got) != 1 || got[0].Outcome != outcomeSucceeded {
		t.Errorf("answers %+v", got)
	}
	c.closed()
}

func TestTheSwitchHoldsBatchesBack(t *testing.T) {
	c := newCounter(t, 2)
	c.putAll()
	held := "tenant:" + c.sites[0].TenantID.String()
	if err := guard.Throw(t.Context(), c.db, guard.Claude, "stop", "olga", 0); err != nil {
		t.Fatal(err)
	}
	if n := c.step(); n != 0 {
		t.Errorf("%d steps although the switch is on", n)
	}
	c.off(guard.Claude)
	if err := guard.Throw(t.Context(), c.db, held, "stop", "olga", 0); err != nil {
		t.Fatal(err)
	}
	c.step()
	c.pass(10 * time.Minute)
	c.step()
	if got := c.takeAll(); len(got) != 1 {
		t.Errorf("%d answers, want that of the tenant which is not held", len(got))
	}
	// What was held for too long is taken back and costs nothing.
	c.pass(12 * time.Hour)
	c.step()
	c.off(held)
	c.step()
	c.calls("1 released, 1 settled")
	c.closed()
}

func TestManyCarriersSendOneBatch(t *testing.T) {
	c := newCounter(t, 4)
	c.putAll()
	for range 4 {
		var carriers sync.WaitGroup
		for range 8 {
			carriers.Go(func() {
				if _, err := c.carrier.step(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		carriers.Wait()
		c.pass(10 * time.Minute)
	}
	if got := c.takeAll(); len(got) != 4 {
		t.Errorf("%d answers", len(got))
	}
	if n := len(c.sim.Bills()); n != 4 {
		t.Errorf("paid %d times", n)
	}
	c.closed()
}

func TestABatchWaitsForOthersForAWhile(t *testing.T) {
	c := newCounter(t, 3)
	c.carrier.gather, c.carrier.most = time.Hour, 3
	c.put(0)
	c.put(1)
	if n := c.step(); n != 0 {
		t.Errorf("sent after no time")
	}
	c.put(2)
	if n := c.step(); n != 1 {
		t.Errorf("a full batch waits")
	}
}

func TestACrashBetweenTheCallAndItsSettling(t *testing.T) {
	c := newCounter(t, 1)
	run := c.begin(0)
	q := aQuestion()
	first, err := run.Reserve(t.Context(), asking(q))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.claude.ask(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	// The worker dies here. Another one resumes the run.
	if _, err := c.owner.Exec(t.Context(), `UPDATE sync_run SET lease_expires_at = clock_timestamp() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
	resumed := c.begin(0)
	if !resumed.Resumed || resumed.ID != run.ID {
		t.Fatalf("got %+v", resumed)
	}
	// The dead one, should it live, gets nothing more.
	if _, err := run.Reserve(t.Context(), asking(q)); !fault.Is(err, fault.Busy) {
		t.Errorf("got %v", err)
	}
	second, err := resumed.Reserve(t.Context(), asking(q))
	if err != nil || second.Attempt != 2 {
		t.Fatalf("%+v: %v", second, err)
	}
	a, err := c.claude.ask(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	cost, err := c.ledger.Settle(t.Context(), second, a.answered(true))
	if err != nil {
		t.Fatal(err)
	}
	c.calls("1 settled, 1 unknown")
	c.closed()
	if got, want := c.text(`SELECT settled::text FROM spend_tenant`), fmt.Sprint(int64(first.Amount)+int64(cost)); got != want {
		t.Errorf("charged %s, want %s: no more than one reservation beyond what was used", got, want)
	}
	if _, err := resumed.Reserve(t.Context(), asking(q)); err == nil {
		t.Error("a third call")
	}
}

func TestACrashBeforeTheCallIsReaped(t *testing.T) {
	c := newCounter(t, 1)
	if _, err := c.begin(0).Reserve(t.Context(), asking(aQuestion())); err != nil {
		t.Fatal(err)
	}
	c.pass(16 * time.Minute)
	err := c.db.ServiceTx(t.Context(), func(tx *postgres.ServiceTx) error {
		n, err := guard.Reap(t.Context(), tx, 10)
		if n != 1 {
			t.Errorf("reaped %d", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	c.calls("1 unknown")
	c.closed()
}

// off clears a switch.
func (c *counter) off(name string) {
	c.t.Helper()
	err := c.db.OperatorTx(c.t.Context(), func(tx *postgres.OperatorTx) error {
		_, err := guard.Off(context.WithoutCancel(c.t.Context()), tx, name, "olga")
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
}

// foreign makes a batch that is not ours.
func (c *counter) foreign(size int) {
	c.t.Helper()
	params, err := aQuestion().params()
	if err != nil {
		c.t.Fatal(err)
	}
	var questions []batched
	for n := range size {
		questions = append(questions, batched{fmt.Sprint("theirs-", n), params})
	}
	if _, err := c.claude.create(c.t.Context(), questions); err != nil {
		c.t.Fatal(err)
	}
}
