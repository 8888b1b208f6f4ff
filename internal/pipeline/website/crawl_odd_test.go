package website

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/fetch"
	"memberintel/internal/sim/site"
)

const filler = `<p>This club has a long story that fills a page with words, so that nobody takes it for an empty one: it began by the river, it moved to the hill, and it
returned to the river when the hill was sold. Its members play in all weathers and write letters about it, which are read aloud at the winter dinner before the prizes are given out.
Whoever comes for a day is given a racket, a cup of tea and a partner of the same strength, and most come back.</p>`

// odd is a site on a real port, made of handlers by path; "*" answers the rest.
func odd(t *testing.T, routes map[string]http.HandlerFunc) (*crawler, *url.URL, *site.Site) {
	t.Helper()
	it := site.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if answer := routes[r.URL.Path]; answer != nil {
			answer(w, r)
		} else if answer = routes["*"]; answer != nil {
			answer(w, r)
		} else {
			http.NotFound(w, r)
		}
	}))
	server := httptest.NewServer(it)
	t.Cleanup(server.Close)
	client := fetch.New(fetch.Config{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	manners := fetch.NewCrawler(fetch.CrawlerConfig{Sleep: func(context.Context, time.Duration) error { return nil }})
	return &crawler{manners: manners, send: client.Within(20 * time.Second), now: func() time.Time { return start }}, must(url.Parse(server.URL + "/")), it
}

func serves(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, text)
	}
}

func answers(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func leadsTo(place string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, place, http.StatusFound) }
}

func look(t *testing.T, c *crawler, at *url.URL) Reading {
	t.Helper()
	r, err := c.read(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPagesThatDoNotComeAreToldApart(t *testing.T) {
	c, at, _ := odd(t, map[string]http.HandlerFunc{
		"/":        serves(filler + `<a href="/pricing">a</a><a href="/join">b</a><a href="/about">c</a><a href="/faq">d</a><a href="/blog">e</a><a href="/classes">f</a><a href="/story">g</a><a href="/podcast">h</a>`),
		"/pricing": answers(503), "/join": answers(404), "/about": leadsTo("https://elsewhere.example/"), "/faq": leadsTo("/"), "/blog": serves(filler + `<a href="/">home</a>`),
		"/classes": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/pdf")
			_, _ = io.WriteString(w, "%PDF-1.7")
		},
		"/story":      serves("<h1>Our story</h1>" + filler),
		"/podcast":    serves("<h1>Not allowed</h1>"),
		"/robots.txt": serves("User-agent: *\nDisallow: /podcast\n"),
	})
	r := look(t, c, at)
	if diff := cmp.Diff([]string{"/", "/story", "/blog"}, inOrder(paths(r))); diff != "" || r.State != Up {
		t.Errorf("%s %s", r.State, diff)
	}
	if diff := cmp.Diff([]Missed{{URL: at.String() + "pricing", Kind: Pricing, Symptom: "server_error"}}, r.Missed); diff != "" {
		t.Error(diff)
	}
	if !r.Fingerprint("").Partial || strings.Contains(r.Text, "Not allowed") {
		t.Errorf("%+v\n%s", r.Fingerprint(""), r.Text)
	}
}

func inOrder(paths []string) []string {
	if len(paths) == 3 && paths[1] == "/blog" {
		paths[1], paths[2] = paths[2], paths[1]
	}
	return paths
}

// TestACrawlEnds however many links a site has, and whatever they lead to.
func TestACrawlEnds(t *testing.T) {
	n := 0
	links := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		for range 50 {
			n++
			_, _ = fmt.Fprintf(w, `<a href="/pricing-%d">Prices</a><a href="/a%d/b/c/join">Join</a>`, n, n)
		}
		_, _ = fmt.Fprintf(w, "%s<p>%d</p>", filler, n)
	}
	c, at, it := odd(t, map[string]http.HandlerFunc{"*": links, "/robots.txt": answers(404)})
	if r := look(t, c, at); len(r.Pages) != 6 || len(it.Requests()) != 7 {
		t.Errorf("%d pages, %d requests", len(r.Pages), len(it.Requests()))
	}
	c, at, it = odd(t, map[string]http.HandlerFunc{"/": links, "*": answers(500), "/robots.txt": answers(404)})
	if r := look(t, c, at); len(r.Pages) != 1 || len(r.Missed) != maxTries || len(it.Requests()) != 2+maxTries {
		t.Errorf("%d pages, %d missed, %d requests", len(r.Pages), len(r.Missed), len(it.Requests()))
	}
	c, at, it = odd(t, map[string]http.HandlerFunc{"*": serves(filler + `<a href="/join">Join</a><a href="/about">About</a>`), "/robots.txt": answers(404)})
	if r := look(t, c, at); len(r.Pages) != 1 || len(it.Requests()) != 4 {
		t.Errorf("the same page at every address: %d pages, %d requests", len(r.Pages), len(it.Requests()))
	}
}

func TestAPageThatIsLinkedLaterIsFound(t *testing.T) {
	c, at, _ := odd(t, map[string]http.HandlerFunc{
		"/": serves(filler + `<a href="/join">Join</a>`), "/join": serves("<h1>Join</h1>" + filler + `<a href="/fees">Fees</a>`), "/fees": serves("<h1>Fees</h1><p>$5 a week</p>"),
	})
	if r := look(t, c, at); !strings.Contains(r.Text, "$5 a week") || r.Pages[2].Kind != Pricing {
		t.Errorf("%v\n%s", paths(r), r.Text)
	}
}

func TestAScriptedPageThatHoldsItsTextIsRead(t *testing.T) {
	c, at, _ := odd(t, map[string]http.HandlerFunc{"/": serves(`<script src=a.js></script><div id="root">` + filler + filler + `</div><noscript>You need to enable JavaScript</noscript>`)})
	if r := look(t, c, at); r.State != Up {
		t.Errorf("%s: %s", r.State, r.Detail)
	}
}

func TestAFileIsNoSite(t *testing.T) {
	c, at, _ := odd(t, map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/pdf")
		_, _ = io.WriteString(w, "%PDF-1.7 "+filler)
	}})
	if r := look(t, c, at); r.State != TooThin || len(r.Pages) != 1 || len(r.Pages[0].Blocks) > 0 {
		t.Errorf("%s %+v", r.State, r.Pages)
	}
}

func TestAnEndedLookKeepsNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, at, it := odd(t, map[string]http.HandlerFunc{"*": serves(filler + `<a href="/join">Join</a>`)})
	it.OnRequest(func(r *http.Request) {
		if r.URL.Path == "/join" {
			cancel()
		}
	})
	if r, err := c.read(ctx, at); !errors.Is(err, context.Canceled) || len(r.Pages) > 0 {
		t.Errorf("%+v, %v", r, err)
	}
	broken := errors.New("our database is away")
	c.send = func(context.Context, fetch.Request) (fetch.Response, error) { return fetch.Response{}, broken }
	if r, err := c.read(t.Context(), must(url.Parse("http://lakeside.example/"))); !errors.Is(err, broken) || r.State != "" {
		t.Errorf("%+v, %v", r, err)
	}
}
