package fetch_test

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/sim/site"
)

const about = "https://memberintel.example/bot"

// robot is a crawler on a visit to a place whose clock moves when somebody waits.
type robot struct {
	*place
	crawler *fetch.Crawler
	visit   *fetch.Visit
	waits   []time.Duration
}

func crawl(t *testing.T, well http.Handler) *robot {
	t.Helper()
	r := &robot{place: open(t, well, func(p *place) { p.names.Set("www."+host, netip.MustParseAddr("127.0.0.1")) })}
	r.crawler = fetch.NewCrawler(fetch.CrawlerConfig{About: about, Now: r.clock.Now, Sleep: func(_ context.Context, d time.Duration) error {
		r.waits = append(r.waits, d)
		r.clock.Advance(d)
		return nil
	}})
	r.visit = r.crawler.Visit(r.client.Within(5 * time.Second))
	return r
}

// at is the address of a path of the place.
func (r *robot) at(path string) string {
	return strings.Replace(r.server.URL, "127.0.0.1", host, 1) + path
}

// asked is what came to the site.
func (r *robot) paths() (paths []string) {
	for _, q := range r.site.Requests() {
		paths = append(paths, q.Path)
	}
	return paths
}

// pages serves robots.txt and "page" for everything else.
func pages(robots string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			_, _ = io.WriteString(w, robots)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<html>page "+r.URL.Path+"</html>")
	}
}

func TestTheCrawlerHasManners(t *testing.T) {
	r := crawl(t, pages("User-agent: *\nDisallow: /private\n"))
	for _, path := range []string{"/", "/private/a", "/prices"} {
		answer, err := r.visit.Get(t.Context(), r.at(path))
		if refused := path == "/private/a"; refused != (fetch.SymptomOf(err) == fetch.Disallowed) || !refused && !strings.Contains(string(answer.Body), path) {
			t.Errorf("%s: %s, %v", path, answer.Body, err)
		}
	}
	if diff := cmp.Diff([]string{"/robots.txt", "/", "/prices"}, r.paths()); diff != "" {
		t.Error(diff)
	}
	for i, q := range r.site.Requests() {
		if ua := q.Header.Get("User-Agent"); ua != "MemberIntelBot/1.0 (+"+about+")" {
			t.Errorf("request %d: %s", i, ua)
		}
	}
	if len(r.waits) != 2 || r.site.MostAtOnce() != 1 {
		t.Errorf("%v, %d at once", r.waits, r.site.MostAtOnce())
	}
	for _, wait := range r.waits {
		if wait < time.Second || wait > 2*time.Second {
			t.Errorf("a pause of %v", wait)
		}
	}
}

func TestAPauseThatASiteAsksForIsKept(t *testing.T) {
	for delay, want := range map[string]time.Duration{"10": 10 * time.Second, "3600": 30 * time.Second} {
		r := crawl(t, pages("User-agent: *\nCrawl-delay: "+delay+"\n"))
		for _, path := range []string{"/", "/prices"} {
			if _, err := r.visit.Get(t.Context(), r.at(path)); err != nil {
				t.Error(err)
			}
		}
		if diff := cmp.Diff([]time.Duration{want, want}, r.waits); diff != "" {
			t.Error(diff)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	real := fetch.NewCrawler(fetch.CrawlerConfig{}).Visit(func(context.Context, fetch.Request) (fetch.Response, error) { return fetch.Response{Status: 404}, nil })
	if _, err := real.Get(ctx, "https://lakeside.example/"); !errors.Is(err, context.Canceled) {
		t.Errorf("a pause outlasts its context: %v", err)
	}
}

// TestWhatRobotsTxtAnswersDecides: no rules where there are none, nothing at all where they cannot be read.
func TestWhatRobotsTxtAnswersDecides(t *testing.T) {
	for status, want := range map[int]fetch.Symptom{
		200: "", 204: "", 400: "", 401: "", 403: "", 404: "", 410: "", 451: "", 429: fetch.TooMany,
		500: fetch.ServerError, 502: fetch.Gateway, 503: fetch.ServerError, 504: fetch.Gateway,
	} {
		r := crawl(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/robots.txt" {
				w.WriteHeader(status)
			}
		}))
		_, err := r.visit.Get(t.Context(), r.at("/"))
		if fetch.SymptomOf(err) != want || (len(r.paths()) == 1) != (want != "") {
			t.Errorf("%d: %v, %v", status, err, r.paths())
		}
	}
	for _, sick := range []site.Sickness{site.Hanging, site.Resetting, site.Garbage, site.Challenge} {
		r := crawl(t, nil)
		if r.site.Be(sick); sick == site.Hanging {
			r.site.OnRequest(r.clock.take(time.Minute))
		}
		_, err := r.visit.Get(t.Context(), r.at("/"))
		if sick != site.Challenge && (fetch.SymptomOf(err) == "" || len(r.paths()) != 1) || sick == site.Challenge && fetch.SymptomOf(err) != fetch.Challenge {
			t.Errorf("%s: %v, %v", sick, err, r.paths())
		}
	}
}

func TestRobotsTxtIsFollowedWhereverItIs(t *testing.T) {
	elsewhere := httptest.NewServer(pages("User-agent: *\nDisallow: /private\n"))
	t.Cleanup(elsewhere.Close)
	hops := 0
	r := crawl(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch {
		case q.URL.Path != "/robots.txt" && !strings.HasPrefix(q.URL.Path, "/hop"):
		case hops == 4:
			http.Redirect(w, q, elsewhere.URL+"/robots.txt", http.StatusMovedPermanently)
		default:
			hops++
			http.Redirect(w, q, "/hop"+strconv.Itoa(hops), http.StatusFound)
		}
	}))
	if _, err := r.visit.Get(t.Context(), r.at("/private")); fetch.SymptomOf(err) != fetch.Disallowed {
		t.Errorf("five redirects: %v", err)
	}
	endless := crawl(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasPrefix(q.URL.Path, "/robots.txt") {
			http.Redirect(w, q, q.URL.Path+"x", http.StatusFound)
		}
	}))
	if _, err := endless.visit.Get(t.Context(), endless.at("/")); err != nil {
		t.Errorf("redirects without end hold no rules: %v", err)
	}
	inward := crawl(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		http.Redirect(w, q, "http://169.254.169.254/latest/meta-data/", http.StatusFound)
	}))
	if _, err := inward.visit.Get(t.Context(), inward.at("/")); fetch.SymptomOf(err) != fetch.PrivateAddress {
		t.Errorf("a redirect inside: %v", err)
	}
}

func TestRobotsTxtIsKeptForADay(t *testing.T) {
	r := crawl(t, pages("User-agent: *\nDisallow: /private\n"))
	count := func() (n int) {
		for _, path := range r.paths() {
			if path == "/robots.txt" {
				n++
			}
		}
		return n
	}
	for i, c := range []struct {
		later time.Duration
		want  int
	}{{0, 1}, {time.Hour, 1}, {22 * time.Hour, 1}, {time.Hour, 2}, {23 * time.Hour, 2}, {2 * time.Hour, 3}} {
		r.clock.Advance(c.later)
		if _, err := r.crawler.Visit(r.client.Within(5*time.Second)).Get(t.Context(), r.at("/")); err != nil || count() != c.want {
			t.Errorf("visit %d: %d readings, %v", i, count(), err)
		}
	}
	// What could not be read is not kept.
	r.clock.Advance(25 * time.Hour)
	r.site.Be(site.Unavailable)
	if _, err := r.visit.Get(t.Context(), r.at("/")); fetch.SymptomOf(err) != fetch.ServerError {
		t.Errorf("got %v", err)
	}
	r.site.Be(site.Healthy)
	if _, err := r.visit.Get(t.Context(), r.at("/private")); fetch.SymptomOf(err) != fetch.Disallowed {
		t.Errorf("got %v", err)
	}
}

// Rules that fill the memory are not all kept, however many sites have such: they are asked for again.
func TestLongRobotsTxtOfManySitesIsNotKept(t *testing.T) {
	for name, test := range map[string]struct {
		robots string
		asked  int
	}{
		"short": {"User-agent: *\nAllow: /\n", 10},
		"long":  {strings.Repeat("User-agent: *\nAllow: /\n", 500<<10/24), 11},
	} {
		t.Run(name, func(t *testing.T) {
			r := crawl(t, pages(test.robots))
			for i := range 11 {
				name := fmt.Sprintf("site%d.example", i%10)
				r.names.Set(name, netip.MustParseAddr("127.0.0.1"))
				if _, err := r.visit.Get(t.Context(), strings.Replace(r.at("/"), host, name, 1)); err != nil {
					t.Fatal(err)
				}
			}
			asked := slices.DeleteFunc(r.paths(), func(path string) bool { return path != "/robots.txt" })
			if len(asked) != test.asked {
				t.Errorf("robots.txt was asked for %d times, want %d", len(asked), test.asked)
			}
		})
	}
}

func TestARedirectDoesNotLeadAroundRobotsTxt(t *testing.T) {
	var r *robot
	r = crawl(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch {
		case q.URL.Path == "/robots.txt" && strings.HasPrefix(q.Host, "www."):
			_, _ = io.WriteString(w, "User-agent: *\nDisallow: /join\n")
		case q.URL.Path == "/robots.txt":
			_, _ = io.WriteString(w, "User-agent: *\nDisallow: /private\n")
		case q.URL.Path == "/within":
			http.Redirect(w, q, "/private", http.StatusFound)
		case q.URL.Path == "/join" && !strings.HasPrefix(q.Host, "www."):
			http.Redirect(w, q, strings.Replace(r.at("/join"), host, "www."+host, 1), http.StatusFound)
		}
	}))
	for _, path := range []string{"/within", "/join"} {
		answer, err := r.visit.Get(t.Context(), r.at(path))
		if fetch.SymptomOf(err) != fetch.Disallowed || answer.Body != nil {
			t.Errorf("%s: %+v, %v", path, answer, err)
		}
	}
	for _, path := range r.paths() {
		if path == "/private" {
			t.Error("a forbidden page was asked for")
		}
	}
}

// TestARefusedRobotSaysItsNameInTheUsualForm and never another's.
func TestARefusedRobotSaysItsNameInTheUsualForm(t *testing.T) {
	r := crawl(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path != "/robots.txt" && !strings.HasPrefix(q.Header.Get("User-Agent"), "Mozilla/5.0 (compatible;") {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	for _, path := range []string{"/", "/prices"} {
		if _, err := r.visit.Get(t.Context(), r.at(path)); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff([]string{"/robots.txt", "/", "/", "/prices"}, r.paths()); diff != "" {
		t.Error(diff)
	}
	for _, agent := range fetch.UserAgents(about) {
		for _, lie := range []string{"Chrome", "Safari", "Firefox", "Gecko", "AppleWebKit", "Googlebot", "Windows", "Linux"} {
			if strings.Contains(agent, lie) || !strings.Contains(agent, "MemberIntelBot/1.0") || !strings.Contains(agent, "+"+about) {
				t.Errorf("%s", agent)
			}
		}
	}
	refused := crawl(t, nil)
	refused.site.Be(site.ModSecurity)
	if _, err := refused.visit.Get(t.Context(), refused.at("/")); fetch.SymptomOf(err) != fetch.Firewall || len(refused.paths()) != 3 {
		t.Errorf("%v, %v", refused.paths(), err)
	}
	challenged := crawl(t, pages(""))
	if _, err := challenged.visit.Get(t.Context(), challenged.at("/")); err != nil {
		t.Error(err)
	}
	challenged.site.Be(site.Challenge)
	if _, err := challenged.visit.Get(t.Context(), challenged.at("/a")); fetch.SymptomOf(err) != fetch.Challenge || len(challenged.paths()) != 3 {
		t.Errorf("who is challenged does not try again: %v, %v", challenged.paths(), err)
	}
}

// Whoever keeps the robot out is told the word that its requests hold, letter by letter: firewalls compare so.
func TestASiteThatBlocksIsToldWhomToLetThrough(t *testing.T) {
	for _, what := range []site.Sickness{site.Challenge, site.Wordfence, site.ModSecurity} {
		r := crawl(t, nil)
		r.site.Be(what)
		_, err := r.visit.Get(t.Context(), r.at("/"))
		var f *fault.Error
		if !errors.As(err, &f) || !strings.Contains(strings.Join(f.Checklist, " "), fetch.Robot) {
			t.Errorf("%s: %v", what, err)
		}
		for _, q := range r.site.Requests() {
			if !strings.Contains(q.Header.Get("User-Agent"), fetch.Robot) {
				t.Errorf("%s: asked as %s", what, q.Header.Get("User-Agent"))
			}
		}
	}
}

func TestABombIsCut(t *testing.T) {
	r := crawl(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/robots.txt" {
			return
		}
		w.Header().Set("Content-Encoding", "gzip")
		packer := gzip.NewWriter(w)
		for range 1 << 10 { // a gigabyte
			if _, err := packer.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}))
	answer, err := r.visit.Get(t.Context(), r.at("/"))
	if err != nil || !answer.Cut || len(answer.Body) != 2<<20 {
		t.Errorf("%d bytes, cut %v, %v", len(answer.Body), answer.Cut, err)
	}
}

// TestHeadersMayBeManyButNotEndless: 200 KB are read, 800 KB are refused, and those that never end run out of time.
func TestHeadersMayBeManyButNotEndless(t *testing.T) {
	var r *robot
	r = crawl(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/many":
			for i := range 50 {
				w.Header().Set("X-Long-"+strconv.Itoa(i), strings.Repeat("x", 4<<10))
			}
		case "/endless":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nX-A: b\r\nX-B")
			r.clock.Advance(5 * time.Second)
			_, _ = conn.Read(make([]byte, 1)) // until the client gives up
		}
	}))
	if answer, err := r.visit.Get(t.Context(), r.at("/many")); err != nil || answer.Status != 200 {
		t.Errorf("200 KB: %v", err)
	}
	if _, err := r.visit.Get(t.Context(), r.at("/endless")); fetch.SymptomOf(err) != fetch.Timeout {
		t.Errorf("without end: %v", err)
	}
	r.site.Be(site.LongHeaders)
	if _, err := r.visit.Get(t.Context(), r.at("/")); fetch.SymptomOf(err) != fetch.Garbled {
		t.Errorf("800 KB: %v", err)
	}
}

func TestAPackingThatNobodyAskedForIsNoPage(t *testing.T) {
	for packing, want := range map[string]fetch.Symptom{"br": fetch.Garbled, "gzip, gzip": fetch.Garbled, "zstd": fetch.Garbled, "identity": "", "utf-8": "", "none": ""} {
		r := crawl(t, http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path != "/robots.txt" {
				w.Header().Set("Content-Encoding", packing)
				_, _ = io.WriteString(w, "x")
			}
		}))
		if _, err := r.visit.Get(t.Context(), r.at("/")); fetch.SymptomOf(err) != want {
			t.Errorf("%s: %v", packing, err)
		}
	}
}

func TestAnAddressThatIsNoneIsNotAskedFor(t *testing.T) {
	r := crawl(t, nil)
	for _, address := range []string{"ftp://lakeside.example/", "http://127.1/", "https://u@lakeside.example/"} {
		if _, err := r.visit.Get(t.Context(), address); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if len(r.paths()) > 0 {
		t.Errorf("asked %v", r.paths())
	}
}

// TestACrawlGoesWithCare: what a crawl learns of a site holds for every machine, and what it does not ask for costs nothing.
func TestACrawlGoesWithCare(t *testing.T) {
	h := newHouse(t)
	r := crawl(t, pages("User-agent: *\nDisallow: /private\n"))
	b := h.bed("Lakeside", connection.Website, care.New(h.db, care.Config{Sleep: h.sleep}), r.place)
	visit := r.crawler.Visit(b.where.Send)
	for _, path := range []string{"/", "/private", "/prices"} {
		if _, err := visit.Get(t.Context(), r.at(path)); err != nil && fetch.SymptomOf(err) != fetch.Disallowed {
			t.Error(err)
		}
	}
	if got := b.condition(); len(r.paths()) != 3 || got.Breaker != care.Closed {
		t.Errorf("%v, %+v", r.paths(), got)
	}
	r.site.Be(site.Parked)
	if _, err := visit.Get(t.Context(), r.at("/")); fetch.SymptomOf(err) != fetch.Parked || b.condition().Breaker != care.Open {
		t.Errorf("%v, %+v", err, b.condition())
	}
	if _, err := visit.Get(t.Context(), r.at("/")); !errors.Is(err, care.ErrNotAsked) {
		t.Errorf("a parked site is asked again: %v", err)
	}
}
