package website

import (
	"errors"
	"sync"
	"testing"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/sim/claude"
	"memberintel/internal/syncrun"
)

// analyse is the least that a sync does which pays for one question.
func (c *counter) analyse(site int, ask guard.Ask) error {
	run, ctx, err := c.ledger.Begin(c.t.Context(), c.sites[site], syncrun.Incremental, 0)
	if err != nil {
		return err
	}
	err = func() error {
		reserved, err := run.Reserve(ctx, ask)
		if err != nil {
			return err
		}
		a, err := c.claude.ask(ctx, aQuestion())
		var failed *callError
		switch {
		case err == nil:
			_, err = c.ledger.Settle(ctx, reserved, a.answered(a.whole() || a.refused()))
			return err
		case errors.As(err, &failed) && failed.Free:
			return errors.Join(failed.fault(), c.ledger.Release(ctx, reserved))
		default:
			return errors.Join(err, c.ledger.Unknown(ctx, reserved))
		}
	}()
	_, finished := run.Finish(ctx, syncrun.Outcome{}, nil)
	return errors.Join(err, finished)
}

// A scheduler with a bug asks for every site all day long, with 16 workers.
func TestASchedulerThatFiresAllDayPaysOnce(t *testing.T) {
	c := newCounter(t, 3)
	for range 12 {
		var workers sync.WaitGroup
		for range 16 {
			workers.Go(func() {
				for site := range c.sites {
					err := c.analyse(site, asking(aQuestion()))
					if err != nil && !fault.Is(err, fault.Busy) && !errors.As(err, new(*guard.Refusal)) {
						t.Error(err)
					}
				}
			})
		}
		workers.Wait()
		c.pass(2 * time.Hour)
	}
	if n := c.sim.requests.Load(); n != 3 {
		t.Errorf("%d calls for 3 sites", n)
	}
	c.closed()
}

// However badly it goes, a site costs two calls a week at most, and what Claude refuses costs nothing and may be tried again.
func TestABadWeekCostsTwoCalls(t *testing.T) {
	for name, test := range map[string]struct {
		fault    claude.FaultKind
		requests int64 // of ten tries
		calls    string
	}{
		"no answer comes":     {claude.Lost, 2, "2 unknown"},
		"cut off":             {claude.Dropped, 2, "2 unknown"},
		"it never ends":       {claude.MaxTokens, 2, "2 settled"},
		"Claude will not":     {claude.Refusal, 1, "1 settled"},
		"Claude has no time":  {claude.Overloaded, 10, "1 released"},
		"the money is all":    {claude.SpendLimit, 10, "1 released"},
		"all is well":         {claude.Thinking, 1, "1 settled"},
		"a proxy is confused": {claude.HTMLError, 2, "2 unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCounter(t, 1)
			c.sim.Fault(claude.Fault{Kind: test.fault})
			for range 10 {
				_ = c.analyse(0, asking(aQuestion()))
				c.pass(time.Hour)
			}
			if n := c.sim.requests.Load(); n != test.requests {
				t.Errorf("%d requests, want %d", n, test.requests)
			}
			c.calls(test.calls)
			c.closed()
		})
	}
}

func TestOnDemandTwiceADay(t *testing.T) {
	c := newCounter(t, 1)
	demand := asking(aQuestion(), func(a *guard.Ask) { a.Purpose = guard.OnDemand })
	for range 2 {
		if err := c.analyse(0, demand); err != nil {
			t.Fatal(err)
		}
	}
	var why *guard.Refusal
	if err := c.analyse(0, demand); !errors.As(err, &why) || !why.Spared() || why.FreesAt == nil || !why.FreesAt.Equal(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %v", err)
	}
	if n := c.sim.requests.Load(); n != 2 {
		t.Errorf("%d calls", n)
	}
	c.closed()
}
