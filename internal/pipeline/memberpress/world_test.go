package memberpress

import (
	"context"
	"fmt"
	"log/slog"
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
	"memberintel/internal/sim/clock"
	sim "memberintel/internal/sim/memberpress"
	"memberintel/internal/sim/site"
	"memberintel/internal/tenant"
)

var opening = time.Date(2026, 11, 22, 4, 30, 0, 0, time.UTC)

// house is a database whose clock stands still, shared by the sites of a test.
type house struct {
	t     *testing.T
	db    *postgres.DB
	clock *pgtest.Clock
	vault *connection.Vault
	known *care.Care
	built int
}

func newHouse(t *testing.T, cfg care.Config) *house {
	t.Helper()
	h := &house{t: t, db: pgtest.New(t)}
	h.clock = pgtest.NewClock(t, h.db, opening)
	cfg.Sleep = func(_ context.Context, d time.Duration) error {
		h.clock.Advance(d)
		return nil
	}
	h.known = care.New(h.db, cfg)
	var err error
	if h.vault, err = connection.OpenVault(filepath.Join(t.TempDir(), "key")); err != nil {
		t.Fatal(err)
	}
	return h
}

// place is a simulated site on a real port, and the client of a connection to it.
type place struct {
	*client
	house   *house
	site    *sim.Site
	at      Site
	through *fetch.Client
	who     tenant.ID
	what    connection.ID
	url     string
	clock   *clock.Clock // of the site

	names *site.Names
	www   atomic.Bool // whether the host sends everybody to www.

	mu    sync.Mutex
	asked []string // what reached the server, method and address without the request's id
}

const host = "lakeside.example"

// open starts a site at a path of the host.
func (h *house) open(cfg sim.Config, path string) *place {
	t := h.t
	t.Helper()
	p := &place{house: h, clock: clock.At(opening)}
	cfg.Clock, cfg.HomeURL = p.clock, "http://"+host+path
	p.site = sim.New(cfg)
	for i := range int64(40) {
		p.site.Put(sim.Member{ID: i + 1, Login: fmt.Sprintf("member-%d", i), Email: fmt.Sprintf("m%d@club.example", i)})
	}
	p.site.Put(sim.Transaction{ID: 7, MemberID: 1, Status: "complete", Amount: "29.00", Total: "29.00"})
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.note(r)
		if p.www.Load() && !strings.HasPrefix(r.Host, "www.") {
			http.Redirect(w, r, "http://www."+r.Host+r.URL.String(), http.StatusMovedPermanently)
			return
		}
		p.site.ServeHTTP(w, r)
	}))
	p.names = site.NewNames()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Start()
	t.Cleanup(server.Close)
	p.url = strings.Replace(server.URL, "127.0.0.1", host, 1) + path
	p.names.Set(host, loopback())
	p.names.Set("hillside.example", loopback())
	p.through = fetch.New(fetch.Config{
		UserAgent: "memberintel/1.0 (+https://memberintel.example/sync)", Resolver: p.names.Resolver(),
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	p.who, p.what = h.connection()
	key, secret := p.site.Key()
	bytes, err := ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	p.at = Site{URL: p.url, KeyID: key, Secret: bytes}
	p.anew()
	return p
}

func loopback() netip.Addr { return netip.MustParseAddr("127.0.0.1") }

// anew makes a client that knows nothing yet, as each run does.
func (p *place) anew() {
	p.house.t.Helper()
	var err error
	if p.client, err = newClient(p.through, p.house.known, p.who, p.what, p.at, func() time.Time { return opening }); err != nil {
		p.house.t.Fatal(err)
	}
}

func (p *place) note(r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	query := r.URL.Query()
	query.Del("mi_request")
	p.asked = append(p.asked, r.Method+" "+r.URL.Path+"?"+query.Encode())
}

// requests returns what reached the server since the last time.
func (p *place) requests() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := p.asked
	p.asked = nil
	return asked
}

// condition is how care sees the site.
func (p *place) condition() (c care.Condition) {
	t := p.house.t
	t.Helper()
	err := p.house.db.TenantTx(t.Context(), p.who, func(tx *postgres.TenantTx) (err error) {
		c, err = p.house.known.Read(t.Context(), tx, p.what)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (h *house) connection() (tenant.ID, connection.ID) {
	h.t.Helper()
	h.built++
	made, err := identity.CreateTenant(h.t.Context(), h.db, fmt.Sprintf("Club %d", h.built), tenant.Pro)
	if err != nil {
		h.t.Fatal(err)
	}
	var c connection.Connection
	err = h.db.TenantTx(h.t.Context(), made.ID, func(tx *postgres.TenantTx) error {
		c, _, err = connection.NewStore(h.vault).Connect(h.t.Context(), tx, connection.Request{
			Pipeline: connection.MemberPress, SourceAccountID: fmt.Sprintf("site-%d", h.built),
		})
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return made.ID, c.ID
}
