package stripe

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// taken returns how long n requests take when they are sent side by side.
func taken(t *testing.T, n int, ask func(i int) error) time.Duration {
	t.Helper()
	start := time.Now()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if err := ask(i); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	return time.Since(start).Round(10 * time.Millisecond)
}

func TestAnEndpointIsAskedAtItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace := NewPacer(Limits{Endpoint: 10, Account: 1000, Burst: 1}).For("acct_1")
		if d := taken(t, 21, func(int) error { return pace.Wait(t.Context(), "/v1/customers") }); d != 2*time.Second {
			t.Errorf("21 requests at 10 a second took %v", d)
		}
	})
}

func TestAllEndpointsTogetherAreAskedAtTheAccountsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pacer := NewPacer(Limits{Endpoint: 1000, Account: 10, Burst: 1})
		endpoints := []string{"/v1/customers", "/v1/charges", "/v1/refunds"}
		d := taken(t, 31, func(i int) error { return pacer.For("acct_1").Wait(t.Context(), endpoints[i%3]) })
		if d != 3*time.Second {
			t.Errorf("31 requests at 10 a second took %v", d)
		}
		if d := taken(t, 1, func(int) error { return pacer.For("acct_2").Wait(t.Context(), "/v1/customers") }); d != 0 {
			t.Errorf("another account waited %v", d)
		}
	})
}

func TestAPauseHoldsBackItsScope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace := NewPacer(Limits{}).For("acct_1")
		pace.Pause(ScopeEndpoint, "/v1/charges", 3*time.Second)
		pace.Pause(ScopeEndpoint, "/v1/charges", time.Second) // shortens nothing
		wait := func(endpoint string) time.Duration {
			return taken(t, 1, func(int) error { return pace.Wait(t.Context(), endpoint) })
		}
		if d := wait("/v1/customers"); d != 0 {
			t.Errorf("another endpoint waited %v", d)
		}
		if d := wait("/v1/charges"); d != 3*time.Second {
			t.Errorf("the endpoint waited %v", d)
		}
		pace.Pause(ScopeAccount, "", 2*time.Second)
		if d := wait("/v1/customers"); d != 2*time.Second {
			t.Errorf("the account waited %v", d)
		}
	})
}

func TestAWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace := NewPacer(Limits{}).For("acct_1")
		pace.Pause(ScopeAccount, "", time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := pace.Wait(ctx, "/v1/customers"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAPaceIsKeptWhileItIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pacer := NewPacer(Limits{})
		busy, idle := pacer.For("busy"), pacer.For("idle")
		for range 3 {
			<-time.After(idleAfter / 2)
			if pacer.For("busy") != busy {
				t.Fatal("a pace in use was forgotten")
			}
		}
		if pacer.For("idle") == idle {
			t.Error("an idle pace was kept")
		}
	})
}
