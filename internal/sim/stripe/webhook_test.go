package stripe_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stripe/stripe-go/v86/webhook"

	simstripe "memberintel/internal/sim/stripe"
)

// inbox takes deliveries and answers with what answer says for the n-th of them.
type inbox struct {
	mu     sync.Mutex
	events []map[string]any
	signed []simstripe.Signed
	answer func(n int) int
	url    string
}

func newInbox(t *testing.T, answer func(n int) int) *inbox {
	in := &inbox{answer: answer}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var e map[string]any
		_ = json.Unmarshal(body, &e)
		in.mu.Lock()
		in.events = append(in.events, e)
		in.signed = append(in.signed, simstripe.Signed{Body: body, Signature: r.Header.Get("Stripe-Signature")})
		status := in.answer(len(in.events))
		in.mu.Unlock()
		rw.WriteHeader(status)
	}))
	t.Cleanup(srv.Close)
	in.url = srv.URL
	return in
}

func (in *inbox) types() (out []string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, e := range in.events {
		out = append(out, e["type"].(string))
	}
	return out
}

func always(status int) func(int) int { return func(int) int { return status } }

func TestManualDeliveries(t *testing.T) {
	w := newWorld(t)
	in := newInbox(t, always(200))
	ep := w.acct.AddEndpoint(simstripe.EndpointParams{URL: in.url, Manual: true, Events: []string{"customer.created", "customer.updated"}})
	a := w.acct.CreateCustomer(simstripe.CustomerParams{Name: "A"})
	w.must(w.acct.UpdateMetadata(a, map[string]string{"x": "1"}))
	w.price(1, "")
	w.acct.CreateCustomer(simstripe.CustomerParams{Name: "B"})
	if n := len(ep.Pending()); n != 3 {
		t.Fatalf("%d deliveries of the enabled types", n)
	}
	if e := w.list("/v1/events?delivery_success=false&limit=100"); len(e.Data) != 3 || e.Data[0]["pending_webhooks"] != float64(1) {
		t.Fatalf("undelivered: %v", types(e))
	}
	_, err := ep.Duplicate(t.Context(), 1)
	w.must(err)
	ep.Move(1, 0)
	ep.Drop(2)
	failed, err := ep.DeliverAll(t.Context())
	w.must(err)
	want := []string{"customer.updated", "customer.updated", "customer.created"}
	if diff := cmp.Diff(want, in.types()); diff != "" || failed != 0 {
		t.Fatalf("failed %d\n%s", failed, diff)
	}
	e := w.list("/v1/events?delivery_success=false")
	if len(e.Data) != 1 || dig(e.Data[0], "data", "object", "name") != "B" {
		t.Fatalf("the dropped delivery is not undelivered: %v", e.Data)
	}
	if _, err := ep.Deliver(t.Context(), 0); err == nil {
		t.Fatal("a delivery that is not there is sent")
	}
}

func TestRefusedDeliveriesStay(t *testing.T) {
	w := newWorld(t)
	in := newInbox(t, always(500))
	ep := w.acct.AddEndpoint(simstripe.EndpointParams{URL: in.url, Manual: true})
	w.acct.CreateCustomer(simstripe.CustomerParams{})
	status, err := ep.Deliver(t.Context(), 0)
	w.must(err)
	if p := ep.Pending(); status != 500 || len(p) != 1 || p[0].Attempts != 1 || p[0].LastStatus != 500 {
		t.Fatalf("status %d, pending %+v", status, p)
	}
}

func TestSignaturesAreStripes(t *testing.T) {
	w := newWorld(t)
	in := newInbox(t, always(200))
	ep := w.acct.AddEndpoint(simstripe.EndpointParams{URL: in.url, Manual: true, SignedAt: time.Now})
	w.acct.CreateCustomer(simstripe.CustomerParams{Name: "Ångström"})
	old := ep.Secrets()[0]
	ep.SetSecrets(old, "whsec_new")
	_, err := ep.Deliver(t.Context(), 0)
	w.must(err)
	for _, secret := range []string{old, "whsec_new"} {
		if _, err := webhook.ConstructEventWithOptions(in.signed[0].Body, in.signed[0].Signature, secret,
			webhook.ConstructEventOptions{IgnoreAPIVersionMismatch: true}); err != nil {
			t.Errorf("%s: %v", secret, err)
		}
	}
	if err := webhook.ValidatePayload(in.signed[0].Body, in.signed[0].Signature, "whsec_other"); err == nil {
		t.Error("a wrong secret verifies")
	}
	w.acct.CreateCustomer(simstripe.CustomerParams{})
	s, err := ep.Signed(0)
	w.must(err)
	if err := webhook.ValidatePayload(s.Body, s.Signature, old); err != nil || len(ep.Pending()) != 1 {
		t.Errorf("signed without being sent: %v, %d pending", err, len(ep.Pending()))
	}
}

func TestEndpointsPinTheirVersion(t *testing.T) {
	w := newWorld(t)
	in := newInbox(t, always(200))
	pinned := w.acct.AddEndpoint(simstripe.EndpointParams{URL: in.url, Manual: true, APIVersion: simstripe.VersionOld, Events: []string{"charge.succeeded"}})
	free := w.acct.AddEndpoint(simstripe.EndpointParams{URL: in.url, Manual: true, Events: []string{"charge.succeeded"}})
	_, _ = w.member()
	for _, ep := range []*simstripe.Endpoint{pinned, free} {
		_, err := ep.Deliver(t.Context(), 0)
		w.must(err)
	}
	if in.events[0]["api_version"] != simstripe.VersionOld || !has(dig(in.events[0], "data", "object"), "invoice") {
		t.Errorf("pinned: %v", in.events[0]["api_version"])
	}
	if in.events[1]["api_version"] != simstripe.VersionDahlia || has(dig(in.events[1], "data", "object"), "invoice") {
		t.Errorf("account default: %v", in.events[1]["api_version"])
	}
	pinned.Enable(false)
	w.acct.CreateCustomer(simstripe.CustomerParams{})
	if l := w.list("/v1/webhook_endpoints"); len(l.Data) != 2 || l.Data[1]["status"] != "disabled" || l.Data[0]["status"] != "enabled" {
		t.Errorf("endpoints: %v", l.Data)
	}
}

func TestConnectEndpointsGetBothModes(t *testing.T) {
	w := newWorld(t)
	platform := w.sim.NewAccount(simstripe.AccountOptions{Livemode: true})
	sandbox := w.sim.NewAccount(simstripe.AccountOptions{ID: platform.ID()})
	live := w.sim.NewAccount(simstripe.AccountOptions{ID: w.acct.ID(), Livemode: true})
	in := newInbox(t, always(200))
	ep := platform.AddEndpoint(simstripe.EndpointParams{URL: in.url, Manual: true, Connect: true})
	w.acct.Connect(sandbox)
	live.Connect(platform)
	w.acct.CreateCustomer(simstripe.CustomerParams{})
	live.CreateCustomer(simstripe.CustomerParams{})
	platform.CreateCustomer(simstripe.CustomerParams{})
	live.Deauthorize(platform)
	live.CreateCustomer(simstripe.CustomerParams{})
	_, err := ep.DeliverAll(t.Context())
	w.must(err)
	if diff := cmp.Diff([]string{"customer.created", "customer.created", "account.application.deauthorized"}, in.types()); diff != "" {
		t.Fatal(diff)
	}
	for i, livemode := range []bool{false, true, true} {
		if in.events[i]["account"] != w.acct.ID() || in.events[i]["livemode"] != livemode {
			t.Errorf("event %d: account %v, livemode %v", i, in.events[i]["account"], in.events[i]["livemode"])
		}
	}
}

func TestTheSenderTriesAgainUntilItIsAnswered(t *testing.T) {
	w := newWorld(t)
	in := newInbox(t, func(n int) int {
		if n%3 != 0 {
			return 503
		}
		return 200
	})
	w.sim.Start(t.Context())
	defer w.sim.Close()
	ep := w.acct.AddEndpoint(simstripe.EndpointParams{URL: in.url, Backoff: func(int) time.Duration { return time.Millisecond }})
	var want []string
	for range 20 {
		want = append(want, w.acct.CreateCustomer(simstripe.CustomerParams{}))
	}
	delivered := map[string]bool{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	w.must(ep.Idle(ctx))
	in.mu.Lock()
	for _, e := range in.events {
		delivered[dig(e, "data", "object", "id").(string)] = true
	}
	in.mu.Unlock()
	if slices.ContainsFunc(want, func(id string) bool { return !delivered[id] }) {
		t.Fatalf("%d of %d customers delivered", len(delivered), len(want))
	}
	if e := w.list("/v1/events?delivery_success=true&type=customer.created&limit=100"); len(e.Data) != 20 {
		t.Fatalf("%d events count as delivered", len(e.Data))
	}
}
