package website

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/sim/site"
	sim "memberintel/internal/sim/website"
)

// TestWhatAClubTellsSurvives asserts every labelled fact of every page: in the page, and in the text that is read.
func TestWhatAClubTellsSurvives(t *testing.T) {
	v := newTown(t)
	for _, host := range []string{sim.Lakeside, sim.Hillside, sim.Hafen} {
		r := v.read(host, 1)
		if r.State != Up || len(r.Missed) > 0 || len(r.Text) > MaxText {
			t.Errorf("%s: %s %s %v, %d bytes", host, r.State, r.Detail, r.Missed, len(r.Text))
		}
		facts := 0
		for _, want := range v.world.Pages(host) {
			at := slices.IndexFunc(r.Pages, func(p Page) bool { return strings.HasSuffix(p.URL, v.port+want.Path) })
			if at < 0 {
				t.Errorf("%s: %s was not read; got %v", host, want.Path, paths(r))
				continue
			}
			p := r.Pages[at]
			if string(p.Kind) != want.Kind || p.Status != 200 || p.ETag == "" || p.Title == "" || p.Bytes == 0 {
				t.Errorf("%s%s: %+v", host, want.Path, p.Kind)
			}
			for _, price := range want.Prices {
				if facts++; !slices.Contains(p.Prices, price) {
					t.Errorf("%s%s: no price %q in %q", host, want.Path, price, p.Prices)
				}
			}
			if len(want.Prices) == 0 && len(p.Prices) > 0 {
				t.Errorf("%s%s: invented %q", host, want.Path, p.Prices)
			}
			for _, heading := range want.Headings {
				if facts++; !slices.Contains(p.Headings, heading) {
					t.Errorf("%s%s: no heading %q in %q", host, want.Path, heading, p.Headings)
				}
			}
			for _, link := range want.Navigation {
				if facts++; !slices.ContainsFunc(p.Navigation, func(l Link) bool { return l.Text == link }) {
					t.Errorf("%s%s: no link %q in %q", host, want.Path, link, p.Navigation)
				}
			}
			for _, text := range slices.Concat(want.Prices, want.Headings, want.Offers, want.Navigation) {
				if facts++; !strings.Contains(r.Text, text) {
					t.Errorf("%s%s: the text lacks %q", host, want.Path, text)
				}
			}
		}
		if strings.Contains(r.Text, sim.Decoy) {
			t.Errorf("%s: what nobody sees is read:\n%s", host, r.Text)
		}
		if strings.Count(r.Text, "\n") > 400 || facts < 40 {
			t.Errorf("%s: %d facts, %d lines", host, facts, strings.Count(r.Text, "\n"))
		}
	}
}

func TestACrawlTakesTheHomepageAndFiveMore(t *testing.T) {
	v := newTown(t)
	r := v.read(sim.Lakeside, 1)
	want := []string{"/", "/membership-pricing/", "/join/", "/about-us/", "/news/", "/faq/"}
	if diff := cmp.Diff(want, paths(r)); diff != "" {
		t.Error(diff)
	}
	asked := v.world.Site(sim.Lakeside)
	if n := len(asked.Requests()); n != 7 || asked.MostAtOnce() != 1 || v.waited < 6*time.Second || v.waited > 12*time.Second {
		t.Errorf("%d requests, %d at once, waited %v", n, asked.MostAtOnce(), v.waited)
	}
	for _, q := range asked.Requests() {
		if !strings.HasPrefix(q.Header.Get("User-Agent"), "MemberIntelBot/1.0 (+https://") || q.Method != http.MethodGet {
			t.Errorf("%+v", q)
		}
	}
	want = []string{"/", "/plans", "/sign-up", "/our-story", "/classes", "/journal"}
	if diff := cmp.Diff(want, paths(v.read(sim.Hillside, 1))); diff != "" {
		t.Error(diff)
	}
}

// TestWhatIsNoSiteIsNamed: none of these has a text that a model would be paid for.
func TestWhatIsNoSiteIsNamed(t *testing.T) {
	v := newTown(t)
	for host, want := range map[string]SiteState{
		sim.Northpeak: ScriptOnly, sim.Oldmill: Parked, sim.Millpond: Parked, sim.Fortress: Blocked, sim.Quarry: Down, sim.Meadow: OffSite, sim.Cloister: Disallowed, sim.Orchard: TooThin,
	} {
		r := v.read(host, 1)
		if r.State != want || r.Text != "" || r.Facts != [32]byte{} || !strings.Contains(r.Detail, host) && !strings.Contains(r.Detail, "meadow-club") || len(r.Checklist) == 0 {
			t.Errorf("%s: %s %q %v", host, r.State, r.Detail, r.Checklist)
		}
	}
	for _, q := range v.world.Site(sim.Cloister).Requests() {
		if q.Path != "/robots.txt" {
			t.Errorf("a forbidden page was asked for: %s", q.Path)
		}
	}
	for sick, want := range map[site.Sickness]SiteState{
		site.Gateway: Down, site.Resetting: Down, site.Maintenance: Down, site.TooMany: Down, site.Looping: Down, site.Garbage: Down, site.LongHeaders: Down, site.Missing: Down,
		site.Wordfence: Blocked, site.ModSecurity: Blocked, site.Locked: Blocked, site.Challenge: Blocked,
		site.ParkedAway: Parked, site.MovedAway: OffSite, site.NotInstalled: Down, site.ComingSoon: Parked, site.Bomb: TooThin,
	} {
		v := newTown(t)
		v.world.Site(sim.Lakeside).Be(sick)
		if r := v.read(sim.Lakeside, 1); r.State != want || r.Detail == "" {
			t.Errorf("%s: %s %q", sick, r.State, r.Detail)
		}
	}
}
