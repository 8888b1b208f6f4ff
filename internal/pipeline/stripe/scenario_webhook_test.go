package stripe

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
)

func TestDeliveriesWaitForTheDatabase(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	door := w.door()
	ep := w.endpoint(door)
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	w.deliver(ep)
	w.sim.Advance(time.Minute)
	w.must(w.account.UpdateCustomer(ana, simstripe.CustomerUpdate{Name: word("Ana Lima")}))

	super := pgtest.Superuser(t, w.db)
	var database string
	w.must(super.QueryRow(t.Context(), `SELECT current_database()`).Scan(&database))
	away := func(limit int) {
		_, err := super.Exec(t.Context(), fmt.Sprintf(`ALTER DATABASE %q CONNECTION LIMIT %d`, database, limit))
		w.must(err)
		if limit != 0 {
			return
		}
		_, err = super.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = 'memberintel_app'`)
		w.must(err)
	}
	signed, err := ep.Signed(0)
	w.must(err)
	url := door + "/webhooks/stripe/" + w.c.ID.String()
	away(0)
	for range 3 {
		status, header := w.post(url, signed.Body, worldSecret)
		if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
			t.Fatalf("answered %d with Retry-After %q while PostgreSQL is away", status, header.Get("Retry-After"))
		}
	}
	away(-1)
	for range 50 { // each of the pool's dead connections may fail one delivery, which Stripe makes again
		if failed, err := ep.DeliverAll(t.Context()); failed == 0 && err == nil {
			break
		}
	}
	if got := w.nameOf(w.c, ana); got != "Ana Lima" {
		t.Errorf("the member is %q", got)
	}
	w.mustEqual(w.c)
}

// throw throws or clears a switch as the operator.
func (w *world) throw(name string, on bool) {
	w.t.Helper()
	w.must(w.db.OperatorTx(w.t.Context(), func(tx *postgres.OperatorTx) error {
		if on {
			return guard.On(w.t.Context(), tx, name, "being repaired", "olga", 0)
		}
		_, err := guard.Off(w.t.Context(), tx, name, "olga")
		return err
	}))
}

func TestASwitchHoldsDeliveriesBack(t *testing.T) {
	for _, name := range []string{guard.All, guard.Webhooks, "pipeline:stripe", "tenant"} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			other := w.twin("acct_other")
			neighbour := w.second("neighbour", other, worldSecret)
			w.sync("")
			w.syncOf(neighbour, "")
			door := w.door()
			ep, theirs := w.endpoint(door), w.endpointOf(other, neighbour, door)
			if name == "tenant" {
				name = "tenant:" + w.c.TenantID.String()
			}
			w.throw(name, true)
			w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
			other.CreateCustomer(simstripe.CustomerParams{Name: "Bea"})
			signed, err := ep.Signed(0)
			w.must(err)
			if status, header := w.post(door+"/webhooks/stripe/"+w.c.ID.String(), signed.Body, worldSecret); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
				t.Fatalf("answered %d with Retry-After %q", status, header.Get("Retry-After"))
			}
			if n := one[int](w, w.c, `SELECT count(*) FROM members`) + one[int](w, w.c, `SELECT count(*) FROM stripe_events_processed`); n != 0 {
				t.Errorf("%d rows were written under the switch", n)
			}
			if status, _ := theirs.Deliver(t.Context(), 0); (status == http.StatusOK) != (name[:3] == "ten") {
				t.Errorf("the neighbour's delivery was answered %d", status)
			}
			for len(ep.Pending()) > 0 {
				ep.Drop(0) // Stripe gives up
			}
			w.throw(name, false)
			w.sim.Advance(time.Minute)
			if _, err := w.p.Replay(t.Context(), w.current(w.c), time.Hour, nil); err != nil {
				t.Fatal(err)
			}
			if n := one[int](w, w.c, `SELECT count(*) FROM members`); n != 1 {
				t.Errorf("%d members after the replay, want 1", n)
			}
			w.mustEqual(w.c)
		})
	}
}

func TestSecretsAreRotated(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	ep := w.endpoint(w.door())
	next := func(secrets ...string) int {
		t.Helper()
		ep.SetSecrets(secrets...)
		w.sim.Advance(5 * time.Second)
		w.account.CreateCustomer(simstripe.CustomerParams{Name: "somebody"})
		deadline := time.Now().Add(5 * time.Second)
		for {
			status, err := ep.Deliver(t.Context(), 0)
			w.must(err)
			if status == http.StatusOK || time.Now().After(deadline) {
				return status
			}
			<-time.After(100 * time.Millisecond) // Stripe tries again; secrets are looked up once a second at most
		}
	}
	replace := func(secrets string) {
		t.Helper()
		_, _, err := w.p.Connect(t.Context(), ConnectRequest{Tenant: w.c.TenantID, Actor: "test", WebhookSecrets: secrets})
		w.must(err)
	}
	if status := next("whsec_new", worldSecret); status != 200 {
		t.Errorf("while Stripe signs with both secrets: %d", status)
	}
	replace(worldSecret + ", whsec_new")
	if status := next("whsec_new"); status != 200 {
		t.Errorf("while both secrets are known: %d", status)
	}
	if status := next(worldSecret); status != 200 {
		t.Errorf("the old secret while both are known: %d", status)
	}
	replace("whsec_new")
	if status := next("whsec_new"); status != 200 {
		t.Errorf("the new secret alone: %d", status)
	}
	w.throughDoorAnew(ep, worldSecret, 400)
}

// throughDoorAnew delivers once more to a door that has nothing cached.
func (w *world) throughDoorAnew(ep *simstripe.Endpoint, secret string, want int) {
	w.t.Helper()
	w.account.CreateCustomer(simstripe.CustomerParams{Name: "somebody"})
	signed, err := ep.Signed(0)
	w.must(err)
	if status, _ := w.post(w.door()+"/webhooks/stripe/"+w.c.ID.String(), signed.Body, secret); status != want {
		w.t.Errorf("answered %d, want %d", status, want)
	}
}

func TestADisconnectedConnectionIsAnsweredAndLeftAlone(t *testing.T) {
	w := newWorld(t)
	ana := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	w.sim.Advance(time.Minute)
	w.sync("")
	ep := w.endpoint(w.door())
	w.sim.Advance(time.Minute)
	w.must(w.account.UpdateCustomer(ana, simstripe.CustomerUpdate{Name: word("Ana Lima")}))
	w.deliver(ep)
	if _, err := w.p.Disconnect(t.Context(), w.c.TenantID, "test"); err != nil {
		t.Fatal(err)
	}
	w.sim.Advance(time.Minute)
	w.must(w.account.DeleteCustomer(ana))
	w.deliver(ep)
	if got := w.nameOf(w.c, ana); got != "Ana Lima" {
		t.Errorf("the member is %q", got)
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM members WHERE deleted_at IS NOT NULL`); n != 0 {
		t.Error("the member was deleted")
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM sync_run WHERE mode = 'live' AND status = 'running'`); n != 0 {
		t.Error("the live run goes on")
	}
	if got := w.current(w.c).State; got != connection.Disconnected {
		t.Errorf("the connection is %s", got)
	}
}

func TestAPoisonousEventHarmsNobodyElse(t *testing.T) {
	w := newWorld(t)
	other := w.twin("acct_other")
	neighbour := w.second("neighbour", other, worldSecret)
	w.sync("")
	w.syncOf(neighbour, "")
	w.owner(`ALTER TABLE members ADD CONSTRAINT no_poison CHECK (name <> 'poison')`)
	door := w.door()
	ep, theirs := w.endpoint(door), w.endpointOf(other, neighbour, door)
	var bodies [][]byte
	var urls []string
	for i := range 20 {
		name := fmt.Sprint("member ", i)
		if i == 7 {
			name = "poison"
		}
		w.account.CreateCustomer(simstripe.CustomerParams{Name: name})
		other.CreateCustomer(simstripe.CustomerParams{Name: name + " next door"})
		for e, c := range map[*simstripe.Endpoint]connection.Connection{ep: w.c, theirs: neighbour} {
			signed, err := e.Signed(0)
			w.must(err)
			e.Drop(0)
			bodies, urls = append(bodies, signed.Body), append(urls, door+"/webhooks/stripe/"+c.ID.String())
		}
	}
	w.postAll(urls, bodies)
	if n := one[int](w, w.c, `SELECT count(*) FROM members`); n != 19 {
		t.Errorf("%d members, want all but the poisonous one", n)
	}
	if n := one[int](w, neighbour, `SELECT count(*) FROM members`); n != 20 {
		t.Errorf("%d members of the neighbour, want 20", n)
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM quarantine WHERE stream = 'customers'`); n != 1 {
		t.Errorf("%d objects in quarantine, want 1", n)
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM stripe_events_processed`); n != 20 {
		t.Errorf("%d events in the ledger, want 20", n)
	}
	if got := w.current(neighbour).State; got != connection.Connected {
		t.Errorf("the neighbour's connection is %s", got)
	}
	w.owner(`ALTER TABLE members DROP CONSTRAINT no_poison`)
	w.sim.Advance(time.Minute)
	if _, err := w.p.RereadQuarantine(t.Context(), w.current(w.c)); err != nil {
		t.Fatal(err)
	}
	w.sync("")
	w.mustEqual(w.c)
}

// postAll posts everything at once and wants 200 for all.
func (w *world) postAll(urls []string, bodies [][]byte) {
	w.t.Helper()
	var all sync.WaitGroup
	for i := range urls {
		all.Go(func() {
			if status, _ := w.post(urls[i], bodies[i], worldSecret); status != http.StatusOK {
				w.t.Errorf("delivery %d was answered %d", i, status)
			}
		})
	}
	all.Wait()
}

func TestManySendersAtOnceEndEqual(t *testing.T) {
	w := newWorld(t)
	door := w.door()
	connections := []connection.Connection{w.c}
	accounts := []*simstripe.Account{w.account}
	for i := range 3 {
		account := w.twin("acct_" + strconv.Itoa(i))
		accounts, connections = append(accounts, account), append(connections, w.second(account.ID(), account, worldSecret))
	}
	var urls []string
	var bodies [][]byte
	for i, account := range accounts {
		product := account.CreateProduct(simstripe.ProductParams{Name: "Courts"})
		price := account.CreatePrice(simstripe.PriceParams{Product: product, Amount: 1500, Currency: "usd", Interval: "month"})
		w.syncOf(connections[i], "")
		ep := w.endpointOf(account, connections[i], door)
		for n := range 12 {
			w.sim.Advance(time.Second)
			id := account.CreateCustomer(simstripe.CustomerParams{Name: fmt.Sprint("member ", n)})
			sub, err := account.CreateSubscription(simstripe.SubscriptionParams{Customer: id, Prices: []string{price}})
			w.must(err)
			w.must(account.UpdateMetadata(sub, map[string]string{"court": strconv.Itoa(n)}))
		}
		ep.Shuffle()
		for n := range ep.Pending() {
			signed, err := ep.Signed(n)
			w.must(err)
			for range 1 + n%2 { // half of them twice
				urls, bodies = append(urls, door+"/webhooks/stripe/"+connections[i].ID.String()), append(bodies, signed.Body)
			}
		}
	}
	senders := make(chan int)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for i := range senders {
				if status, _ := w.post(urls[i], bodies[i], worldSecret); status != http.StatusOK {
					t.Errorf("delivery %d was answered %d", i, status)
				}
			}
		})
	}
	for i := range urls {
		senders <- i
	}
	close(senders)
	all.Wait()
	for _, c := range connections {
		w.refetch(c)
		w.mustEqual(c)
		if n := one[int](w, c, `SELECT count(*) FROM sync_run WHERE mode = 'live'`); n != 1 {
			t.Errorf("%d live runs, want 1", n)
		}
	}
	w.sim.Advance(time.Minute)
	if report := w.sync(""); report.Mode != syncrun.Incremental || report.Events != 0 {
		t.Errorf("a pull after the deliveries applied %d events, want none", report.Events)
	}
}
