package website

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/sim/claude"
	"memberintel/internal/sim/site"
	sim "memberintel/internal/sim/website"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

func TestASiteIsDescribedAndItsChangesAreSeen(t *testing.T) {
	s := newStreet(t, claude.Config{})
	c := s.club(sim.Lakeside, tenant.Pro)
	first := s.well(c)
	p := first.Profile
	if p == nil || p.Version != 1 || p.Niche == nil || p.Positioning == nil || len(p.PricingPatterns) == 0 || len(p.Evidence) < 4 || len(p.Changes) != 0 || !p.Fresh {
		t.Fatalf("the first profile is %+v", p)
	}
	if p.Model != "claude-sonnet-5-5" || first.Calls != 1 || len(s.api.Bills()) != 1 {
		t.Errorf("the first profile is by %s in %d calls, want Sonnet in one", p.Model, first.Calls)
	}
	for week := 1; week <= 2; week++ { // nothing changes in week 2
		s.pass(7 * 24 * time.Hour)
		s.world.SetWeek(week)
		if again := s.well(c); !again.Unchanged || again.Calls != 0 || again.Profile.Version != 1 {
			t.Errorf("an unchanged site: %+v", again)
		}
	}
	if n := len(s.api.Asked()); n != 1 {
		t.Errorf("Claude was asked %d times about a site that did not change", n)
	}
	s.pass(7 * 24 * time.Hour)
	s.world.SetWeek(3)
	headline := s.well(c)
	if headline.Profile.Version != 2 || headline.Profile.Model != "claude-haiku-5-5" || headline.Profile.Fresh || !told(headline.Profile, fieldHeadline) {
		t.Errorf("a new headline made %+v", headline.Profile)
	}
	s.pass(7 * 24 * time.Hour)
	s.world.SetWeek(4)
	prices := s.well(c)
	if prices.Profile.Version != 3 || !told(prices.Profile, fieldPrices) || slices.ContainsFunc(prices.Profile.Changes, func(c Change) bool { return c.Kind == changeShifted }) {
		t.Errorf("new prices made %+v", prices.Profile.Changes)
	}
	if n := s.count(`SELECT count(*) FROM customer_brain.site_profile`); n != 3 {
		t.Errorf("%d versions are kept, want 3", n)
	}
	verdict, err := s.p.Verify(t.Context(), s.current(c), false, nil)
	if err != nil || verdict.Status != syncrun.Succeeded || verdict.Drift() || verdict.Checked < 5 {
		t.Errorf("verify: %+v, %v", verdict, err)
	}
	if n := s.count(`SELECT count(*) FROM llm_call WHERE status <> 'settled'`); n != 0 {
		t.Errorf("%d calls are open", n)
	}
}

func told(p *Profile, field string) bool {
	return slices.ContainsFunc(p.Changes, func(c Change) bool { return c.Field == field })
}

func TestOnDemandIsTwiceADayOnProAndNeverOnFree(t *testing.T) {
	s := newStreet(t, claude.Config{})
	c := s.club(sim.Lakeside, tenant.Pro)
	s.well(c)
	for i, week := range []int{3, 4} {
		s.world.SetWeek(week)
		if r := s.well(c); r.Calls != 1 || r.Profile.Version != i+2 {
			t.Fatalf("analysis %d of the day: %+v", i+1, r)
		}
	}
	s.world.SetWeek(1)
	before := len(s.world.Site(sim.Lakeside).Requests())
	third := s.well(c)
	if !third.Cached || third.Calls != 0 || third.Profile.Version != 3 || third.NextAllowedAt == nil || !third.NextAllowedAt.Equal(monday.Truncate(24*time.Hour).Add(24*time.Hour)) {
		t.Errorf("the third of the day: %+v", third)
	}
	if n := len(s.world.Site(sim.Lakeside).Requests()); n != before {
		t.Errorf("the site was asked %d times for nothing", n-before)
	}
	s.pass(24 * time.Hour)
	if r := s.well(c); r.Cached || r.Profile.Version != 4 {
		t.Errorf("the next day: %+v", r)
	}

	free := s.club(sim.Hillside, tenant.Free)
	if r := s.well(free); r.Cached || r.Profile == nil || r.Profile.Model != "claude-sonnet-5-5" {
		t.Errorf("the first on plan free: %+v", r)
	}
	s.world.SetWeek(6)
	asked := len(s.api.Asked())
	if r := s.well(free); !r.Cached || r.Profile.Version != 1 || r.NextAllowedAt == nil || len(s.api.Asked()) != asked {
		t.Errorf("the second on plan free: %+v", r)
	}
}

func TestAWeeklyAnswerComesByABatch(t *testing.T) {
	s := newStreet(t, claude.Config{})
	c := s.club(sim.Lakeside, tenant.Pro)
	other := s.club(sim.Hillside, tenant.Free)
	s.well(c)
	s.well(other)
	s.pass(7 * 24 * time.Hour)
	s.world.SetWeek(6) // both have changed
	for turn := range 2 {
		report, err := s.queued(c, syncrun.Scheduled, 1, nil)
		if err != nil || report.Status != syncrun.Succeeded {
			t.Fatalf("turn %d ended as %s: %v", turn, report.Status, err)
		}
	}
	if report, err := s.queued(other, syncrun.Scheduled, 1, nil); err != nil || report.Status != syncrun.Succeeded {
		t.Fatalf("ended as %s: %v", report.Status, err)
	}
	if n := s.count(`SELECT count(*) FROM llm_question`); n != 2 {
		t.Fatalf("%d questions wait, want one of each site, however often the clock struck", n)
	}
	s.carry()
	if n := s.count(`SELECT max(version) FROM customer_brain.site_profile`); n != 1 {
		t.Error("a profile is there before its answer")
	}
	s.pass(20 * time.Minute)
	if n := s.carry(); n != 2 {
		t.Errorf("%d answers came, want 2", n)
	}
	if n := s.count(`SELECT count(*) FROM customer_brain.site_profile WHERE version = 2 AND model = 'claude-haiku-5-5'`); n != 2 {
		t.Errorf("%d second versions, want 2", n)
	}
	if n := s.count(`SELECT count(*) FROM llm_call WHERE batch AND status = 'settled' AND cost > 0`); n != 2 {
		t.Errorf("%d calls of the batch are settled, want 2", n)
	}
	if n := s.carry(); n != 0 {
		t.Errorf("%d answers came again", n)
	}
	if report, err := s.queued(c, syncrun.Scheduled, 1, nil); err != nil || report.Status != syncrun.Succeeded {
		t.Errorf("the clock strikes once more in that week: %s, %v", report.Status, err)
	}
	batches := 0
	for _, bill := range s.api.Bills() {
		if bill.Batch {
			batches++
		}
	}
	if batches != 2 {
		t.Errorf("%d answers of batches were billed, want 2", batches)
	}
}

func TestASiteThatCannotBeReadKeepsItsProfileAndSaysWhatHelps(t *testing.T) {
	s := newStreet(t, claude.Config{})
	for host, want := range map[string]struct {
		state SiteState
		kind  fault.Kind
	}{
		sim.Fortress: {Blocked, fault.NotPermitted}, sim.Cloister: {Disallowed, fault.NotPermitted}, sim.Northpeak: {ScriptOnly, fault.Invalid},
		sim.Millpond: {Parked, fault.Invalid}, sim.Orchard: {TooThin, fault.Invalid}, sim.Quarry: {Down, fault.Unavailable},
	} {
		c := s.club(host, tenant.Pro)
		report, err := s.sync(c)
		if report.Site != want.state || !fault.Is(err, want.kind) || report.Status != syncrun.Failed || deref(report.ErrorMessage) == "" {
			t.Errorf("%s: %s, %v, %v", host, report.Site, report.Status, err)
		}
		if now := s.current(c); len(now.Checklist()) == 0 {
			t.Errorf("%s: nobody is told what helps", host)
		}
		if n := s.count(`SELECT count(*) FROM site_status WHERE connection_id = $1 AND state = $2`, c.ID, want.state); n != 1 {
			t.Errorf("%s: its status is not %s", host, want.state)
		}
	}
	if n := len(s.api.Asked()); n != 0 {
		t.Errorf("Claude was asked %d times about sites that cannot be read", n)
	}
}

func TestASiteThatIsDownIsTriedOnceMoreAndThenOutOfDate(t *testing.T) {
	s := newStreet(t, claude.Config{})
	c := s.club(sim.Lakeside, tenant.Pro)
	s.well(c)
	s.world.Site(sim.Lakeside).Be(site.Unavailable)
	s.pass(7 * 24 * time.Hour)
	stale := func() int64 {
		return s.count(`SELECT count(*) FROM site_status WHERE connection_id = $1 AND stale`, c.ID)
	}
	var told []syncrun.Next
	follow := func(e syncrun.Ended) syncrun.Next {
		var f *fault.Error
		if !errors.As(e.Err, &f) {
			t.Errorf("ended with %v", e.Err)
			return syncrun.Next{}
		}
		told = append(told, syncrun.Next{After: f.RetryAfter})
		return syncrun.Next{Again: true, Attempt: e.Attempt + 1, After: f.RetryAfter}
	}
	report, _ := s.queued(c, syncrun.Scheduled, 1, follow)
	if report.Status != syncrun.Failed || stale() != 0 || len(told) != 1 || told[0].After < 30*time.Minute || told[0].After > 50*time.Minute {
		t.Fatalf("the first try: %+v, stale %d, next %v", report, stale(), told)
	}
	s.pass(time.Hour)
	report, _ = s.queued(c, syncrun.Scheduled, 2, follow)
	if report.Status != syncrun.Failed || stale() != 1 || len(told) != 1 || len(report.Next) != 0 {
		t.Errorf("the second try: %+v, stale %d, next %v", report, stale(), told)
	}
	s.world.Site(sim.Lakeside).Be(site.Healthy)
	s.pass(7 * 24 * time.Hour)
	if r := s.well(c); !r.Unchanged || stale() != 0 || r.Profile.Version != 1 {
		t.Errorf("the site is back: %+v, stale %d", r, stale())
	}
}

func TestAnAnswerOfNoUseKeepsTheProfile(t *testing.T) {
	for name, c := range map[string]struct {
		fault claude.FaultKind
		text  string
		calls int
		word  string
	}{
		"a refusal":        {fault: claude.Refusal, calls: 1, word: "would not"},
		"cut off":          {fault: claude.MaxTokens, calls: 1, word: "cut off"},
		"prose":            {text: "It is a nice club.", calls: 2, word: "could not be read"},
		"without evidence": {text: strings.ReplaceAll(oakAnswer(), "Oak", "Elm"), calls: 2, word: "not borne out"},
		"an empty profile": {text: `{"niche":{"text":"","quotes":[]},"audience":{"text":"","quotes":[]},"positioning":{"text":"","quotes":[]},"pricing_patterns":[],"content_patterns":[]}`, calls: 2, word: "not borne out"},
	} {
		t.Run(name, func(t *testing.T) {
			spoilt := false
			s := newStreet(t, claude.Config{Answer: func(q claude.Question) claude.Answer {
				if spoilt && c.text != "" {
					return claude.Answer{Text: c.text}
				}
				return claude.Reader(q)
			}})
			club := s.club(sim.Lakeside, tenant.Pro)
			s.well(club)
			spoilt = true
			if c.fault != "" {
				defer s.api.Fault(claude.Fault{Kind: c.fault})()
			}
			s.world.SetWeek(4)
			report, err := s.sync(club)
			if err != nil || report.Status != syncrun.Partial || report.Profile.Version != 1 || report.Calls != c.calls || !strings.Contains(deref(report.ErrorMessage), c.word) {
				t.Errorf("%+v, %s, %v", report, deref(report.ErrorMessage), err)
			}
			if n := s.count(`SELECT count(*) FROM llm_call WHERE status <> 'settled'`); n != 0 {
				t.Errorf("%d calls are open", n)
			}
			if n := s.count(`SELECT count(*) FROM analysis WHERE ended_at IS NULL`); n != 0 {
				t.Errorf("%d analyses are open", n)
			}
		})
	}
}

func TestAFreshProfileIsWrittenEachQuarter(t *testing.T) {
	s := newStreet(t, claude.Config{})
	c := s.club(sim.Hafen, tenant.Pro)
	s.well(c)
	s.pass(9 * 7 * 24 * time.Hour)
	if r := s.well(c); r.Profile.Version != 2 || r.Profile.Fresh {
		t.Errorf("after nine weeks: %+v", r.Profile)
	}
	s.pass(5 * 7 * 24 * time.Hour)
	if r := s.well(c); r.Profile.Version != 3 || !r.Profile.Fresh {
		t.Errorf("after a quarter: %+v", r.Profile)
	}
	asked := s.api.Asked()
	if !strings.Contains(asked[1].Text, `"previous":{`) || !strings.Contains(asked[2].Text, `"previous":null`) {
		t.Error("the wording before was not sent along, or it was for a fresh profile")
	}
}

func TestNobodyIsAskedWithoutAKeyOrUnderASwitch(t *testing.T) {
	s := newStreet(t, claude.Config{})
	c := s.club(sim.Lakeside, tenant.Pro)
	before := len(s.world.Site(sim.Lakeside).Requests())
	if _, err := s.owner.Exec(t.Context(), `INSERT INTO switch (name, reason, thrown_by) VALUES ('subsystem:claude', 'a test', 'a test')`); err != nil {
		t.Fatal(err)
	}
	if report, err := s.sync(c); !fault.Is(err, fault.Stopped) || report.Status != syncrun.Stopped {
		t.Errorf("under the switch: %+v, %v", report, err)
	}
	s.restart()
	s.p.claude = nil
	if report, err := s.p.Sync(t.Context(), s.current(c), "", nil); !fault.Is(err, fault.Stopped) || !strings.Contains(err.Error(), "ANTHROPIC_API_KEY") {
		t.Errorf("without a key: %+v, %v", report, err)
	}
	hindered := func(word string) {
		t.Helper()
		if now := s.current(c); now.State != connection.Degraded || now.ConsecutiveFailures != 0 || !strings.Contains(deref(now.LastError), word) ||
			!strings.Contains(strings.Join(now.Checklist(), " "), "ANTHROPIC_API_KEY") {
			t.Errorf("the connection is %s with %d failures, and tells %q and %q", now.State, now.ConsecutiveFailures, deref(now.LastError), now.Checklist())
		}
	}
	hindered("no key for Claude")
	if len(s.world.Site(sim.Lakeside).Requests()) != before || len(s.api.Asked()) != 0 {
		t.Error("the site or Claude was asked all the same")
	}
	if _, err := s.owner.Exec(t.Context(), `DELETE FROM switch`); err != nil {
		t.Fatal(err)
	}
	s.api.Fault(claude.Fault{Kind: claude.Unauthorized, Count: 1})
	if report, err := s.sync(c); !fault.Is(err, fault.Stopped) || report.Status != syncrun.Stopped {
		t.Errorf("with a key that is refused: %+v, %v", report, err)
	}
	hindered("not available")
	s.well(c)
	if now := s.current(c); now.State != connection.Connected || now.LastError != nil {
		t.Errorf("with a key the connection is %s: %s", now.State, deref(now.LastError))
	}
	s.balanced()
}
