package stripe

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// must fails the test on an error of the simulated world.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// owner runs a statement as the schema's owner, whom no policy hides rows from.
func (w *world) owner(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.ownerPool().Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatalf("%s: %v", sql, err)
	}
}

// restart drops everything that the process had in memory. The leases and claims of the dead one have run out.
func (w *world) restart() {
	w.t.Helper()
	w.p = w.pipeline()
	w.expire()
}

func (w *world) expire() {
	w.t.Helper()
	w.owner(`UPDATE sync_run SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE status = 'running' AND mode <> 'live'`)
	w.hurry()
}

// hurry makes every entry of the refetch lists due now.
func (w *world) hurry() {
	w.t.Helper()
	w.owner(`UPDATE stripe_refetch SET due_at = memberintel_now()`)
	w.owner(`UPDATE connection c SET refetch_due_at = memberintel_now() WHERE EXISTS (SELECT FROM stripe_refetch q WHERE q.connection_id = c.connection_id)`)
}

// refetch works the refetch lists off, while the world goes on.
func (w *world) refetch(c connection.Connection) {
	w.t.Helper()
	for range 20 {
		if one[int](w, c, `SELECT count(*) FROM stripe_refetch WHERE connection_id = $1`, c.ID) == 0 {
			return
		}
		w.sim.Advance(3 * time.Second)
		w.hurry()
		w.must(w.p.RefetchDue(w.t.Context()))
	}
	w.t.Fatal("the refetch list does not come to an end")
}

// deliver sends what is pending and fails if anything was refused.
func (w *world) deliver(ep *simstripe.Endpoint) {
	w.t.Helper()
	failed, err := ep.DeliverAll(w.t.Context())
	if failed > 0 || err != nil {
		w.t.Fatalf("%d deliveries were refused: %v", failed, err)
	}
}

// syncOf syncs any connection.
func (w *world) syncOf(c connection.Connection, mode syncrun.Mode) syncrun.Report {
	w.t.Helper()
	report, err := w.p.Sync(w.t.Context(), w.current(c), mode, nil)
	if err != nil {
		w.t.Fatalf("sync: %v", err)
	}
	return report
}

// twin is another account that makes the same ids as its twins do for the same calls.
func (w *world) twin(id string) *simstripe.Account {
	return w.sim.NewAccount(simstripe.AccountOptions{ID: id + "0123456789", IDSeed: 7})
}

// second connects another tenant to an account.
func (w *world) second(name string, account *simstripe.Account, secret string) connection.Connection {
	w.t.Helper()
	tenant, err := identity.CreateTenant(w.t.Context(), w.db, name, "pro")
	w.must(err)
	c, _, err := w.p.Connect(w.t.Context(), ConnectRequest{
		Tenant: tenant.ID, Actor: "test", Key: account.RestrictedKey(simstripe.ReadPermissions()...),
		WebhookSecrets: secret, Account: account.ID(),
	})
	w.must(err)
	return c
}

// endpointOf registers a connection's webhook endpoint with its account.
func (w *world) endpointOf(account *simstripe.Account, c connection.Connection, door string) *simstripe.Endpoint {
	return account.AddEndpoint(simstripe.EndpointParams{
		URL: door + "/webhooks/stripe/" + c.ID.String(), Secrets: []string{worldSecret},
		APIVersion: simstripe.VersionDahlia, Manual: true,
	})
}

// post delivers a body of the test's own making, signed now.
func (w *world) post(url string, body []byte, secrets ...string) (status int, header http.Header) {
	w.t.Helper()
	return w.postContext(w.t.Context(), url, body, secrets...)
}

func (w *world) postContext(ctx context.Context, url string, body []byte, secrets ...string) (status int, header http.Header) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	w.must(err)
	req.Header.Set("Stripe-Signature", simstripe.Sign(body, w.clock.Now(), secrets...))
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Header
}

// pendingOf finds the place of the first pending delivery of a type.
func (w *world) pendingOf(ep *simstripe.Endpoint, kind string) int {
	w.t.Helper()
	for i, d := range ep.Pending() {
		if d.Type == kind {
			return i
		}
	}
	w.t.Fatalf("no %s is pending", kind)
	return -1
}

// deliverOnly delivers the first pending event of a type.
func (w *world) deliverOnly(ep *simstripe.Endpoint, kind string) {
	w.t.Helper()
	status, err := ep.Deliver(w.t.Context(), w.pendingOf(ep, kind))
	w.must(err)
	if status != http.StatusOK {
		w.t.Fatalf("%s was answered %d", kind, status)
	}
}

// price makes a product and a price for it.
func (w *world) price(amount int64, interval string) string {
	product := w.account.CreateProduct(simstripe.ProductParams{Name: "Membership"})
	return w.account.CreatePrice(simstripe.PriceParams{Product: product, Amount: amount, Currency: "usd", Interval: interval})
}

// subscribe makes a subscription of one price.
func (w *world) subscribe(customer, price string) string {
	w.t.Helper()
	id, err := w.account.CreateSubscription(simstripe.SubscriptionParams{Customer: customer, Prices: []string{price}})
	w.must(err)
	return id
}

// hold makes the next answer of an endpoint wait after it was read: read is closed then, and release sends it.
func (w *world) hold(account *simstripe.Account, endpoint string) (read <-chan struct{}, release func()) {
	reached, free := make(chan struct{}), make(chan struct{})
	account.Fault(simstripe.Fault{Kind: simstripe.Slow, Endpoint: endpoint, Count: 1, Wait: func(*http.Request) {
		close(reached)
		<-free
	}})
	return reached, func() { close(free) }
}

// background runs a sync and hands over its result.
func (w *world) background(c connection.Connection, mode syncrun.Mode) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := w.p.Sync(w.t.Context(), c, mode, nil)
		done <- err
	}()
	return done
}

func word(s string) *string { return &s }

// nameOf reads a member's name, "" when there is none.
func (w *world) nameOf(c connection.Connection, id string) string {
	w.t.Helper()
	return one[string](w, c, `SELECT coalesce((SELECT name FROM members WHERE source_id = $1), '')`, id)
}

// latest decodes the last of an object's versions in the simulated Stripe.
func latest(t *testing.T, account *simstripe.Account, id string) map[string]any {
	t.Helper()
	history := account.History(id)
	var out map[string]any
	if err := json.Unmarshal(history[len(history)-1].JSON, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// before is a transport that calls a function ahead of each request.
type before func()

func (f before) RoundTrip(r *http.Request) (*http.Response, error) {
	f()
	return http.DefaultTransport.RoundTrip(r)
}

// beforeEach is called with every request before it is sent.
type beforeEach func(*http.Request)

func (f beforeEach) RoundTrip(r *http.Request) (*http.Response, error) {
	f(r)
	return http.DefaultTransport.RoundTrip(r)
}

// ownerPool is connected as the schema's owner.
func (w *world) ownerPool() *pgxpool.Pool {
	w.t.Helper()
	if w.pool == nil {
		w.pool = pgtest.Owner(w.t, w.db)
	}
	return w.pool
}

// connectPlatform makes a tenant whose account the platform's key reads.
func (w *world) connectPlatform(name string, account *simstripe.Account) connection.Connection {
	w.t.Helper()
	made, err := identity.CreateTenant(w.t.Context(), w.db, name, "pro")
	w.must(err)
	return w.connectPlatformOf(made.ID, account)
}

func (w *world) connectPlatformOf(id tenant.ID, account *simstripe.Account) connection.Connection {
	w.t.Helper()
	c, _, err := w.p.Connect(w.t.Context(), ConnectRequest{Tenant: id, Actor: "test", Account: account.ID()})
	w.must(err)
	return c
}

// key is the key by which the world's own tenant is connected.
func (w *world) key() (key string) {
	w.t.Helper()
	w.must(w.db.TenantTx(w.t.Context(), w.c.TenantID, func(tx *postgres.TenantTx) (err error) {
		key, err = w.p.Connections.Secret(w.t.Context(), tx, w.c.ID, SecretKey)
		return err
	}))
	return key
}
