package website

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"memberintel/internal/fetch"
	"memberintel/internal/sim/claude"
	sim "memberintel/internal/sim/website"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// An answer of a batch that is of no use is asked for once more, as one is that was waited for, and not a third time.
func TestABatchsAnswerOfNoUseIsAskedForOnceMore(t *testing.T) {
	for name, c := range map[string]struct{ spoilt, questions, versions int64 }{
		"once":  {1, 2, 2},
		"twice": {2, 2, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var spoilt int64
			s := newStreet(t, claude.Config{Answer: func(q claude.Question) claude.Answer {
				if spoilt > 0 {
					spoilt--
					return claude.Answer{Text: "It is a nice club."}
				}
				return claude.Reader(q)
			}})
			club := s.club(sim.Lakeside, tenant.Free)
			s.well(club)
			s.pass(7 * 24 * time.Hour)
			s.world.SetWeek(3)
			spoilt = c.spoilt
			if report, err := s.queued(club, syncrun.Scheduled, 1, nil); err != nil || report.Status != syncrun.Succeeded {
				t.Fatalf("%+v, %v", report, err)
			}
			for range 12 {
				s.carry()
				s.pass(20 * time.Minute)
			}
			if n := s.count(`SELECT count(*) FROM customer_brain.site_profile`); n != c.versions {
				t.Errorf("%d versions, want %d", n, c.versions)
			}
			if n := s.count(`SELECT count(*) FROM llm_call WHERE batch AND status = 'settled'`); n != c.questions {
				t.Errorf("%d questions were paid for, want %d", n, c.questions)
			}
			if n := s.count(`SELECT count(*) FROM analysis WHERE ended_at IS NULL`); n != 0 {
				t.Errorf("%d analyses are open", n)
			}
			s.balanced()
		})
	}
}

// Nobody takes an answer for a site that was disconnected, and it must not stand in the way of others'.
func TestAnAnswerForADisconnectedSiteIsPaidForAndDropped(t *testing.T) {
	s := newStreet(t, claude.Config{})
	c := s.club(sim.Lakeside, tenant.Free)
	s.well(c)
	s.pass(7 * 24 * time.Hour)
	s.world.SetWeek(3)
	if _, err := s.queued(c, syncrun.Scheduled, 1, nil); err != nil {
		t.Fatal(err)
	}
	s.carry()
	if _, err := s.p.Disconnect(t.Context(), c.TenantID, "test"); err != nil {
		t.Fatal(err)
	}
	s.pass(20 * time.Minute)
	if n := s.carry(); n != 0 {
		t.Errorf("%d syncs were asked for", n)
	}
	if n := s.count(`SELECT count(*) FROM llm_question`); n != 0 {
		t.Errorf("%d answers wait for nobody", n)
	}
	if n := s.count(`SELECT count(*) FROM llm_call WHERE batch AND status = 'settled' AND cost > 0`); n != 1 {
		t.Errorf("%d calls are paid for, want 1", n)
	}
	if n := s.count(`SELECT count(*) FROM customer_brain.site_profile`); n != 1 {
		t.Errorf("%d versions", n)
	}
	s.balanced()
}

func TestReadingsAreKeptAsLongAsTexts(t *testing.T) {
	s := newStreet(t, claude.Config{})
	c := s.club(sim.Lakeside, tenant.Pro)
	first := s.well(c) // a profile is made of it
	for range 3 {
		s.pass(7 * 24 * time.Hour)
		s.well(c)
	}
	s.pass(100 * 24 * time.Hour)
	s.well(c)
	if n := s.count(`SELECT count(*) FROM fetch_snapshot WHERE fetched_at < memberintel_now() - interval '90 days'`); n != 1 {
		t.Errorf("%d readings are kept for ever, want that of version %d alone", n, first.Profile.Version)
	}
	if n := s.count(`SELECT count(DISTINCT snapshot_id) FROM page_snapshot`); n != 2 {
		t.Errorf("pages of %d readings are kept, want 2", n)
	}
	if r := s.well(c); !r.Unchanged {
		t.Errorf("the site is compared with what was thrown away: %+v", r)
	}
}

func TestEvidenceNamesItsPage(t *testing.T) {
	s := newStreet(t, claude.Config{})
	r := s.well(s.club(sim.Lakeside, tenant.Pro))
	pages := map[string]bool{}
	for _, e := range r.Profile.Evidence {
		if !strings.HasPrefix(e.Page, "/") {
			t.Errorf("nobody can tell where %q stands", e.Quote)
		}
		pages[e.Page] = true
	}
	if len(pages) < 2 {
		t.Errorf("all evidence is of %v", pages)
	}
	k := kept{
		Text:  "=== / (home) Oak\nOak Hill Tennis Club\n=== /win (home) x\nAll of it is free\n\n=== /pr%eise (pricing) Prices\nAdults pay $49 a month",
		Shown: display{Pages: []string{"/", "/pr%25eise"}},
	}
	evidence := []Evidence{{Quote: "Oak Hill Tennis Club"}, {Quote: "All of it is free"}, {Quote: "Adults pay $49"}, {Quote: "not there"}}
	locate(evidence, k)
	for i, want := range []string{"/", "/", "/pr%25eise", ""} {
		if evidence[i].Page != want {
			t.Errorf("%q is of %q, want %q", evidence[i].Quote, evidence[i].Page, want)
		}
	}
}

// What cannot be stored would end each sync of the site.
func TestWhateverBytesASiteSendsCanBeKept(t *testing.T) {
	c := &crawler{}
	page, _, err := c.page(fetch.Response{Status: 200, URL: "http://oak.example/?a=\xff", Header: http.Header{"Etag": {"\"\xff\x00a\""}}, Body: []byte("<title>\xff\x00</title>")}, Home)
	if err != nil || !utf8.ValidString(page.URL+page.ETag+page.Title) || strings.Contains(page.URL+page.ETag+page.Title, "\x00") {
		t.Errorf("%q, %q, %q, %v", page.URL, page.ETag, page.Title, err)
	}
}

// A page that never comes again must not keep a new headline from being seen.
func TestAPageThatStaysAwayHidesNoChange(t *testing.T) {
	s := newStreet(t, claude.Config{})
	headline, away := "Tennis for all of Riverton", false
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		switch {
		case r.URL.Path == "/":
			_, _ = io.WriteString(w, "<title>Oak Hill</title><h1>"+headline+`</h1><a href="/pricing">Prices</a>`+filler)
		case r.URL.Path == "/pricing" && away:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/pricing":
			_, _ = io.WriteString(w, "<title>Prices</title><h1>Prices</h1><p>Adults pay $49 a month.</p>")
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	s.port = must(url.Parse(server.URL)).Port()
	c := s.club(sim.Lakeside, tenant.Pro)
	s.well(c)
	headline, away = "Chess for all of Riverton", true
	for week, want := range []int{1, 2, 2, 2} { // one week may be an accident
		s.pass(7 * 24 * time.Hour)
		if r := s.well(c); r.Profile.Version != want {
			t.Errorf("week %d: version %d, want %d", week, r.Profile.Version, want)
		}
	}
	away = false
	s.pass(7 * 24 * time.Hour)
	if r := s.well(c); r.Profile.Version != 3 {
		t.Errorf("the page is back: version %d", r.Profile.Version)
	}
}
