package app

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"memberintel/internal/sim/site"
	sites "memberintel/internal/sim/website"
)

// said is what one who runs the command is told of a change: "added headline X".
func said(profile object) (changes []string) {
	list, _ := profile.at("profile", "changes").([]any)
	for _, one := range list {
		c := object(one.(map[string]any))
		words := []string{}
		for _, name := range []string{"kind", "field", "before", "after"} {
			if word, ok := c.at(name).(string); ok {
				words = append(words, word)
			}
		}
		changes = append(changes, strings.Join(words, " "))
	}
	return changes
}

// An unchanged site costs no call, and of one that changed the commands and the warehouse tell what did.
func TestTheDemosSitesAreDescribedAndTheirChangesAreTold(t *testing.T) {
	d := newDesk(t)
	world, api, at := d.withSites()
	type look struct {
		week int
		told []string // nil where nothing changed
	}
	for host, looks := range map[string][]look{
		sites.Lakeside: {{2, nil},
			{3, []string{
				"removed headline Tennis for everyone, all year round", "added headline The friendliest indoor tennis club on the river",
			}},
			{3, nil},
			{4, []string{"removed prices $45", "added prices $49", "removed prices $450", "added prices $490"}},
		},
		sites.Hillside: {{5, nil}, {6, []string{"added navigation Retreats (/retreats)"}}, {7, nil}},
		sites.Hafen:    {{2, nil}, {7, nil}},
	} {
		t.Run(host, func(t *testing.T) {
			world.SetWeek(1)
			sync := []string{"sync", "--tenant", host, "--pipeline", "website"}
			d.json(exitDone, "tenant", "create", "--name", host)
			d.json(exitDone, "connect", "website", "--tenant", host, "--url", at(host))
			first := d.hurried(exitDone, sync...)
			d.must(first, map[string]any{"status": "succeeded", "calls": 1, "unchanged": false, "profile.version": 1, "profile.changes": []any{}})
			mustBeProved(t, world, host, first)
			version := 1
			for _, l := range looks {
				world.SetWeek(l.week)
				before := len(api.Asked())
				got := d.hurried(exitDone, sync...)
				calls := len(api.Asked()) - before
				if l.told == nil {
					d.must(got, map[string]any{"status": "succeeded", "unchanged": true, "cached": true, "next_allowed_at": nil, "calls": 0, "profile.version": version})
					if calls != 0 {
						t.Errorf("week %d: %d calls about a site that did not change", l.week, calls)
					}
					continue
				}
				version++
				d.must(got, map[string]any{"status": "succeeded", "unchanged": false, "cached": false, "calls": 1, "profile.version": version})
				if calls != 1 {
					t.Errorf("week %d: %d calls, want one", l.week, calls)
				}
				mustBeProved(t, world, host, got)
				told := said(got)
				for _, want := range l.told {
					if !slices.Contains(told, want) {
						t.Errorf("week %d: nobody is told %q: %q", l.week, want, told)
					}
				}
				d.mustTellReaders(host, version, told)
			}
			code, stdout, _ := d.hurry(sync...)
			if code != exitDone || !strings.Contains(stdout, fmt.Sprintf("version %d", version)) || host != sites.Lakeside && !strings.Contains(stdout, "nobody was asked") {
				t.Errorf("people are told, exit %d:\n%s", code, stdout)
			}
			if host == sites.Lakeside && !regexp.MustCompile(`(?s)Niche +\S.*\n +"\S[^\n]+", /.*Charges +subscription.*Since the version before:.*\n  added +prices: "\$49"\n`).MatchString(stdout) {
				t.Errorf("people are told:\n%s", stdout)
			}
		})
	}
}

// mustBeProved looks up each quote of a profile on the page that it is said to be from.
func mustBeProved(t *testing.T, world *sites.World, host string, o object) {
	t.Helper()
	evidence, _ := o.at("profile", "evidence").([]any)
	proved := map[string]bool{}
	for _, one := range evidence {
		e := object(one.(map[string]any))
		quote, page := e.at("quote").(string), e.at("page").(string)
		answer := httptest.NewRecorder()
		world.Site(host).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://"+host+page, http.NoBody))
		text := strings.Join(strings.Fields(html.UnescapeString(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(answer.Body.String(), " "))), " ")
		for cell := range strings.SplitSeq(quote, " | ") { // of a table's row
			if evenly(host) && (answer.Code != http.StatusOK || !strings.Contains(text, cell)) {
				t.Errorf("%s: nobody finds %q on %s", e.at("field"), quote, page)
			}
		}
		proved[strings.Split(e.at("field").(string), ".")[0]] = true
	}
	for _, field := range []string{"niche", "positioning", "pricing_patterns", "content_patterns"} {
		if o.at("profile", field) != nil && !proved[field] {
			t.Errorf("%s: the %s has no evidence", host, field)
		}
	}
}

// evenly reports whether a site's pages are UTF-8 and do not divide their words by markup.
func evenly(host string) bool { return host == sites.Lakeside }

// mustTellReaders finds the changes in the warehouse, as the tenant's own reader.
func (d *desk) mustTellReaders(tenant string, version int, want []string) {
	d.t.Helper()
	reader, err := pgx.Connect(d.t.Context(), d.json(exitDone, "db", "url", "--tenant", tenant).at("url").(string))
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = reader.Close(context.WithoutCancel(d.t.Context())) }()
	rows, err := reader.Query(d.t.Context(), `SELECT concat_ws(' ', c->>'kind', c->>'field', c->>'before', c->>'after')
		FROM customer_brain.site_profile, jsonb_array_elements(changes) WITH ORDINALITY AS e (c, n) WHERE version = $1 ORDER BY n`, version)
	if err != nil {
		d.t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
		d.t.Errorf("readers find (-want +got): %v\n%s", err, diff)
	}
}

// On plan free an analysis on demand, and on pro the third of a day, is the profile that is there: no call, no look at the site,
// exit 0, and when the next may be.
func TestWhatIsSpentIsAnsweredFromWhatIsThere(t *testing.T) {
	for plan, test := range map[string]struct {
		weeks []int // in which somebody asks and is answered, after the first
		last  int   // in which the site is another one again
		next  func(now time.Time) time.Time
	}{
		"free": {nil, 3, func(now time.Time) time.Time { return midnight(now).AddDate(0, 0, 1+(7-int(now.Weekday()))%7) }},
		"pro":  {[]int{3, 4}, 1, func(now time.Time) time.Time { return midnight(now).AddDate(0, 0, 1) }},
	} {
		t.Run(plan, func(t *testing.T) {
			d := newDesk(t)
			world, api, at := d.withSites()
			sync := []string{"sync", "--tenant", "club", "--pipeline", "website"}
			d.json(exitDone, "tenant", "create", "--name", "club", "--plan", plan)
			d.json(exitDone, "connect", "website", "--tenant", "club", "--url", at(sites.Lakeside))
			d.must(d.hurried(exitDone, sync...), map[string]any{"calls": 1, "cached": false, "profile.version": 1})
			for i, week := range test.weeks {
				world.SetWeek(week)
				d.must(d.hurried(exitDone, sync...), map[string]any{"calls": 1, "cached": false, "next_allowed_at": nil, "profile.version": i + 2})
			}
			world.SetWeek(test.last)
			asked, visited := len(api.Asked()), len(world.Site(sites.Lakeside).Requests())
			for range 3 {
				began := time.Now()
				spent := d.hurried(exitDone, sync...)
				d.must(spent, map[string]any{"status": "succeeded", "cached": true, "calls": 0, "unchanged": false, "profile.version": 1 + len(test.weeks), "error_message": nil})
				text, _ := spent.at("next_allowed_at").(string)
				next, err := time.Parse(time.RFC3339, text)
				if want := test.next(began.UTC()); err != nil || !next.Equal(want) && !next.Equal(test.next(time.Now().UTC())) {
					t.Errorf("the next may be at %s, want %s: %v", text, want, err)
				}
			}
			code, stdout, _ := d.hurry(sync...)
			if code != exitDone || !strings.Contains(stdout, "No other analysis before") || !strings.Contains(stdout, "Niche") {
				t.Errorf("people are told, exit %d:\n%s", code, stdout)
			}
			if n := len(api.Asked()) - asked; n != 0 {
				t.Errorf("%d calls", n)
			}
			if n := len(world.Site(sites.Lakeside).Requests()) - visited; n != 0 {
				t.Errorf("the site was asked %d times for nothing", n)
			}
			if n := d.count(`SELECT count(*) FROM llm_call`); n != 1+len(test.weeks) {
				t.Errorf("%d calls are in the ledger", n)
			}
		})
	}
}

func midnight(at time.Time) time.Time { return at.UTC().Truncate(24 * time.Hour) }

// The operator's switch for Claude stops a sync before the site is troubled, and lets it go on.
func TestTheSwitchForClaudeStopsAnalyses(t *testing.T) {
	d := newDesk(t)
	world, api, at := d.withSites()
	sync := []string{"sync", "--tenant", "club", "--pipeline", "website"}
	d.json(exitDone, "tenant", "create", "--name", "club")
	d.json(exitDone, "connect", "website", "--tenant", "club", "--url", at(sites.Lakeside))
	visited := len(world.Site(sites.Lakeside).Requests())
	d.json(exitDone, "switch", "on", "subsystem:claude", "--reason", "the bill looks odd")
	stopped := d.hurried(exitNotHealthy, sync...)
	d.must(stopped, map[string]any{"status": "stopped", "calls": 0, "profile": nil})
	if told, _ := stopped.at("error_message").(string); !strings.Contains(told, "the bill looks odd") {
		t.Errorf("told %q", told)
	}
	if len(api.Asked()) != 0 || len(world.Site(sites.Lakeside).Requests()) != visited {
		t.Error("the site or Claude was asked all the same")
	}
	d.json(exitDone, "switch", "off", "subsystem:claude")
	d.must(d.hurried(exitDone, sync...), map[string]any{"status": "succeeded", "calls": 1, "profile.version": 1})
}

// A site that cannot be read costs no call, keeps the profile that there is, and its owner is told what helps.
func TestASiteInTroubleCostsNothingAndSaysWhatHelps(t *testing.T) {
	d := newDesk(t)
	world, api, at := d.withSites()
	sync := []string{"sync", "--tenant", "club", "--pipeline", "website"}
	d.json(exitDone, "tenant", "create", "--name", "club")
	d.json(exitDone, "connect", "website", "--tenant", "club", "--url", at(sites.Lakeside))
	d.hurried(exitDone, sync...)
	world.Site(sites.Lakeside).Be(site.Challenge)
	world.SetWeek(4)
	d.must(d.hurried(exitNotHealthy, sync...), map[string]any{"status": "failed", "site": "blocked", "calls": 0, "profile.version": 1})
	told := d.json(exitNotHealthy, "status", "--tenant", "club")
	list, _ := told.at("tenants", 0, "connections", 0, "checklist").([]any)
	if len(list) == 0 || !strings.Contains(fmt.Sprint(list...), "MemberIntelBot") {
		t.Errorf("told %v in %s", list, told)
	}
	world.Site(sites.Lakeside).Be(site.Healthy)
	d.must(d.hurried(exitDone, sync...), map[string]any{"status": "succeeded", "calls": 1, "profile.version": 2})
	if n := len(api.Asked()); n != 2 {
		t.Errorf("%d calls, want 2", n)
	}
}
