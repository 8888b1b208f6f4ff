package stripe

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/pipeline/pipelinetest"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/sim/clock"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// Whatever happens to two tenants whose accounts use the same ids, in whatever order: no row ever shows a version
// older than one that it has shown, and after everything has come to rest and one sync the warehouse is Stripe.
// `make soak` runs it long.
func TestPropertyTheWarehouseEndsEqual(t *testing.T) {
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", "40"); err != nil {
			t.Fatal(err)
		}
	}
	s := newTheatre(t)
	rapid.Check(t, func(rt *rapid.T) {
		p := s.play(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"":                p.look,
			"mutate":          p.mutate,
			"mutate again":    p.mutate,
			"deliver":         p.deliver,
			"deliver many":    p.deliverMany,
			"duplicate":       p.duplicate,
			"reorder":         p.reorder,
			"drop":            p.drop,
			"pass time":       p.pass,
			"poll":            p.poll,
			"full":            p.full,
			"refetch":         p.refetch,
			"replay":          p.replay,
			"fault":           p.fault,
			"restart":         p.restart,
			"crash a sync":    p.crashSync,
			"crash the door":  p.crashDoor,
			"rename a second": p.rename,
		})
		p.rest(rt)
	})
}

// theatre is what all plays share: a database, and servers whose insides are exchanged.
type theatre struct {
	t       *testing.T
	w       *world
	api     *swap
	door    *swap
	doorURL string
	crasher *pipelinetest.Crasher
}

// swap is a handler that can be exchanged under its server.
type swap struct{ now atomic.Pointer[http.Handler] }

func (s *swap) set(h http.Handler) { s.now.Store(&h) }
func (s *swap) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	(*s.now.Load()).ServeHTTP(rw, r)
}

func newTheatre(t *testing.T) *theatre {
	t.Helper()
	s := &theatre{t: t, api: &swap{}, door: &swap{}, w: &world{t: t, db: pgtest.New(t), clock: clock.At(worldStart)}}
	s.api.set(http.NotFoundHandler())
	s.door.set(http.NotFoundHandler())
	s.w.api = httptest.NewServer(s.api)
	t.Cleanup(s.w.api.Close)
	server := httptest.NewServer(s.door)
	t.Cleanup(server.Close)
	s.doorURL = server.URL
	s.w.p = s.w.pipeline() // for its vault
	s.crasher = pipelinetest.NewCrasher(t, s.w.db)
	return s
}

// play is one run of the property: a Stripe, two tenants, and one process after another.
type play struct {
	s       *theatre
	sim     *simstripe.Sim
	clock   *clock.Clock
	pipe    *Pipeline
	intake  *Intake
	actors  []*actor
	renames int
	faults  []func() // each takes one back
}

// actor is one tenant with its account and what its rows have shown.
type actor struct {
	account *simstripe.Account
	c       connection.Connection
	ep      *simstripe.Endpoint
	shown   map[string]shown
	seen    map[string]string // the content of a row when it was looked at last
	fail    *atomic.Bool
}

// shown is a version that a row has shown.
type shown struct {
	at      time.Time
	content string
}

func (s *theatre) play(rt *rapid.T) *play {
	ctx := s.t.Context()
	if _, err := s.w.ownerPool().Exec(ctx, `TRUNCATE tenant, connection, connection_secret, sync_run, sync_checkpoint, sync_cursor, quarantine,
		stripe_events_processed, stripe_refetch, webhook_quarantine, members, plans, subscriptions, subscription_items,
		subscription_item_history, invoices, transactions, payment_allocations, payment_intents CASCADE`); err != nil {
		rt.Fatal(err)
	}
	p := &play{s: s, clock: clock.At(worldStart)}
	p.sim = simstripe.New(p.clock, 1)
	s.api.set(p.sim)
	p.start()
	for i := range 2 {
		a := &actor{shown: map[string]shown{}, seen: map[string]string{}, fail: &atomic.Bool{}}
		a.account = p.sim.NewAccount(simstripe.AccountOptions{ID: "acct_" + strconv.Itoa(i) + "0123456789", IDSeed: 7})
		a.account.SetPaymentPolicy(func(string) simstripe.Payment {
			if a.fail.Load() {
				return simstripe.InsufficientFunds
			}
			return simstripe.Succeeds
		})
		p.populate(rt, a)
		made, err := identity.CreateTenant(ctx, s.w.db, "tenant "+strconv.Itoa(i), "pro")
		must(rt, err)
		a.c, _, err = p.pipe.Connect(ctx, ConnectRequest{
			Tenant: made.ID, Actor: "test", Key: a.account.RestrictedKey(simstripe.ReadPermissions()...),
			WebhookSecrets: worldSecret, Account: a.account.ID(),
		})
		must(rt, err)
		a.ep = a.account.AddEndpoint(simstripe.EndpointParams{
			URL: s.doorURL + "/webhooks/stripe/" + a.c.ID.String(), Secrets: []string{worldSecret},
			APIVersion: simstripe.VersionDahlia, Manual: true,
		})
		p.actors = append(p.actors, a)
	}
	p.sim.Advance(time.Hour)
	return p
}

// populate gives both accounts the same objects under the same ids.
func (p *play) populate(rt *rapid.T, a *actor) {
	a.account.CreateProduct(simstripe.ProductParams{ID: "gold", Name: "Gold of " + a.account.ID()})
	for _, interval := range []string{"month", "year"} {
		a.account.CreatePrice(simstripe.PriceParams{Product: "gold", Amount: 2500, Currency: "usd", Interval: interval})
	}
	for range 3 {
		id := a.account.CreateCustomer(simstripe.CustomerParams{Name: "of " + a.account.ID()})
		_, err := a.account.CreateSubscription(simstripe.SubscriptionParams{Customer: id, Prices: a.account.IDs("prices")[:1]})
		must(rt, err)
	}
}

func must(rt *rapid.T, err error) {
	rt.Helper()
	if err != nil {
		rt.Fatal(err)
	}
}

// start makes the process anew: nothing is left of the one before but the database.
func (p *play) start() {
	if p.intake != nil {
		p.intake.Close()
	}
	ledger := &syncrun.Ledger{DB: p.s.w.db, Warehouse: warehouse.New(), Connections: p.s.w.p.Connections, Log: slog.New(slog.DiscardHandler)}
	p.pipe = New(Config{
		APIURL: p.s.w.api.URL, APIVersion: simstripe.VersionDahlia, RefetchAfter: 2 * time.Millisecond, Now: p.clock.Now,
		Sleep: func(ctx context.Context, d time.Duration) error {
			p.sim.Advance(min(max(d.Round(time.Second), time.Second), time.Minute))
			return ctx.Err()
		},
	}, ledger, NewPacer(Limits{Endpoint: 1e6, Account: 1e6, Burst: 1000}))
	p.intake = NewIntake(p.pipe)
	mux := http.NewServeMux()
	NewWebhooks(p.pipe, p.intake).Routes(mux)
	p.s.door.set(mux)
}

func (p *play) restart(rt *rapid.T) {
	p.start()
	for _, sql := range []string{
		`UPDATE sync_run SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE status = 'running' AND mode <> 'live'`,
		`UPDATE stripe_refetch SET due_at = memberintel_now()`,
		`UPDATE connection c SET refetch_due_at = memberintel_now() WHERE EXISTS (SELECT FROM stripe_refetch q WHERE q.connection_id = c.connection_id)`,
	} {
		if _, err := p.s.w.ownerPool().Exec(p.s.t.Context(), sql); err != nil {
			rt.Fatal(err)
		}
	}
}

func (p *play) actor(rt *rapid.T) *actor { return p.actors[rapid.IntRange(0, 1).Draw(rt, "tenant")] }

// some draws an object of a resource, "" when there is none.
func some(rt *rapid.T, a *actor, resource string) string {
	ids := a.account.IDs(resource)
	if len(ids) == 0 {
		return ""
	}
	return ids[rapid.IntRange(0, len(ids)-1).Draw(rt, resource)]
}

// mutate changes something at Stripe. What Stripe refuses changes nothing.
func (p *play) mutate(rt *rapid.T) {
	a := p.actor(rt)
	acct := a.account
	for range rapid.IntRange(1, 3).Draw(rt, "changes") { // in one second
		p.renames++
		rev := map[string]string{"rev": strconv.Itoa(p.renames)}
		switch rapid.IntRange(0, 17).Draw(rt, "change") {
		case 0:
			acct.CreateCustomer(simstripe.CustomerParams{Name: "new " + acct.ID(), Metadata: rev})
		case 1, 2:
			_ = acct.UpdateMetadata(some(rt, a, rapid.SampledFrom([]string{"customers", "products", "prices", "subscriptions", "charges"}).Draw(rt, "of")), rev)
		case 3:
			_ = acct.DeleteCustomer(some(rt, a, "customers"))
		case 4, 5:
			_, _ = acct.CreateSubscription(simstripe.SubscriptionParams{
				Customer: some(rt, a, "customers"), Prices: []string{some(rt, a, "prices")}, Metadata: rev,
				Payment: rapid.SampledFrom([]simstripe.Payment{simstripe.Succeeds, simstripe.Declined}).Draw(rt, "payment"),
			})
		case 6:
			_ = acct.Renew(some(rt, a, "subscriptions"), simstripe.Succeeds)
		case 7:
			_ = acct.FailPayment(some(rt, a, "subscriptions"))
		case 8:
			_ = acct.Recover(some(rt, a, "subscriptions"))
		case 9:
			_ = acct.Cancel(some(rt, a, "subscriptions"))
		case 10:
			_ = acct.CancelAtPeriodEnd(some(rt, a, "subscriptions"), rapid.Bool().Draw(rt, "at the end"))
		case 11:
			_, _ = acct.Refund(simstripe.RefundParams{Charge: some(rt, a, "charges"), Amount: 10})
		case 12:
			if id, err := acct.OpenDispute(some(rt, a, "charges"), "general", 20); err == nil && rapid.Bool().Draw(rt, "close") {
				_ = acct.CloseDispute(id, rapid.Bool().Draw(rt, "won"))
			}
		case 13:
			_, _ = acct.AddItem(some(rt, a, "subscriptions"), simstripe.ItemParams{Price: some(rt, a, "prices")})
		case 14:
			p.removeItem(rt, a)
		case 15:
			_ = acct.DeleteProduct("gold")
		case 16:
			if !slices.Contains(acct.IDs("products"), "gold") {
				acct.CreateProduct(simstripe.ProductParams{ID: "gold", Name: "again", Metadata: rev})
			}
		default:
			a.fail.Store(rapid.Bool().Draw(rt, "payments fail"))
		}
	}
}

func (p *play) removeItem(rt *rapid.T, a *actor) {
	id := some(rt, a, "subscriptions")
	if id == "" {
		return
	}
	var sub struct {
		Items struct{ Data []struct{ ID string } }
	}
	history := a.account.History(id)
	must(rt, json.Unmarshal(history[len(history)-1].JSON, &sub))
	if n := len(sub.Items.Data); n > 1 {
		_ = a.account.RemoveItem(id, sub.Items.Data[rapid.IntRange(0, n-1).Draw(rt, "item")].ID)
	}
}

// rename gives one customer several names within one second.
func (p *play) rename(rt *rapid.T) {
	a := p.actor(rt)
	id := some(rt, a, "customers")
	for range rapid.IntRange(2, 4).Draw(rt, "names") {
		p.renames++
		name := fmt.Sprint("name ", p.renames)
		_ = a.account.UpdateCustomer(id, simstripe.CustomerUpdate{Name: &name})
	}
}

func (p *play) pending(rt *rapid.T) (a *actor, i int) {
	a = p.actor(rt)
	n := len(a.ep.Pending())
	if n == 0 {
		return a, -1
	}
	return a, rapid.IntRange(0, n-1).Draw(rt, "delivery")
}

func (p *play) deliver(rt *rapid.T) {
	if a, i := p.pending(rt); i >= 0 {
		p.answered(rt)(a.ep.Deliver(p.s.t.Context(), i))
	}
}

func (p *play) duplicate(rt *rapid.T) {
	if a, i := p.pending(rt); i >= 0 {
		p.answered(rt)(a.ep.Duplicate(p.s.t.Context(), i))
	}
}

// answered checks the answer to a delivery: nothing but a crash keeps one from being taken.
func (p *play) answered(rt *rapid.T) func(status int, err error) {
	return func(status int, err error) {
		rt.Helper()
		if err != nil || status != http.StatusOK {
			rt.Fatalf("a delivery was answered %d: %v", status, err)
		}
	}
}

func (p *play) reorder(rt *rapid.T) { p.actor(rt).ep.Shuffle() }

func (p *play) drop(rt *rapid.T) {
	if a, i := p.pending(rt); i >= 0 {
		a.ep.Drop(i)
	}
}

// deliverMany sends deliveries of both tenants at once.
func (p *play) deliverMany(rt *rapid.T) {
	for _, status := range p.burst(rt) {
		p.answered(rt)(status, nil)
	}
}

// burst sends up to a dozen deliveries side by side. Those that were taken are no longer pending.
func (p *play) burst(rt *rapid.T) []int {
	most := rapid.IntRange(1, 12).Draw(rt, "at once")
	var all sync.WaitGroup
	var statuses []int
	for _, a := range p.actors {
		n := min(most, len(a.ep.Pending()))
		taken := make([]int, n)
		for i := range n {
			signed, err := a.ep.Signed(i)
			must(rt, err)
			all.Go(func() { taken[i] = send(p.s.t.Context(), p.s.doorURL+"/webhooks/stripe/"+a.c.ID.String(), signed) })
		}
		all.Wait()
		for i := n - 1; i >= 0; i-- {
			if taken[i] == http.StatusOK {
				a.ep.Drop(i)
			}
		}
		statuses = append(statuses, taken...)
	}
	return statuses
}

func send(ctx context.Context, url string, signed simstripe.Signed) int {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(string(signed.Body)))
	if err != nil {
		return 0
	}
	req.Header.Set("Stripe-Signature", signed.Signature)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func (p *play) pass(rt *rapid.T) {
	p.sim.Advance(time.Duration(rapid.SampledFrom([]int{
		1, 1, 2, 2, 3, 10, 60, 3600, 86_400, 6 * 86_400, 27 * 86_400, 33 * 86_400,
	}).Draw(rt, "seconds")) * time.Second)
}

func (p *play) poll(rt *rapid.T) { p.sync(rt, p.actor(rt), "") }
func (p *play) full(rt *rapid.T) { p.sync(rt, p.actor(rt), syncrun.Full) }
func (p *play) replay(rt *rapid.T) {
	p.run(rt, p.actor(rt), func(c connection.Connection) error {
		_, err := p.pipe.Replay(p.s.t.Context(), c, 24*time.Hour, nil)
		return err
	})
}

func (p *play) sync(rt *rapid.T, a *actor, mode syncrun.Mode) {
	p.run(rt, a, func(c connection.Connection) error {
		_, err := p.pipe.Sync(p.s.t.Context(), c, mode, nil)
		return err
	})
}

// run works on a connection. Only a Stripe that was told to fail is an excuse for failing.
func (p *play) run(rt *rapid.T, a *actor, work func(connection.Connection) error) {
	if err := work(p.current(rt, a)); err != nil && len(p.faults) == 0 {
		rt.Fatalf("a sync of a Stripe without faults failed: %v", err)
	}
}

func (p *play) current(rt *rapid.T, a *actor) connection.Connection {
	rt.Helper()
	return p.s.w.current(a.c)
}

func (p *play) refetch(rt *rapid.T) {
	p.restart(rt)
	if err := p.pipe.RefetchDue(p.s.t.Context()); err != nil && len(p.faults) == 0 {
		rt.Fatal(err)
	}
}

func (p *play) fault(rt *rapid.T) {
	p.faults = append(p.faults, p.actor(rt).account.Fault(simstripe.Fault{
		Kind:        rapid.SampledFrom([]simstripe.FaultKind{simstripe.RateLimited, simstripe.RateLimited400, simstripe.LockTimeout, simstripe.ServerError, simstripe.Unavailable, simstripe.Reset, simstripe.Truncated, simstripe.CursorGone}).Draw(rt, "fault"),
		Probability: rapid.SampledFrom([]float64{0.2, 0.9}).Draw(rt, "probability"),
		Skip:        rapid.IntRange(0, 10).Draw(rt, "after"), Count: rapid.IntRange(1, 20).Draw(rt, "times"),
	}))
}

func (p *play) crash(rt *rapid.T, steps int, work func()) {
	must(rt, p.s.crasher.At(p.s.t.Context(), int64(rapid.IntRange(1, steps).Draw(rt, "dies at write"))))
	work()
	p.intake.Close()
	p.intake = nil
	must(rt, p.s.crasher.At(p.s.t.Context(), 0))
	p.restart(rt)
}

func (p *play) crashSync(rt *rapid.T) {
	a, mode := p.actor(rt), rapid.SampledFrom([]syncrun.Mode{"", syncrun.Full}).Draw(rt, "mode")
	p.crash(rt, 60, func() { _, _ = p.pipe.Sync(p.s.t.Context(), p.current(rt, a), mode, nil) })
}

func (p *play) crashDoor(rt *rapid.T) {
	p.crash(rt, 20, func() { p.burst(rt) })
}

// rest lets everything come to rest: what is pending is delivered or lost, one sync reconciles, and then the
// warehouse must be Stripe, by the product's own verdict and by a comparison without it.
func (p *play) rest(rt *rapid.T) {
	for _, remove := range p.faults {
		remove()
	}
	p.faults = nil
	for _, a := range p.actors {
		if rapid.Bool().Draw(rt, "the rest is delivered") {
			for len(a.ep.Pending()) > 0 {
				p.answered(rt)(a.ep.Deliver(p.s.t.Context(), 0))
			}
		}
		for len(a.ep.Pending()) > 0 {
			a.ep.Drop(0)
		}
	}
	p.look(rt)
	p.restart(rt)
	for _, a := range p.actors {
		p.sim.Advance(5 * time.Second)
		report, err := p.pipe.Sync(p.s.t.Context(), p.current(rt, a), "", nil)
		if err != nil || report.Status != syncrun.Succeeded {
			rt.Fatalf("the last sync is %s: %v %v", report.Status, err, report.ErrorMessage)
		}
	}
	p.quiet(rt)
	p.look(rt)
	for _, a := range p.actors {
		verdict, err := p.pipe.Verify(p.s.t.Context(), p.current(rt, a), false, nil)
		must(rt, err)
		if verdict.Drift() || verdict.Status != syncrun.Succeeded {
			told, _ := json.MarshalIndent(verdict, "", " ")
			rt.Fatalf("the warehouse is not Stripe: %s", told)
		}
		p.compare(rt, a)
	}
}

// quiet delivers what happened while a sync waited, until nothing is left to deliver or to fetch.
func (p *play) quiet(rt *rapid.T) {
	for range 20 {
		left := 0
		for _, a := range p.actors {
			for len(a.ep.Pending()) > 0 {
				p.answered(rt)(a.ep.Deliver(p.s.t.Context(), 0))
			}
			left += one[int](p.s.w, a.c, `SELECT count(*) FROM stripe_refetch`)
		}
		if left == 0 {
			return
		}
		p.sim.Advance(3 * time.Second)
		p.refetch(rt)
	}
	rt.Fatal("the refetch lists do not come to an end")
}
