package app

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fetch"
	"memberintel/internal/sim/site"
	"memberintel/internal/tenant"
)

const sickHost = "lakeside.example"

// patient is a tenant with a MemberPress site: real HTTPS on a real port, behind a name server of its own.
type patient struct {
	tenant     tenant.ID
	connection connection.ID
	email      string

	site   *site.Site
	front  *front
	names  *site.Names
	roots  *x509.CertPool
	watch  *stopwatch
	client *fetch.Client
	url    string
	asked  atomic.Int32 // connections that were made, which is as many as requests
}

// newClub starts a site that answers within a second.
func newClub(t *testing.T, certificates map[appearance]tls.Certificate) *patient {
	t.Helper()
	c := &patient{site: site.New(nil), names: site.NewNames(), watch: &stopwatch{now: sickStart}}
	server := httptest.NewUnstartedServer(c.site)
	c.front = &front{Listener: server.Listener, certificates: certificates}
	server.Listener = c.front
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			c.asked.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c.roots = x509.NewCertPool()
	for look, certificate := range certificates {
		if look != untrusted {
			c.roots.AddCert(certificate.Leaf)
		}
	}
	c.url = strings.Replace(server.URL, "http://127.0.0.1", "https://"+sickHost, 1) + "/?rest_route=/memberintel/v1/sync"
	c.client = fetch.New(c.visited(c.watch))
	c.recovers()
	return c
}

// visited is what a client is made of that knows the site and goes by that clock.
func (c *patient) visited(watch *stopwatch) fetch.Config {
	return fetch.Config{
		MaxBytes: 1 << 20, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Resolver: c.names.Resolver(), Roots: c.roots,
		Now: watch.Now, After: watch.After,
	}
}

// neighbour is another tenant's club on the same site.
func (c *patient) neighbour() *patient {
	other := &patient{site: c.site, front: c.front, names: c.names, roots: c.roots, watch: &stopwatch{now: sickStart}, url: c.url}
	other.client = fetch.New(other.visited(other.watch))
	return other
}

// recovers makes all as it should be.
func (c *patient) recovers() {
	c.site.Be(site.Healthy)
	c.site.OnRequest(c.watch.take(time.Second))
	c.front.show(proper)
	c.names.Set(sickHost, netip.MustParseAddr("127.0.0.1"))
}

// sickness is what becomes of a club's site.
type sickness func(*patient)

func is(what site.Sickness) sickness {
	return func(c *patient) {
		c.site.Be(what)
		c.site.OnRequest(nil)
		if what == site.Hanging || what == site.Dripping {
			c.site.OnRequest(c.watch.take(time.Hour))
		}
	}
}

func takes(d time.Duration) sickness { return func(c *patient) { c.site.OnRequest(c.watch.take(d)) } }
func shows(look appearance) sickness { return func(c *patient) { c.front.show(look) } }
func leadsTo(address string) sickness {
	return func(c *patient) { c.names.Set(sickHost, netip.MustParseAddr(address)) }
}
func isUnknown(c *patient) { c.names.Forget(sickHost) }

// appearance is what a client meets before it can ask anything.
type appearance string

const (
	proper    appearance = "proper"
	expired   appearance = "expired"
	misnamed  appearance = "misnamed"
	untrusted appearance = "untrusted"
	plainHTTP appearance = "plain" // no TLS at all
)

func appearances(t *testing.T) map[appearance]tls.Certificate {
	t.Helper()
	made := map[appearance]tls.Certificate{}
	for look, about := range map[appearance]struct {
		name  string
		until time.Time
	}{
		proper: {sickHost, time.Now().AddDate(50, 0, 0)}, expired: {sickHost, time.Now().AddDate(-1, 0, 0)},
		misnamed: {"hillside.example", time.Now().AddDate(50, 0, 0)}, untrusted: {sickHost, time.Now().AddDate(50, 0, 0)},
	} {
		certificate, _, err := site.Certificate(about.until, about.name)
		if err != nil {
			t.Fatal(err)
		}
		made[look] = certificate
	}
	return made
}

// front is a listener that shows itself as it is told to.
type front struct {
	net.Listener
	certificates map[appearance]tls.Certificate

	mu   sync.Mutex
	look appearance
}

func (f *front) show(look appearance) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.look = look
}

// Accept waits for a client.
func (f *front) Accept() (net.Conn, error) {
	conn, err := f.Listener.Accept()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || f.look == plainHTTP {
		return conn, err
	}
	return tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{f.certificates[f.look]}, MinVersion: tls.VersionTLS12}), nil
}

// stopwatch is the clock of a client that has one request under way. It stands still until the site takes its time.
type stopwatch struct {
	mu   sync.Mutex
	now  time.Time
	due  time.Time
	over chan time.Time // nil while nobody waits
	rung bool           // the timer that was set last has gone off
}

// Now reads it.
func (s *stopwatch) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// After sets the timer.
func (s *stopwatch) After(d time.Duration) (<-chan time.Time, func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due, s.over, s.rung = s.now.Add(d), make(chan time.Time, 1), false
	return s.over, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.over = nil
		return true
	}
}

// take lets an answer take so long: where the client gives up before, nobody is there to be answered. That holds for
// a request too that the transport repeats by itself before the client has noticed.
func (s *stopwatch) take(d time.Duration) func(*http.Request) {
	return func(r *http.Request) {
		s.mu.Lock()
		s.now = s.now.Add(d)
		if s.over != nil && !s.due.After(s.now) {
			s.over <- s.now
			s.over, s.rung = nil, true
		}
		over := s.rung
		s.mu.Unlock()
		if over {
			<-r.Context().Done()
		}
	}
}
