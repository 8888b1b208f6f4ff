package stripe

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"memberintel/internal/identity"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
)

func TestWebhooksKeepTheWarehouseEqual(t *testing.T) {
	w := newWorld(t)
	w.account.Club(3, 20, 6)
	w.sync("")
	ep := w.endpoint(w.door())

	price := w.account.CreatePrice(simstripe.PriceParams{Product: w.account.CreateProduct(simstripe.ProductParams{Name: "Padel"}), Amount: 2500, Currency: "usd", Interval: "month"})
	customer := w.account.CreateCustomer(simstripe.CustomerParams{Email: "ana@example.com", Name: "Ana"})
	w.sim.Advance(5 * time.Second)
	if _, err := w.account.CreateSubscription(simstripe.SubscriptionParams{Customer: customer, Items: []simstripe.ItemParams{{Price: price, Quantity: 1}}}); err != nil {
		t.Fatal(err)
	}
	w.sim.Advance(25 * 24 * time.Hour)
	ep.Shuffle()
	failed, err := ep.DeliverAll(t.Context())
	if failed > 0 || err != nil {
		t.Fatalf("%d deliveries were refused: %v", failed, err)
	}
	if got := one[string](w, w.c, `SELECT membership_status FROM members WHERE source_id = $1`, customer); got != "active" {
		t.Errorf("the new member is %q right after the deliveries, want active", got)
	}
	for range 5 {
		w.sim.Advance(3 * time.Second)
		if err := w.p.RefetchDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.mustEqual(w.c)
	if n := one[int](w, w.c, `SELECT count(*) FROM sync_run WHERE mode = 'live'`); n != 1 {
		t.Errorf("%d live runs, want one for all deliveries", n)
	}
}

func TestWhatTheDoorAnswers(t *testing.T) {
	w := newWorld(t)
	door := w.door()
	ep := w.endpoint(door)
	w.account.CreateCustomer(simstripe.CustomerParams{Email: "ana@example.com", Name: "Ana"})
	signed, err := ep.Signed(0)
	if err != nil {
		t.Fatal(err)
	}
	body := signed.Body
	sign := simstripe.Sign
	now := w.clock.Now()
	url := door + "/webhooks/stripe/" + w.c.ID.String()
	foreign := bytes.ReplaceAll(body, []byte(`"livemode": false`), []byte(`"livemode": true`))
	upcoming := []byte(`{"id":"evt_1","object":"event","type":"invoice.upcoming","created":1,"livemode":false,"api_version":"2026-08-26.dahlia","data":{"object":{"object":"invoice"}}}`)
	for _, c := range []struct {
		name      string
		url       string
		body      []byte
		signature string
		want      int
	}{
		{"good", url, body, sign(body, now, worldSecret), 200},
		{"again", url, body, sign(body, now, worldSecret), 200},
		{"one of two signatures", url, body, sign(body, now, "whsec_old", worldSecret), 200},
		{"wrong secret", url, body, sign(body, now, "whsec_wrong"), 400},
		{"no signature", url, body, "", 400},
		{"too old", url, body, sign(body, now.Add(-6*time.Minute), worldSecret), 400},
		{"too new", url, body, sign(body, now.Add(6*time.Minute), worldSecret), 400},
		{"not JSON", url, []byte("{"), sign([]byte("{"), now, worldSecret), 400},
		{"unknown type", url, upcoming, sign(upcoming, now, worldSecret), 200},
		{"the other mode", url, foreign, sign(foreign, now, worldSecret), 200},
		{"unknown connection", door + "/webhooks/stripe/7f9c24e5-0000-4000-8000-000000000000", body, sign(body, now, worldSecret), 404},
		{"no connection id", door + "/webhooks/stripe/x", body, sign(body, now, worldSecret), 404},
		{"too large", url, make([]byte, 1<<20+1), "t=1,v1=00", 413},
		{"platform without a secret", door + "/webhooks/stripe", body, sign(body, now, worldSecret), 400},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url, bytes.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Stripe-Signature", c.signature)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		said, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s: answered %d (%s), want %d", c.name, resp.StatusCode, strings.TrimSpace(string(said)), c.want)
		}
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM stripe_events_processed WHERE outcome = 'applied'`); n != 1 {
		t.Errorf("%d events in the ledger, want the one that was delivered three times once", n)
	}
}

func TestAFreeTenantsEventsAreAcknowledgedAndPulledLater(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	if _, err := identity.SetPlan(t.Context(), w.db, w.c.TenantID, "free", "test"); err != nil {
		t.Fatal(err)
	}
	ep := w.endpoint(w.door())
	w.account.CreateCustomer(simstripe.CustomerParams{Email: "ana@example.com", Name: "Ana"})
	if failed, err := ep.DeliverAll(t.Context()); failed > 0 || err != nil {
		t.Fatalf("%d refused: %v", failed, err)
	}
	if got := one[string](w, w.c, `SELECT string_agg(outcome, ',') FROM stripe_events_processed`); got != "skipped_plan" {
		t.Fatalf("outcomes %q, want skipped_plan", got)
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM members`); n != 0 {
		t.Fatalf("%d members, want none before the pull", n)
	}
	w.sim.Advance(time.Minute)
	if report := w.sync(""); report.Mode != syncrun.Incremental {
		t.Fatalf("mode %s", report.Mode)
	}
	if got := one[string](w, w.c, `SELECT string_agg(outcome, ',') FROM stripe_events_processed`); got != "applied" {
		t.Errorf("outcomes %q after the pull, want applied", got)
	}
	w.mustEqual(w.c)
}

func TestADeliveryOfUnannouncedLengthIsRead(t *testing.T) {
	w := newWorld(t)
	client := http.Client{Timeout: 5 * time.Second}
	for _, size := range []int{0, 1, 3 * firstRead} {
		body := io.MultiReader(strings.NewReader(strings.Repeat("x", size))) // a reader whose length nobody knows
		resp, err := client.Post(w.door()+"/webhooks/stripe", "application/json", body)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%d bytes: answered %d", size, resp.StatusCode)
		}
	}
}
