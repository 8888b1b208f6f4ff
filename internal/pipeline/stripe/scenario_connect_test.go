package stripe

import (
	"net/http"
	"testing"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	simstripe "memberintel/internal/sim/stripe"
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
	_, _, err := w.connectBy(w.newTenant("east"), telling(east), west.ID())
	if !fault.Is(err, fault.Conflict) || fault.Sentence(err) != "The key belongs to "+east.ID()+", not to "+west.ID()+"." {
		t.Errorf("got %v", err)
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
