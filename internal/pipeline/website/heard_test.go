package website

import (
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/guard"
	"memberintel/internal/sim/claude"
	"memberintel/internal/sim/site"
	sim "memberintel/internal/sim/website"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

func (s *street) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.owner.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

// forgotten checks that no answer is remembered of which something has come.
func (s *street) forgotten() {
	s.t.Helper()
	if n := s.count(`SELECT count(*) FROM sync_cursor WHERE name = 'heard' AND (position->'answer'->>'Text' <> '' OR position->'about'->>'call' <> '0')`); n != 0 {
		s.t.Error("an answer is remembered for nothing")
	}
}

// What was paid for and could not be written is written by the next run, and not paid for again.
func TestAnAnswerThatCouldNotBeWrittenIsNotPaidForTwice(t *testing.T) {
	s := newStreet(t, claude.Config{})
	c := s.club(sim.Lakeside, tenant.Pro)
	s.exec(`ALTER TABLE customer_brain.site_profile ADD CONSTRAINT broken CHECK (version < 0) NOT VALID`)
	if report, err := s.sync(c); err == nil || report.Status != syncrun.Failed || len(s.api.Bills()) != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	s.exec(`ALTER TABLE customer_brain.site_profile DROP CONSTRAINT broken`)
	s.pass(3 * time.Hour)
	if r := s.well(c); r.Profile == nil || r.Profile.Version != 1 || r.Calls != 0 || len(s.api.Bills()) != 1 {
		t.Errorf("%+v, %d answers were paid for", r, len(s.api.Bills()))
	}
	if r := s.well(c); r.Profile.Version != 1 || !r.Unchanged {
		t.Errorf("it is written again: %+v", r)
	}
	if n := s.count(`SELECT count(*) FROM analysis WHERE ended_at IS NULL`); n != 0 {
		t.Errorf("%d analyses are open", n)
	}
	s.forgotten()
	s.balanced()
}

func TestAWorkerDiesWithAnAnswerThatItHasHeard(t *testing.T) {
	for name, spoilt := range map[string]bool{"of use": false, "of no use": true} {
		t.Run(name, func(t *testing.T) {
			s := newStreet(t, claude.Config{Answer: func(q claude.Question) claude.Answer {
				if spoilt {
					spoilt = false
					return claude.Answer{Text: "It is a nice club."}
				}
				return claude.Reader(q)
			}})
			c := s.club(sim.Lakeside, tenant.Pro)
			want := int64(1)
			if spoilt {
				want = 2
			}
			run, ctx, err := s.p.Ledger.Begin(t.Context(), s.current(c), syncrun.Full, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _, _ = run.Finish(ctx, syncrun.Outcome{}, nil) })
			dead := &pass{p: s.p, c: c, run: run, cause: syncrun.Button}
			if dead.home, err = s.p.home(ctx, c); err != nil {
				t.Fatal(err)
			}
			k, _, err := dead.look(ctx)
			if err != nil {
				t.Fatal(err)
			}
			q, fresh, err := dead.question(k, s.p.Config.Models.First, monday)
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := dead.call(ctx, q, guard.First, inquiry{Snapshot: k.Snapshot, Fresh: fresh}); err != nil {
				t.Fatal(err)
			}
			s.exec(`UPDATE sync_run SET lease_expires_at = clock_timestamp() - interval '1 second'`)
			before := len(s.world.Site(sim.Lakeside).Requests())
			r := s.well(c)
			if r.Profile == nil || r.Profile.Version != 1 || int64(len(s.api.Bills())) != want || r.RunID != run.ID {
				t.Errorf("%+v, %d answers were paid for, want %d", r, len(s.api.Bills()), want)
			}
			if n := len(s.world.Site(sim.Lakeside).Requests()); n != before {
				t.Errorf("the site was asked %d times again", n-before)
			}
			if n := s.count(`SELECT count(*) FROM sync_run WHERE run_id = $1 AND data_as_of IS NOT NULL`, run.ID); n != 1 {
				t.Error("nobody knows of when the data is")
			}
			if n := s.count(`SELECT count(*) FROM llm_call WHERE status = 'settled'`); n != want {
				t.Errorf("%d calls are settled, want %d", n, want)
			}
			s.forgotten()
			s.balanced()
		})
	}
}

// An answer that was paid for is used although the site has failed since, and that it has stays told.
func TestAnAnswerIsTakenForASiteThatHasFailed(t *testing.T) {
	for name, text := range map[string]string{"of use": "", "of no use": "It is a nice club."} {
		t.Run(name, func(t *testing.T) {
			spoilt := false
			s := newStreet(t, claude.Config{Answer: func(q claude.Question) claude.Answer {
				if spoilt && text != "" {
					return claude.Answer{Text: text}
				}
				return claude.Reader(q)
			}})
			c := s.club(sim.Lakeside, tenant.Free)
			s.well(c)
			s.pass(7 * 24 * time.Hour)
			s.world.SetWeek(3)
			if report, err := s.queued(c, syncrun.Scheduled, 1, nil); err != nil || report.Status != syncrun.Succeeded {
				t.Fatalf("%+v, %v", report, err)
			}
			spoilt = true
			s.carry()
			s.pass(2 * time.Hour)
			s.world.Site(sim.Lakeside).Be(site.ParkedAway)
			if _, err := s.queued(c, syncrun.Button, 1, func(syncrun.Ended) syncrun.Next { return syncrun.Next{GiveUp: true} }); err == nil {
				t.Fatal("a parked site was read")
			}
			failed := s.current(c)
			if failed.State != connection.Failed {
				t.Fatalf("the connection is %s", failed.State)
			}
			before := len(s.world.Site(sim.Lakeside).Requests())
			if n := s.carry(); n != 1 {
				t.Errorf("%d answers came, want 1", n)
			}
			want := int64(2)
			if text != "" {
				want = 1
			}
			if n := s.count(`SELECT count(*) FROM customer_brain.site_profile`); n != want {
				t.Errorf("%d versions, want %d", n, want)
			}
			if now := s.current(c); now.State != connection.Failed || deref(now.LastError) != deref(failed.LastError) || now.ConsecutiveFailures != failed.ConsecutiveFailures {
				t.Errorf("the connection is %s: %s", now.State, deref(now.LastError))
			}
			if n := len(s.world.Site(sim.Lakeside).Requests()); n != before {
				t.Errorf("the site was asked %d times", n-before)
			}
			if n := s.count(`SELECT count(*) FROM llm_question`); n != 0 {
				t.Errorf("%d answers wait", n)
			}
			s.balanced()
		})
	}
}
