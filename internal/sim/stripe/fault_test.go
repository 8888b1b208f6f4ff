package stripe_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	simstripe "memberintel/internal/sim/stripe"
)

func TestFaultsAnswerAsStripeDoes(t *testing.T) {
	for _, c := range []struct {
		fault   simstripe.Fault
		status  int
		code    string
		headers map[string]string
	}{
		{simstripe.Fault{Kind: simstripe.RateLimited, Reason: "global-rate", RetryAfter: 1500 * time.Millisecond, ShouldRetry: "true"}, 429, "rate_limit",
			map[string]string{"Stripe-Rate-Limited-Reason": "global-rate", "Retry-After": "2", "Stripe-Should-Retry": "true"}},
		{simstripe.Fault{Kind: simstripe.RateLimited400}, 400, "rate_limit", map[string]string{"Stripe-Rate-Limited-Reason": ""}},
		{simstripe.Fault{Kind: simstripe.LockTimeout}, 429, "lock_timeout", nil},
		{simstripe.Fault{Kind: simstripe.ServerError, ShouldRetry: "false"}, 500, "", map[string]string{"Stripe-Should-Retry": "false"}},
		{simstripe.Fault{Kind: simstripe.Unavailable, RetryAfter: time.Second}, 503, "", map[string]string{"Retry-After": "1"}},
	} {
		w := newWorld(t)
		c.fault.Skip, c.fault.Count, c.fault.Endpoint = 1, 1, "/v1/customers"
		w.acct.Fault(c.fault)
		w.list("/v1/products")
		w.list("/v1/customers")
		var p problem
		resp := w.get("/v1/customers", &p)
		if resp.StatusCode != c.status || p.Error.Code != c.code || p.Error.Message == "" {
			t.Errorf("fault %d: %s %+v", c.fault.Kind, resp.Status, p)
		}
		for name, want := range c.headers {
			if got := resp.Header.Get(name); got != want {
				t.Errorf("fault %d: %s %q, want %q", c.fault.Kind, name, got, want)
			}
		}
		w.list("/v1/customers")
	}
}

func TestBrokenAnswers(t *testing.T) {
	w := newWorld(t)
	w.acct.CreateCustomer(simstripe.CustomerParams{})
	read := func() ([]byte, error) {
		req, err := http.NewRequest(http.MethodGet, w.url+"/v1/customers", nil)
		w.must(err)
		req.SetBasicAuth(w.key, "")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		return io.ReadAll(resp.Body)
	}
	remove := w.sim.Fault(simstripe.Fault{Kind: simstripe.Reset})
	if _, err := read(); !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("reset: %v", err)
	}
	remove()
	remove = w.sim.Fault(simstripe.Fault{Kind: simstripe.Truncated})
	if raw, err := read(); err != nil || json.Valid(raw) || len(raw) == 0 {
		t.Errorf("truncated: %v, %d bytes", err, len(raw))
	}
	remove()
	if raw, err := read(); err != nil || !json.Valid(raw) {
		t.Errorf("after the faults: %v %s", err, raw)
	}
}

func TestADeletedCursorIsRefused(t *testing.T) {
	w := newWorld(t)
	id := w.acct.CreateCustomer(simstripe.CustomerParams{})
	w.acct.Fault(simstripe.Fault{Kind: simstripe.CursorGone, Count: 1})
	w.list("/v1/customers")
	if p := w.refused("/v1/customers?starting_after="+id, 400); p.Error.Code != "resource_missing" || p.Error.Param != "starting_after" {
		t.Fatalf("%+v", p)
	}
	w.list("/v1/customers?starting_after=" + id)
}

func TestAHeldPageIsStale(t *testing.T) {
	w := newWorld(t)
	id := w.acct.CreateCustomer(simstripe.CustomerParams{Name: "Before"})
	read, release := make(chan struct{}), make(chan struct{})
	w.acct.Fault(simstripe.Fault{Kind: simstripe.Slow, Count: 1, Wait: func(*http.Request) {
		close(read)
		<-release
	}})
	type answer struct {
		name any
		date string
	}
	held := make(chan answer)
	go func() {
		var l list
		resp := w.get("/v1/customers", &l)
		held <- answer{l.Data[0]["name"], resp.Header.Get("Date")}
	}()
	<-read
	w.clock.Advance(10 * time.Second)
	name := "After"
	w.must(w.acct.UpdateCustomer(id, simstripe.CustomerUpdate{Name: &name}))
	if got := w.object("/v1/customers/" + id)["name"]; got != "After" {
		t.Fatalf("a second request shows %v", got)
	}
	close(release)
	if got := <-held; got.name != "Before" || got.date != day.Format(http.TimeFormat) {
		t.Fatalf("the held page shows %v of %s", got.name, got.date)
	}
}

func TestRateLimits(t *testing.T) {
	w := newWorld(t)
	w.sim.RateLimits(3, 5)
	reasons := map[string]int{}
	for _, path := range []string{"/v1/customers", "/v1/customers", "/v1/customers", "/v1/customers", "/v1/prices", "/v1/products"} {
		var v any
		if resp := w.get(path, &v); resp.StatusCode == http.StatusTooManyRequests {
			reasons[resp.Header.Get("Stripe-Rate-Limited-Reason")]++
		}
	}
	if reasons["endpoint-rate"] != 1 || reasons["global-rate"] != 1 {
		t.Fatalf("refused: %v", reasons)
	}
}

func TestProbabilityIsDecidedByTheSeed(t *testing.T) {
	pattern := func() (out []int) {
		w := newWorld(t)
		w.acct.Fault(simstripe.Fault{Kind: simstripe.ServerError, Probability: 0.5})
		for range 40 {
			var v any
			out = append(out, w.get("/v1/customers", &v).StatusCode)
		}
		return out
	}
	first, second, failed := pattern(), pattern(), 0
	for i := range first {
		if first[i] != second[i] {
			t.Fatal("the same seed fails other requests")
		}
		if first[i] == 500 {
			failed++
		}
	}
	if failed < 8 || failed > 32 {
		t.Fatalf("%d of 40 requests failed", failed)
	}
}

func TestObserversSeeEveryRequest(t *testing.T) {
	w := newWorld(t)
	var seen []simstripe.Request
	var reads atomic.Int32
	w.sim.Observe(func(r simstripe.Request) { seen = append(seen, r) })
	w.sim.OnRead(func(*http.Request) { reads.Add(1) })
	w.list("/v1/customers?limit=3", "Stripe-Version", simstripe.VersionBasil)
	w.refused("/v1/customers", 401, "Authorization", "Bearer nonsense")
	want := simstripe.Request{Method: "GET", Path: "/v1/customers", Query: "limit=3", Account: w.acct.ID(), Version: simstripe.VersionBasil, Status: 200}
	if len(seen) != 2 || seen[0] != want || seen[1].Status != 401 || reads.Load() != 2 {
		t.Fatalf("seen %+v, read %d", seen, reads.Load())
	}
}
