package stripe

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"memberintel/internal/connection"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
)

func TestTenantsWithTheSameIDsDoNotMeet(t *testing.T) {
	w := newWorld(t)
	east, west := w.twin("acct_east"), w.twin("acct_west")
	members := map[*simstripe.Account]string{east: "Eva", west: "Will"}
	var customer, sub string
	for account, name := range members {
		account.CreateProduct(simstripe.ProductParams{ID: "gold", Name: name + "'s gold"})
		price := account.CreatePrice(simstripe.PriceParams{Product: "gold", Amount: 1000, Currency: "usd", Interval: "month"})
		customer = account.CreateCustomer(simstripe.CustomerParams{Name: name})
		var err error
		sub, err = account.CreateSubscription(simstripe.SubscriptionParams{Customer: customer, Prices: []string{price}})
		w.must(err)
	}
	w.sim.Advance(time.Hour)
	a, b := w.second("east", east, worldSecret), w.second("west", west, "whsec_west")
	w.syncOf(a, "")
	w.syncOf(b, "")
	names := func() [2]string { return [2]string{w.nameOf(a, customer), w.nameOf(b, customer)} }
	if got := names(); got != [2]string{"Eva", "Will"} {
		t.Fatalf("the same id is %v", got)
	}
	door := w.door()
	ep := w.endpointOf(east, a, door)
	w.must(east.UpdateCustomer(customer, simstripe.CustomerUpdate{Name: word("Eva Lund")}))
	w.must(east.Cancel(sub))
	w.deliver(ep)
	w.refetch(a)
	if got := names(); got != [2]string{"Eva Lund", "Will"} {
		t.Errorf("after one tenant's delivery the same id is %v", got)
	}
	if got := one[string](w, b, `SELECT status FROM subscriptions WHERE source_id = $1`, sub); got != "active" {
		t.Errorf("the other tenant's subscription is %q", got)
	}
	w.mustEqual(a)
	w.mustEqual(b)

	t.Run("a forged account", func(t *testing.T) {
		w.sim.Advance(time.Minute)
		w.must(east.UpdateCustomer(customer, simstripe.CustomerUpdate{Name: word("Mallory")}))
		signed, err := ep.Signed(0)
		w.must(err)
		forged := bytes.Replace(signed.Body, []byte(`"api_version"`), []byte(`"account": "`+west.ID()+`", "api_version"`), 1)
		for _, c := range []struct {
			name, url string
			secret    string
			want      int
		}{
			{"east's endpoint, west's account, east's secret", "/webhooks/stripe/" + a.ID.String(), worldSecret, http.StatusOK},
			{"west's endpoint, east's secret", "/webhooks/stripe/" + b.ID.String(), worldSecret, http.StatusBadRequest},
			{"the platform's endpoint, east's secret", "/webhooks/stripe", worldSecret, http.StatusBadRequest},
		} {
			if status, _ := w.post(door+c.url, forged, c.secret); status != c.want {
				t.Errorf("%s: answered %d, want %d", c.name, status, c.want)
			}
		}
		if got := names(); got != [2]string{"Eva Lund", "Will"} {
			t.Errorf("the same id is %v", got)
		}
	})
}

// platform opens a platform that both accounts let in, and connects them by its key.
func (w *world) platform(accounts ...*simstripe.Account) (ep *simstripe.Endpoint, platform *simstripe.Account, c []connection.Connection) {
	w.t.Helper()
	platform = w.sim.NewAccount(simstripe.AccountOptions{ID: "acct_platform", Name: "memberintel"})
	w.p.Config.PlatformKey, w.p.Config.Platform = platform.SecretKey(), []string{"whsec_platform"}
	for _, account := range accounts {
		account.Connect(platform)
		c = append(c, w.connectPlatform(account.ID(), account))
	}
	return platform.AddEndpoint(simstripe.EndpointParams{
		URL: w.door() + "/webhooks/stripe", Secrets: []string{"whsec_platform"}, APIVersion: simstripe.VersionDahlia,
		Connect: true, Manual: true,
	}), platform, c
}

func TestThePlatformsEndpointTellsAccountsApart(t *testing.T) {
	w := newWorld(t)
	east, west, stranger := w.twin("acct_east"), w.twin("acct_west"), w.twin("acct_stranger")
	ep, platform, c := w.platform(east, west)
	stranger.Connect(platform)
	var id string
	for _, account := range []*simstripe.Account{east, west, stranger} {
		id = account.CreateCustomer(simstripe.CustomerParams{Name: "of " + account.ID()})
	}
	w.deliver(ep)
	for i, account := range []*simstripe.Account{east, west} {
		if got := w.nameOf(c[i], id); got != "of "+account.ID() {
			t.Errorf("%s has %q", account.ID(), got)
		}
		w.sim.Advance(time.Minute)
		w.syncOf(c[i], "")
		w.mustEqual(c[i])
	}
	var kept int
	pool := w.ownerPool()
	w.must(pool.QueryRow(t.Context(), `SELECT count(*) FROM webhook_quarantine WHERE account_id = $1`, stranger.ID()).Scan(&kept))
	if kept != 1 {
		t.Errorf("%d deliveries of the unknown account are kept, want 1", kept)
	}
}

func TestDeauthorisationAgainstReconnect(t *testing.T) {
	w := newWorld(t)
	east := w.twin("acct_east")
	ep, platform, connections := w.platform(east)
	c := connections[0]
	ana := east.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	w.sim.Advance(time.Hour)
	w.syncOf(c, "")
	for len(ep.Pending()) > 0 {
		ep.Drop(0)
	}

	east.Deauthorize(platform)
	east.Connect(platform) // connected again before the message comes
	w.deliver(ep)
	if got := w.current(c).State; got != connection.Connected {
		t.Fatalf("a late message made the connection %s", got)
	}
	w.sim.Advance(time.Minute)
	w.syncOf(c, "")

	east.Deauthorize(platform)
	again := w.pendingOf(ep, deauthorized)
	for range 2 {
		if status, err := ep.Duplicate(t.Context(), again); status != http.StatusOK || err != nil {
			t.Fatalf("answered %d: %v", status, err)
		}
	}
	// Another process, which has never seen the connection alive, gets the message too.
	message, err := ep.Signed(again)
	w.must(err)
	elsewhere := w.door() + "/webhooks/stripe"
	if status, _ := w.post(elsewhere, message.Body, "whsec_platform"); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	if got := w.current(c).State; got != connection.Disconnected {
		t.Fatalf("the connection is %s", got)
	}
	if got := w.nameOf(c, ana); got != "Ana" {
		t.Errorf("the member is %q after the end of the connection", got)
	}
	if n := one[int](w, c, `SELECT count(*) FROM members WHERE deleted_at IS NOT NULL`); n != 0 {
		t.Error("the end of a connection buried rows")
	}
	if _, err := w.p.Sync(t.Context(), w.current(c), syncrun.Full, nil); err == nil {
		t.Error("a disconnected connection was synced")
	}

	east.Connect(platform)
	east.CreateCustomer(simstripe.CustomerParams{Name: "Bea"})
	w.sim.Advance(time.Minute)
	c = w.connectPlatformOf(c.TenantID, east)
	w.deliver(ep) // the message comes once more
	if status, _ := w.post(elsewhere, message.Body, "whsec_platform"); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	if got := w.current(c).State; got == connection.Disconnected {
		t.Fatal("a message from before the reconnect ended the connection")
	}
	w.syncOf(c, "")
	w.mustEqual(c)
}

// A message that a connection's own endpoint gets says nothing about a key that Stripe still takes, whatever it
// lets the key read.
func TestALateDeauthorisationOfARestrictedKey(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	url := w.door() + "/webhooks/stripe/" + w.c.ID.String()
	body := []byte(`{"id":"evt_gone","object":"event","type":"account.application.deauthorized","created":1,"livemode":false,` +
		`"api_version":"2026-08-26.dahlia","data":{"object":{"id":"ca_1","object":"application"}}}`)
	if status, _ := w.post(url, body, worldSecret); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	if got := w.current(w.c).State; got != connection.Connected {
		t.Errorf("the connection is %s though its key works", got)
	}
	w.sim.RevokeKey(w.key())
	if status, _ := w.post(url, body, worldSecret); status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	if got := w.current(w.c).State; got != connection.Disconnected {
		t.Errorf("the connection is %s though its key is dead", got)
	}
}
