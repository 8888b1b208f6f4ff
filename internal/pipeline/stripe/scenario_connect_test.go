package stripe

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	simstripe "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// newTenant makes a tenant that has connected nothing.
func (w *world) newTenant(name string) tenant.ID {
	w.t.Helper()
	made, err := identity.CreateTenant(w.t.Context(), w.db, name, tenant.Pro)
	w.must(err)
	return made.ID
}

// connectBy connects a tenant with a key, and names the account unless that is "".
func (w *world) connectBy(id tenant.ID, key, account string) (c connection.Connection, warnings []string, err error) {
	w.t.Helper()
	return w.p.Connect(w.t.Context(), ConnectRequest{Tenant: id, Actor: "test", Key: key, Account: account})
}

// silent makes a key that may read everything but whose it is.
func silent(account *simstripe.Account) string {
	return account.RestrictedKey(simstripe.ReadPermissions()...)
}

// telling makes a key that may read whose it is, too.
func telling(account *simstripe.Account) string {
	return account.RestrictedKey(append(simstripe.ReadPermissions(), "accounts_kyc_basic_read")...)
}

func TestAKeyOfAnotherAccountThanTheNamedOneIsRefused(t *testing.T) {
	w := newWorld(t)
	east, west := w.twin("acct_east"), w.twin("acct_west")
	id := w.newTenant("east")
	_, _, err := w.connectBy(id, telling(east), west.ID())
	if !fault.Is(err, fault.Conflict) || fault.Sentence(err) != "The key belongs to "+east.ID()+", not to "+west.ID()+"." {
		t.Errorf("got %v", err)
	}
	err = w.db.TenantTx(t.Context(), id, func(tx *postgres.TenantTx) error {
		_, err := w.p.Connections.Get(t.Context(), tx, connection.Stripe)
		return err
	})
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("what was refused left a connection: %v", err)
	}
}

// Whoever names an account that the key does not tell has no claim to it: its owner still gets in, and what the
// platform is told about it reaches the owner.
func TestANameThatNobodyConfirmedReservesNothing(t *testing.T) {
	for name, connect := range map[string]func(*world, *simstripe.Account) connection.Connection{
		"the owner comes by a key": func(w *world, victim *simstripe.Account) connection.Connection {
			c, _, err := w.connectBy(w.newTenant("owner"), telling(victim), "")
			w.must(err)
			return c
		},
		"the owner comes by the platform": func(w *world, victim *simstripe.Account) connection.Connection {
			return w.connectPlatform("owner", victim)
		},
		"the owner's key does not tell either": func(w *world, victim *simstripe.Account) connection.Connection {
			c, _, err := w.connectBy(w.newTenant("owner"), silent(victim), victim.ID())
			w.must(err)
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			victim, mallory := w.twin("acct_victim"), w.twin("acct_mallory")
			ep, platform, _ := w.platform()
			victim.Connect(platform)
			claim, _, err := w.connectBy(w.newTenant("mallory"), silent(mallory), victim.ID())
			w.must(err)

			c := connect(w, victim)
			ana := victim.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
			signed, err := ep.Signed(0)
			w.must(err)
			if status, _ := w.post(w.door()+"/webhooks/stripe", signed.Body, "whsec_platform"); status != http.StatusOK {
				t.Errorf("the platform's endpoint answered %d", status)
			}
			want := ""
			if c.CredentialKind == CredentialPlatform {
				want = "Ana"
			}
			if got := w.nameOf(c, ana); got != want {
				t.Errorf("the owner has %q, want %q", got, want)
			}
			if got := w.nameOf(claim, ana); got != "" {
				t.Errorf("the pretender has %q", got)
			}
			if c.AccountConfirmed { // somebody who comes later with the mere name of it is told so
				_, _, err := w.connectBy(w.newTenant("late"), silent(mallory), victim.ID())
				if !fault.Is(err, fault.Conflict) {
					t.Errorf("a second claim: %v", err)
				}
				_, _, err = w.connectBy(w.newTenant("twice"), telling(victim), "")
				if !fault.Is(err, fault.Conflict) {
					t.Errorf("an account that feeds a tenant was connected to a second one: %v", err)
				}
			}
			of := func(c connection.Connection) *Pace {
				client, err := w.p.client(t.Context(), c)
				w.must(err)
				return client.pace()
			}
			if of(c) == of(claim) {
				t.Error("who claims an account can slow its owner down")
			}
		})
	}
}

// mustConnect is connectBy where nothing may go wrong.
func (w *world) mustConnect(id tenant.ID, key, account string) connection.Connection {
	w.t.Helper()
	c, _, err := w.connectBy(id, key, account)
	w.must(err)
	return c
}

// mustRefuse connects with a key that must be refused, and returns the sentence, which must hold each of the words.
func (w *world) mustRefuse(id tenant.ID, key, account string, words ...string) {
	w.t.Helper()
	_, _, err := w.connectBy(id, key, account)
	for _, word := range words {
		if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Sentence(err), word) {
			w.t.Errorf("got %v; want a refusal that says %q", err, word)
		}
	}
}

// populated opens an account with one member who pays.
func (w *world) populated(name string) *simstripe.Account {
	w.t.Helper()
	account := w.sim.NewAccount(simstripe.AccountOptions{})
	product := account.CreateProduct(simstripe.ProductParams{Name: "Membership"})
	price := account.CreatePrice(simstripe.PriceParams{Product: product, Amount: 1000, Currency: "usd", Interval: "month"})
	_, err := account.CreateSubscription(simstripe.SubscriptionParams{
		Customer: account.CreateCustomer(simstripe.CustomerParams{Name: name}), Prices: []string{price},
	})
	w.must(err)
	w.sim.Advance(time.Minute)
	return account
}

func TestAnUnknownAccountIsKnownByItsObjects(t *testing.T) {
	w := newWorld(t)
	ours, theirs := w.populated("Ana"), w.populated("Bea")
	id := w.newTenant("east")
	c := w.mustConnect(id, silent(ours), "")
	w.syncOf(c, "")
	before := w.current(c)
	w.mustRefuse(id, silent(theirs), "", "does not know customer cus_", "`memberintel disconnect stripe`", "--account")
	if got := w.current(c); got.Generation != before.Generation {
		t.Error("a refused key changed the connection")
	}
	w.mustRefuse(id, telling(theirs), "", "an account that did not tell its name", "`memberintel disconnect stripe`")

	c = w.mustConnect(id, silent(ours), "")
	w.sim.Advance(time.Minute)
	if report := w.syncOf(c, ""); report.Mode != syncrun.Incremental || report.Status != syncrun.Succeeded {
		t.Errorf("with another key of the account the sync was %s and %s", report.Mode, report.Status)
	}

	t.Run("whose key may tell it now", func(t *testing.T) {
		c = w.mustConnect(id, telling(ours), ours.ID())
		w.sim.Advance(time.Minute)
		w.syncOf(c, syncrun.Full)
		w.mustEqual(c)
		if n := one[int](w, c, `SELECT count(*) FROM members`); n != 1 {
			t.Errorf("the one member has %d rows", n)
		}
	})
	t.Run("after a disconnect", func(t *testing.T) {
		_, err := w.p.Disconnect(t.Context(), id, "test")
		w.must(err)
		w.mustRefuse(id, silent(theirs), "", "does not know customer cus_", "--account")
		other := w.mustConnect(id, silent(theirs), theirs.ID())
		if other.ID == c.ID {
			t.Error("another account took over the connection")
		}
		_, err = w.p.Disconnect(t.Context(), id, "test")
		w.must(err)
		w.mustConnect(id, silent(ours), "")
	})
}

func TestAnAccountThatWasOnlyNamedIsKnownByItsObjects(t *testing.T) {
	w := newWorld(t)
	ours, theirs := w.populated("Ana"), w.populated("Bea")
	id := w.newTenant("east")
	w.syncOf(w.mustConnect(id, silent(ours), ours.ID()), "")
	w.mustRefuse(id, silent(theirs), ours.ID(), ours.ID(), "`memberintel disconnect stripe`")
	w.mustConnect(id, silent(ours), ours.ID())
	if c := w.mustConnect(id, telling(ours), ""); !c.AccountConfirmed {
		t.Error("the account was told and counts as not confirmed")
	}
	if c := w.mustConnect(id, silent(ours), ours.ID()); !c.AccountConfirmed {
		t.Error("a key that reads the same objects took the confirmation away")
	}
}

func TestWhatAnAccountIsKnownBy(t *testing.T) {
	gone := func(w *world, a *simstripe.Account) {
		w.must(a.DeleteCustomer(a.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})))
	}
	gold := func(_ *world, a *simstripe.Account) {
		a.CreateProduct(simstripe.ProductParams{ID: "gold", Name: "Gold"})
	}
	member := func(_ *world, a *simstripe.Account) { a.CreateCustomer(simstripe.CustomerParams{Name: "Ana"}) }
	for name, c := range map[string]struct {
		ours, later, theirs func(*world, *simstripe.Account)
		refused             string // with which words the other account's key is, "" when it is not
	}{
		"ids that people choose":           {ours: gold, theirs: gold, refused: "does not know product gold"},
		"a member who was deleted since":   {ours: member, later: func(w *world, a *simstripe.Account) { w.must(a.DeleteCustomer(a.IDs("customers")[0])) }, theirs: member, refused: "does not know customer"},
		"nothing alive":                    {ours: gone, theirs: member},
		"nothing at all":                   {theirs: member},
		"nothing at all, on either side":   {},
		"an account that has nothing left": {ours: member, refused: "does not know customer"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			made := func(fill func(*world, *simstripe.Account)) *simstripe.Account {
				account := w.sim.NewAccount(simstripe.AccountOptions{})
				if fill != nil {
					fill(w, account)
				}
				w.sim.Advance(time.Minute)
				return account
			}
			ours, theirs := made(c.ours), made(c.theirs)
			id := w.newTenant("east")
			w.syncOf(w.mustConnect(id, silent(ours), ""), "")
			if c.later != nil {
				c.later(w, ours)
			}
			w.mustConnect(id, silent(ours), "")
			if c.refused != "" {
				w.mustRefuse(id, silent(theirs), "", c.refused)
				return
			}
			got := w.mustConnect(id, silent(theirs), "")
			w.sim.Advance(time.Minute)
			if report := w.syncOf(got, ""); report.Mode != syncrun.Full {
				t.Errorf("with a key of which nothing is known the sync was %s", report.Mode)
			}
			w.mustEqual(got)
		})
	}
}

func TestAKeyThatMayReadNothingStoredTellsNoAccount(t *testing.T) {
	w := newWorld(t)
	ours := w.populated("Ana")
	id := w.newTenant("east")
	key := ours.RestrictedKey("customer_read")
	c := w.mustConnect(id, key, "")
	w.syncOf(c, "")
	w.mustRefuse(id, ours.RestrictedKey("invoice_read"), "", "customers (Customers: Read)", "`memberintel disconnect stripe`", "--account")
	w.mustConnect(id, ours.RestrictedKey("invoice_read", "customer_read"), "")
	w.mustConnect(id, key, "")
	if _, _, err := w.p.Connect(t.Context(), ConnectRequest{Tenant: id, Actor: "test", Key: key, WebhookSecrets: "whsec_1"}); err != nil {
		t.Errorf("a webhook secret beside the key that is there: %v", err)
	}
	w.sim.Fault(simstripe.Fault{Kind: simstripe.ServerError, Endpoint: "/v1/customers/{id}"})
	_, _, err := w.connectBy(id, silent(ours), "")
	if !fault.Is(err, fault.Unavailable) {
		t.Errorf("while Stripe has trouble: %v", err)
	}
	if _, _, err := w.connectBy(id, key, ""); err != nil {
		t.Errorf("the key that is there already: %v", err)
	}
}
