package fetch_test

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fetch"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/sim/site"
	"memberintel/internal/tenant"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const host = "lakeside.example"

// clock is the client's: it stands still until it is moved, and then the timers that are due go off.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	timers map[chan time.Time]time.Time
}

func newClock() *clock { return &clock{now: start, timers: map[chan time.Time]time.Time{}} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) (<-chan time.Time, func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	timer := make(chan time.Time, 1)
	c.timers[timer] = c.now.Add(d)
	return timer, func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, timer)
		return true
	}
}

// Advance reports whether a timer went off.
func (c *clock) Advance(d time.Duration) (fired bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for timer, due := range c.timers {
		if !due.After(c.now) {
			timer <- c.now
			delete(c.timers, timer)
			fired = true
		}
	}
	return fired
}

// take lets an answer take so long: where the client gives up before, nobody is there to be answered.
func (c *clock) take(d time.Duration) func(*http.Request) {
	return func(r *http.Request) {
		if c.Advance(d) {
			<-r.Context().Done()
		}
	}
}

// loopback is where the tests' sites are; nothing else that is not public is let through.
func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// place is a website on a real port, and a client whose name server knows it.
type place struct {
	site   *site.Site
	server *httptest.Server
	names  *site.Names
	clock  *clock
	roots  *x509.CertPool
	url    string
	client *fetch.Client
	asked  atomic.Int32 // connections that were made, which is as many as requests
}

// open starts a site; prepare may change how it is served.
func open(t *testing.T, well http.Handler, prepare func(*place)) *place {
	t.Helper()
	p := &place{site: site.New(well), names: site.NewNames(), clock: newClock()}
	p.server = httptest.NewUnstartedServer(p.site)
	p.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	p.server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			p.asked.Add(1)
		}
	}
	p.names.Set(host, netip.MustParseAddr("127.0.0.1"))
	if prepare != nil {
		prepare(p)
	}
	if p.server.URL == "" {
		p.server.Start()
	}
	t.Cleanup(p.server.Close)
	p.url = strings.Replace(p.server.URL, "127.0.0.1", host, 1) + "/?rest_route=/memberintel/v1/sync"
	p.client = fetch.New(fetch.Config{
		UserAgent: "memberintel/1 (+https://memberintel.example)", MaxBytes: 1 << 20, Allow: loopback(),
		Resolver: p.names.Resolver(), Roots: p.roots, Now: p.clock.Now, After: p.clock.After,
	})
	return p
}

// onAddress serves on an address of the loopback network.
func onAddress(t *testing.T, address string, h http.Handler) *httptest.Server {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(h)
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	return server
}

// do asks once, for JSON, with a timeout of five seconds on the clock of the place.
func (p *place) do(t *testing.T) (fetch.Response, error) {
	return p.client.Do(t.Context(), fetch.Request{URL: p.url, JSON: true}, 5*time.Second)
}

// house is a database whose clock stands still.
type house struct {
	t     *testing.T
	db    *postgres.DB
	clock *pgtest.Clock
}

func newHouse(t *testing.T) *house {
	t.Helper()
	db := pgtest.New(t)
	return &house{t: t, db: db, clock: pgtest.NewClock(t, db, start)}
}

func (h *house) pass(d time.Duration) { h.clock.Advance(d) }

// sleep lets the time pass that somebody waits.
func (h *house) sleep(_ context.Context, d time.Duration) error {
	h.pass(d)
	return nil
}

// tenant makes a tenant with a connection.
func (h *house) tenant(name string, p connection.Pipeline) (tenant.ID, connection.ID) {
	h.t.Helper()
	created, err := identity.CreateTenant(h.t.Context(), h.db, name, tenant.Pro)
	if err != nil {
		h.t.Fatal(err)
	}
	vault, err := connection.OpenVault(filepath.Join(h.t.TempDir(), "key"))
	if err != nil {
		h.t.Fatal(err)
	}
	var c connection.Connection
	err = h.db.TenantTx(h.t.Context(), created.ID, func(tx *postgres.TenantTx) error {
		c, _, err = connection.NewStore(vault).Connect(h.t.Context(), tx, connection.Request{Pipeline: p, SourceAccountID: name})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return created.ID, c.ID
}

// process is a Care with a pool of its own, as on another machine.
func (h *house) process(cfg care.Config) *care.Care {
	h.t.Helper()
	db, err := postgres.Connect(h.t.Context(), h.db.AppURL(), h.db.OwnerURL(), 0)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(db.Close)
	return care.New(db, cfg)
}
