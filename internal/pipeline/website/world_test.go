package website

import (
	"context"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"memberintel/internal/fetch"
	"memberintel/internal/sim/site"
	sim "memberintel/internal/sim/website"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// town is the simulated websites on a real port, a name server that knows them, and a crawler whose pauses take no
// time.
type town struct {
	t       *testing.T
	world   *sim.World
	port    string
	crawler *crawler
	waited  time.Duration
	now     time.Time
}

func newTown(t *testing.T) *town {
	t.Helper()
	v := &town{t: t, world: sim.New(), now: start}
	server := httptest.NewServer(v.world)
	t.Cleanup(server.Close)
	v.port = must(url.Parse(server.URL)).Port()
	names := site.NewNames()
	for _, host := range v.world.Hosts() {
		names.Set(host, netip.MustParseAddr("127.0.0.1"))
	}
	client := fetch.New(fetch.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Resolver: names.Resolver()})
	manners := fetch.NewCrawler(fetch.CrawlerConfig{About: "https://memberintel.example/bot", Now: func() time.Time { return v.now },
		Sleep: func(_ context.Context, d time.Duration) error {
			v.waited += d
			v.now = v.now.Add(d)
			return nil
		}})
	v.crawler = &crawler{manners: manners, send: client.Within(20 * time.Second), now: func() time.Time { return v.now }}
	return v
}

func (v *town) at(host string) *url.URL {
	return &url.URL{Scheme: "http", Host: host + ":" + v.port, Path: "/"}
}

// read looks at a site in a week.
func (v *town) read(host string, week int) Reading {
	v.t.Helper()
	v.world.SetWeek(week)
	v.now = start.AddDate(0, 0, 7*week)
	r, err := v.crawler.read(v.t.Context(), v.at(host))
	if err != nil {
		v.t.Fatalf("%s: %v", host, err)
	}
	return r
}

// paths are what the pages of a reading are at.
func paths(r Reading) (all []string) {
	for _, p := range r.Pages {
		all = append(all, strings.TrimSuffix(must(url.Parse(p.URL)).Path, ""))
	}
	return all
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
