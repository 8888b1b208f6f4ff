package app

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/pipeline/stripe"
	"memberintel/internal/postgres/pgtest"
	sim "memberintel/internal/sim/stripe"
	"memberintel/internal/tenant"
)

// club is a tenant with a Stripe account of its own.
type club struct {
	name       string
	connection connection.ID
	account    *sim.Account
}

// house opens what a command has, for what would take too long by commands or has none.
func (d *desk) house() (*program, *house) {
	d.t.Helper()
	p := &program{Process: Process{Args: []string{"status"}, Env: d.env, Stdout: io.Discard, Stderr: io.Discard}, env: environment(d.env)}
	if _, code := p.parse(); code != exitCodeUnwanted {
		d.t.Fatalf("the settings are refused: exit %d", code)
	}
	h, err := p.open(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(h.close)
	return p, h
}

// fleet connects n small clubs. Nobody has asked for a sync of them yet.
func (d *desk) fleet(p *program, h *house, n int) (clubs []club) {
	d.t.Helper()
	for i := range n {
		c := club{name: fmt.Sprint("club ", i), account: d.sim.NewAccount(sim.AccountOptions{})}
		c.account.Club(uint64(i), 4, 2) //nolint:gosec // small
		created, err := identity.CreateTenant(d.t.Context(), h.db, c.name, tenant.Pro)
		if err != nil {
			d.t.Fatal(err)
		}
		key := c.account.RestrictedKey(append(sim.ReadPermissions(), "accounts_kyc_basic_read")...)
		d.hidden = append(d.hidden, key)
		view, err := p.connectStripe(d.t.Context(), h, stripe.ConnectRequest{
			Tenant: created.ID, Actor: actor, Key: key, WebhookSecrets: deskSecret,
		})
		if err != nil {
			d.t.Fatal(err)
		}
		c.connection = view.ConnectionID
		clubs = append(clubs, c)
	}
	return clubs
}

// serve does what serve does, in this process, until end, which fails unless it ended in order.
func (d *desk) serve(p *program, h *house, roles ...string) (address string, end func()) {
	d.t.Helper()
	var listener net.Listener
	if slices.Contains(roles, roleWeb) {
		var err error
		if listener, err = listen(d.t.Context(), "127.0.0.1:0"); err != nil {
			d.t.Fatal(err)
		}
		address = listener.Addr().String()
	}
	ctx, stop := context.WithCancel(d.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.serve(ctx, h, roles, listener) }()
	end = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			d.t.Errorf("serve ended with %v", err)
		}
	})
	d.t.Cleanup(func() {
		for _, g := range d.gates {
			g.open()
		}
		end()
	})
	return address, end
}

// holds waits until the query, which nobody announces the answer of, tells true.
func (d *desk) holds(within time.Duration, what, sql string, args ...any) {
	d.t.Helper()
	owner := pgtest.Owner(d.t, d.db)
	defer owner.Close()
	limit, look := time.After(within), time.NewTicker(10*time.Millisecond)
	defer look.Stop()
	for {
		var holds bool
		if err := owner.QueryRow(d.t.Context(), sql, args...).Scan(&holds); err != nil {
			d.t.Fatalf("%s: %v", what, err)
		}
		if holds {
			return
		}
		select {
		case <-look.C:
		case <-limit:
			d.t.Fatalf("waited %v in vain until %s", within, what)
		}
	}
}

// text reads one value as the owner.
func (d *desk) text(sql string, args ...any) (s string) {
	d.t.Helper()
	owner := pgtest.Owner(d.t, d.db)
	defer owner.Close()
	if err := owner.QueryRow(d.t.Context(), sql, args...).Scan(&s); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	return s
}

// gate holds the answers to some of Stripe's requests until it is opened.
type gate struct {
	arrived chan struct{}
	opened  chan struct{}
	open    func()
}

func (d *desk) gate(holds func(*http.Request) bool) *gate {
	g := &gate{arrived: make(chan struct{}, 10_000), opened: make(chan struct{})}
	g.open = sync.OnceFunc(func() { close(g.opened) })
	d.t.Cleanup(g.open)
	d.gates = append(d.gates, g)
	d.sim.OnRead(func(r *http.Request) {
		if holds(r) {
			g.arrived <- struct{}{}
			<-g.opened
		}
	})
	return g
}

// await returns when so many have arrived.
func (g *gate) await(t *testing.T, n int) {
	t.Helper()
	limit := time.After(time.Minute)
	for i := range n {
		select {
		case <-g.arrived:
		case <-limit:
			t.Fatalf("%d of %d have arrived", i, n)
		}
	}
}

// exec does something as the owner.
func (d *desk) exec(sql string, args ...any) {
	d.t.Helper()
	owner := pgtest.Owner(d.t, d.db)
	defer owner.Close()
	if _, err := owner.Exec(d.t.Context(), sql, args...); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
}
