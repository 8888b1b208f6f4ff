package fetch_test

import (
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/postgres"
	"memberintel/internal/sim/site"
	"memberintel/internal/tenant"
)

var update = flag.Bool("update", false, "write the golden files anew")

// sicknesses are what the matrix goes through, in the order in which the page tells them.
var sicknesses = []struct {
	name    string
	be      site.Sickness
	serve   func(*testing.T, *place) // for what goes wrong before a request arrives
	symptom fetch.Symptom
}{
	{"It answers 504 through the proxy in front of it", site.Gateway, nil, fetch.Gateway},
	{"PHP breaks down (500)", site.Fatal, nil, fetch.ServerError},
	{"It answers 503 without a reason", site.Unavailable, nil, fetch.ServerError},
	{"It does not answer", site.Hanging, nil, fetch.Timeout},
	{"It answers a byte at a time", site.Dripping, nil, fetch.SlowDrip},
	{"It resets the connection", site.Resetting, nil, fetch.Reset},
	{"The answer breaks off", site.Truncated, nil, fetch.Reset},
	{"Something that is no web server answers", site.Garbage, nil, fetch.Garbled},
	{"It sends headers without end", site.LongHeaders, nil, fetch.Garbled},
	{"The answer unpacks without end", site.Bomb, nil, fetch.TooLarge},
	{"Maintenance mode of WordPress", site.Maintenance, nil, fetch.Maintenance},
	{"It asks for fewer requests (429)", site.TooMany, nil, fetch.TooMany},
	{"Cloudflare wants to see a browser", site.Challenge, nil, fetch.Challenge},
	{"Wordfence has blocked us", site.Wordfence, nil, fetch.Firewall},
	{"The host's ModSecurity refuses (406)", site.ModSecurity, nil, fetch.Firewall},
	{"A plugin keeps the REST interface for signed-in users (401)", site.SignedIn, nil, fetch.SignIn},
	{"The whole site has a password (401)", site.Locked, nil, fetch.SignIn},
	{"The plugin is switched off (404)", site.Missing, nil, fetch.NotFound},
	{"JSON that breaks off", site.GarbageJSON, nil, fetch.NotJSON},
	{"A coming-soon page for everybody (200)", site.ComingSoon, nil, fetch.WebPage},
	{"The domain is parked", site.Parked, nil, fetch.Parked},
	{"The domain leads to a parking service", site.ParkedAway, nil, fetch.Parked},
	{"The site leads to another host", site.MovedAway, nil, fetch.Moved},
	{"WordPress is not set up", site.NotInstalled, nil, fetch.NotInstalled},
	{"It redirects in circles", site.Looping, nil, fetch.RedirectLoop},
	{"The certificate has expired", "", certificate(start.AddDate(-1, 0, 0), true, host), fetch.TLS},
	{"The certificate is another site's", "", certificate(start.AddDate(50, 0, 0), true, "hillside.example"), fetch.TLS},
	{"The certificate comes from nobody who is trusted", "", certificate(start.AddDate(50, 0, 0), false, host), fetch.TLS},
	{"It does not speak TLS where it should", "", plainBehindHTTPS, fetch.TLS},
	{"Nobody listens", "", nobodyListens, fetch.Unreachable},
	{"The name does not exist", "", func(_ *testing.T, p *place) { p.names = site.NewNames() }, fetch.NoSuchName},
	{"The name leads to an inner address", "", innerAddress, fetch.PrivateAddress},
}

func certificate(notAfter time.Time, trusted bool, name string) func(*testing.T, *place) {
	return func(t *testing.T, p *place) {
		made, roots, err := site.Certificate(notAfter, name)
		if err != nil {
			t.Fatal(err)
		}
		if trusted {
			p.roots = roots
		}
		p.server.TLS = &tls.Config{Certificates: []tls.Certificate{made}}
		p.server.StartTLS()
	}
}

func plainBehindHTTPS(_ *testing.T, p *place) {
	p.server.Start()
	p.server.URL = strings.Replace(p.server.URL, "http:", "https:", 1)
}

func nobodyListens(_ *testing.T, p *place) {
	p.server.Start()
	p.server.Close()
}

func innerAddress(_ *testing.T, p *place) { p.names.Set(host, netip.MustParseAddr("10.1.2.3")) }

// course is what became of one sickness.
type course struct {
	name, kind      string
	tries, requests int            // of the schedule
	hour            int            // requests, when it is tried every minute for an hour
	first, last     care.Condition // after the first and after the last try of the schedule
}

// bed is a sick site and the connection to it.
type bed struct {
	*place
	house *house
	where *fetch.Site
	known *care.Care
	who   tenant.ID
	what  connection.ID
}

func (h *house) bed(name string, kind connection.Pipeline, known *care.Care, p *place) *bed {
	h.t.Helper()
	b := &bed{place: p, house: h, known: known}
	b.who, b.what = h.tenant(name, kind)
	var err error
	if b.where, err = fetch.NewSite(p.client, known, b.who, b.what, p.url); err != nil {
		h.t.Fatal(err)
	}
	return b
}

func (b *bed) ask() error {
	b.site.WaitIdle()
	_, err := b.where.Ask(b.house.t.Context(), func(care.Permit) (fetch.Request, error) {
		return fetch.Request{URL: b.url, JSON: true}, nil
	})
	return err
}

func (b *bed) condition() (c care.Condition) {
	b.house.t.Helper()
	err := b.house.db.TenantTx(b.house.t.Context(), b.who, func(tx *postgres.TenantTx) (err error) {
		c, err = b.known.Read(b.house.t.Context(), tx, b.what)
		return err
	})
	if err != nil {
		b.house.t.Fatal(err)
	}
	return c
}

// be makes the site sick or well; a healthy one answers within a second.
func (b *bed) be(what site.Sickness) {
	b.site.Be(what)
	switch what {
	case site.Healthy:
		b.site.OnRequest(b.clock.take(time.Second))
	case site.Hanging, site.Dripping:
		b.site.OnRequest(b.clock.take(time.Hour))
	default:
		b.site.OnRequest(nil)
	}
}

// TestSickSitesAreSpared lets a schedule try each sick site as it tries any other, with ten attempts spread over
// a day, and somebody who cannot wait every minute, and writes down what happens.
func TestSickSitesAreSpared(t *testing.T) {
	h := newHouse(t)
	known := care.New(h.db, care.Config{Sleep: h.sleep})
	var courses []course
	for i, sick := range sicknesses {
		p := open(t, nil, func(p *place) {
			if sick.serve != nil {
				sick.serve(t, p)
			}
		})
		b := h.bed(fmt.Sprintf("Club %d", i), connection.MemberPress, known, p)
		curable := sick.be != ""
		if curable {
			b.be(site.Healthy)
			if err := b.ask(); err != nil {
				t.Fatal(err)
			}
			b.be(sick.be)
		}
		c := course{name: sick.name}
		b.schedule(&c, sick.symptom)
		if curable {
			b.be(site.Healthy)
			h.pass(6 * time.Hour)
			if err := b.ask(); err != nil || b.condition().Breaker != care.Closed {
				t.Errorf("%s: afterwards %v, %+v", sick.name, err, b.condition())
			}
			h.pass(time.Minute)
			b.be(sick.be)
		} else {
			b = h.bed(fmt.Sprintf("Club %d again", i), connection.MemberPress, known, p)
		}
		b.hour(&c)
		if n := p.site.MostAtOnce(); n > 1 {
			t.Errorf("%s: %d requests at once", sick.name, n)
		}
		courses = append(courses, c)
	}
	golden(t, write(courses))
}

// schedule tries as the schedule does: ten attempts, each later than the one before, and ten times where the
// site asks for patience, which costs no attempt. What only a person can mend ends it.
func (b *bed) schedule(c *course, want fetch.Symptom) {
	t := b.house.t
	t.Helper()
	asked := b.asked.Load()
	for c.tries < 10 {
		err := b.ask()
		var f *fault.Error
		if !errors.As(err, &f) || errors.Is(err, care.ErrNotAsked) {
			t.Fatalf("%s: got %v", c.name, err)
		}
		c.tries++
		c.last = b.condition()
		if c.tries == 1 {
			if got := fetch.SymptomOf(err); got != want {
				t.Errorf("%s: got %v, want %s", c.name, err, want)
			}
			c.first, c.kind = c.last, string(f.Kind)
		}
		if f.Kind == fault.Unauthorized || f.Kind == fault.Invalid {
			break
		}
		b.house.pass(max(f.RetryAfter, backoff(c.tries)))
	}
	c.requests = int(b.asked.Load() - asked)
}

// hour tries every minute. A refusal tells when to come again, so the tries up to then need not be made.
func (b *bed) hour(c *course) {
	t := b.house.t
	t.Helper()
	asked := b.asked.Load()
	for minute := 0; minute < 60; {
		wait := 1
		var f *fault.Error
		err := b.ask()
		if !errors.As(err, &f) {
			t.Fatalf("%s: got %v", c.name, err)
		}
		if errors.Is(err, care.ErrNotAsked) {
			wait = int((f.RetryAfter + time.Minute - 1) / time.Minute)
		}
		minute += wait
		b.house.pass(time.Duration(wait) * time.Minute)
	}
	c.hour = int(b.asked.Load() - asked)
}

func backoff(attempt int) time.Duration {
	d := time.Minute
	for range attempt - 1 {
		d = min(3*d, 6*time.Hour)
	}
	return d
}

// TestASiteThatBecameSlowIsWaitedFor is the row of the thirty seconds: nothing is wrong but the time.
func TestASiteThatBecameSlowIsWaitedFor(t *testing.T) {
	h := newHouse(t)
	known := care.New(h.db, care.Config{Sleep: h.sleep})
	p := open(t, nil, nil)
	tenantID, connectionID := h.tenant("Lakeside", connection.MemberPress)
	where, err := fetch.NewSite(p.client, known, tenantID, connectionID, p.url)
	if err != nil {
		t.Fatal(err)
	}
	takes := 500 * time.Millisecond
	p.site.OnRequest(func(r *http.Request) { p.clock.take(takes)(r) })
	var waited []string
	for i := range 20 {
		if i == 4 {
			takes = 30 * time.Second
		}
		h.pass(time.Minute)
		var permit care.Permit
		_, err := where.Ask(t.Context(), func(given care.Permit) (fetch.Request, error) {
			permit = given
			return fetch.Request{URL: p.url, JSON: true}, nil
		})
		word := "answered"
		if err != nil {
			word = string(fetch.SymptomOf(err))
		}
		waited = append(waited, fmt.Sprintf("%v of %d: %s", permit.Timeout.Round(time.Second), permit.PageSize, word))
	}
	want := []string{"5s of 500: timeout", "10s of 250: timeout", "20s of 125: timeout", "40s of 62: answered"}
	if diff := cmp.Diff(want, waited[4:8]); diff != "" {
		t.Error(diff)
	}
	for _, later := range waited[8:] {
		if !strings.HasSuffix(later, "answered") {
			t.Errorf("got %s", later)
		}
	}
}

func write(courses []course) string {
	var b strings.Builder
	b.WriteString(`# How a sick site is spared

This page is written by a test that plays each sickness over real HTTP against a real database and looks at what care makes of it; ` + "`make update`" + ` writes it anew. What the program
tells of such a site, and to whom, is in [sick-sites.md](sick-sites.md).

Each site had answered within a second before, where it could answer at all: the next request would have waited 5 s and asked for 500 objects. Then it is tried ten times, 1 min, 3 min,
9 min and so on up to 6 h apart, and not before the time that the site named; a refused sign-in ends it. Once the site is well again, the next try
succeeds and the breaker is closed. Then it falls sick again, and somebody who cannot wait tries every minute for an hour: the last column counts what reaches the site. A try that the
breaker or the pace does not let through costs no attempt. In no case are two requests under way at once.

| The site | told as | tries | requests | timeout (s) after the first, at the end | page after the first, at the end | breaker after the first, at the end | requests in an hour of tries every minute |
| --- | --- | ---: | ---: | --- | --- | --- | ---: |
`)
	for _, c := range courses {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %v, %v | %d, %d | %s, %s | %d |\n", c.name, c.kind, c.tries, c.requests,
			c.first.Timeout.Seconds(), c.last.Timeout.Seconds(), c.first.PageSize, c.last.PageSize, c.first.Breaker, c.last.Breaker, c.hour)
	}
	return b.String()
}

func golden(t *testing.T, got string) {
	t.Helper()
	page := filepath.Join("..", "..", "docs", "spared-sites.md")
	if *update {
		if err := os.WriteFile(page, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/spared-sites.md is not what happens; look at the difference, then run `make update`:\n%s", diff)
	}
}
