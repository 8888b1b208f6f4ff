package website

import (
	"testing"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/sim/claude"
	sim "memberintel/internal/sim/website"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// An answer that is lost on its way is paid for once, in full, and the site is described by the next try.
func TestALostAnswerIsChargedOnceAndAskedForOnceMore(t *testing.T) {
	s := newStreet(t, claude.Config{})
	c := s.club(sim.Lakeside, tenant.Pro)
	s.api.Fault(claude.Fault{Kind: claude.Lost, Count: 1})
	if report, err := s.sync(c); !fault.Is(err, fault.Unavailable) || report.Status != syncrun.Failed {
		t.Fatalf("%+v, %v", report, err)
	}
	if n := s.count(`SELECT count(*) FROM llm_call WHERE status = 'unknown' AND cost = reserved`); n != 1 {
		t.Errorf("%d calls are charged in full, want 1", n)
	}
	if r := s.well(c); r.Profile == nil || r.Profile.Version != 1 || len(s.api.Bills()) != 2 {
		t.Errorf("the second try: %+v, %d bills", r, len(s.api.Bills()))
	}
	s.balanced()
	paid := s.count(`SELECT sum(cost)::bigint FROM llm_call`)
	if reserved := s.count(`SELECT sum(reserved)::bigint FROM llm_call`); paid > reserved {
		t.Errorf("%d was paid where %d was reserved", paid, reserved)
	}
}

// What Claude refuses costs nothing, and a run that comes back to it does not trouble the site again.
func TestABusyClaudeCostsNothingAndSparesTheSite(t *testing.T) {
	s := newStreet(t, claude.Config{})
	c := s.club(sim.Lakeside, tenant.Pro)
	s.api.Fault(claude.Fault{Kind: claude.Overloaded, Count: 1})
	if report, err := s.queued(c, syncrun.Connecting, 1, nil); !fault.Is(err, fault.RateLimited) || report.Status != syncrun.Failed {
		t.Fatalf("%+v, %v", report, err)
	}
	if n := s.count(`SELECT coalesce(sum(cost), 0)::bigint FROM llm_call`); n != 0 {
		t.Errorf("it cost %d", n)
	}
	before := len(s.world.Site(sim.Lakeside).Requests())
	s.pass(time.Minute)
	if report, err := s.queued(c, syncrun.Connecting, 1, nil); err != nil || report.Status != syncrun.Succeeded {
		t.Fatalf("%+v, %v", report, err)
	}
	if n := len(s.world.Site(sim.Lakeside).Requests()); n != before {
		t.Errorf("the site was asked %d times again", n-before)
	}
	if n := s.count(`SELECT count(*) FROM customer_brain.site_profile`); n != 1 {
		t.Errorf("%d profiles", n)
	}
	s.balanced()
}

// A batch whose creation is not answered, whose results come twice, or that expires, ends in one profile and one payment.
func TestABatchInTroubleEndsInOneProfile(t *testing.T) {
	for name, f := range map[string]claude.Fault{
		"the creation is not answered": {Kind: claude.Lost, Path: "/batches", Count: 1},
		"the creation is too late":     {Kind: claude.Late, Path: "/batches", Count: 1},
		"each result comes twice":      {Kind: claude.Doubled},
		"all expires":                  {Kind: claude.ExpiredResult, Count: 1},
		"all errs":                     {Kind: claude.ErroredResult, Count: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStreet(t, claude.Config{})
			c := s.club(sim.Lakeside, tenant.Free)
			s.well(c)
			s.pass(7 * 24 * time.Hour)
			s.world.SetWeek(3)
			s.api.Fault(f)
			if report, err := s.queued(c, syncrun.Scheduled, 1, nil); err != nil || report.Status != syncrun.Succeeded {
				t.Fatalf("%+v, %v", report, err)
			}
			for range 12 {
				s.carry()
				s.pass(20 * time.Minute)
			}
			if n := s.count(`SELECT count(*) FROM customer_brain.site_profile`); n != 2 {
				t.Errorf("%d versions, want 2", n)
			}
			if n := s.count(`SELECT count(*) FROM llm_call WHERE batch AND status = 'settled'`); n != 1 {
				t.Errorf("%d calls of batches are settled, want 1", n)
			}
			if _, err := s.p.claude.since(t.Context(), time.Time{}); err != nil { // a batch that nobody knows of is worked off when it is listed
				t.Fatal(err)
			}
			batched := 0
			for _, bill := range s.api.Bills() {
				if bill.Batch {
					batched++
				}
			}
			if batched != 1 {
				t.Errorf("%d answers of batches were billed, want 1", batched)
			}
			s.balanced()
		})
	}
}
