package guard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

// used is an answer of 10,000 tokens in and 1,200 out: 1,600 micro-dollars on haiku.
func used(ends bool) guard.Answered {
	return guard.Answered{Usage: guard.Usage{Input: 10_000, Output: 1_200}, Ends: ends, StopReason: "end_turn", RequestID: "req_1"}
}

func TestAnAnswerIsChargedOnceAtWhatItCost(t *testing.T) {
	p := newPurse(t)
	r := p.mustReserve()
	if want := guard.Micro(32_000*125_000/1e6 + 4_000*500_000/1e6); r.Amount != want {
		t.Errorf("reserved %d, want %d: the dearest that it can come to", r.Amount, want)
	}
	p.holds(spent{Reserved: int64(r.Amount)})
	for range 3 {
		if cost := p.settle(r, used(true)); cost != 1_600 {
			t.Errorf("cost %d", cost)
		}
	}
	p.release(r) // too late, and without effect
	p.unknown(r)
	p.holds(spent{Settled: 1_600})
}

func TestPrices(t *testing.T) {
	for name, test := range map[string]struct {
		ask   func(*guard.Ask)
		usage guard.Usage
		want  guard.Micro
	}{
		"haiku":                    {func(*guard.Ask) {}, guard.Usage{Input: 1_000_000 / 10, Output: 1_000}, 10_500},
		"above the tier":           {func(*guard.Ask) {}, guard.Usage{Input: 1_000_000/10 + 1, Output: 1_000}, 52_501},
		"the tier counts caches":   {func(*guard.Ask) {}, guard.Usage{Input: 1, CacheRead: 100_000, Output: 1_000}, 7_501},
		"in a batch":               {func(a *guard.Ask) { a.Batch = true }, guard.Usage{Input: 10_000, Output: 1_200}, 800},
		"written to a cache":       {func(*guard.Ask) {}, guard.Usage{CacheWrite: 10_000}, 1_250},
		"read from a cache":        {func(*guard.Ask) {}, guard.Usage{CacheRead: 10_000}, 100},
		"sonnet":                   {func(a *guard.Ask) { a.Model = "claude-sonnet-5-5" }, guard.Usage{Input: 10_000, Output: 1_200}, 32_000},
		"less than a micro-dollar": {func(a *guard.Ask) { a.Batch = true }, guard.Usage{Input: 1}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPurse(t)
			r := p.mustReserve(test.ask, func(a *guard.Ask) { a.InputTokens = 40_000 })
			a := used(true)
			a.Usage = test.usage
			if got := p.settle(r, a); got != test.want {
				t.Errorf("got %d, want %d", got, test.want)
			}
		})
	}
}

func TestAModelWithoutAPriceIsNotUsed(t *testing.T) {
	p := newPurse(t)
	_, err := p.reserve(func(a *guard.Ask) { a.Model = "claude-future-9" })
	if refused(t, err).Reason != guard.NoPrice || !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsReleasedCostsNothingAndSpendsNoAttempt(t *testing.T) {
	p := newPurse(t)
	var last guard.Reservation
	for range 5 {
		r := p.mustReserve()
		if r.Attempt != 1 || r.Token == last.Token {
			t.Errorf("got %+v", r)
		}
		p.release(r)
		p.release(r)
		last = r
	}
	p.holds(spent{})
	// Whoever released it and hears of an answer after all cannot settle another's reservation ...
	r := p.mustReserve()
	err := p.db.TenantTx(t.Context(), p.tenant, func(tx *postgres.TenantTx) error {
		_, err := guard.Settle(t.Context(), tx, last, used(true))
		return err
	})
	if err == nil {
		t.Error("an old reservation settled a new one")
	}
	p.release(r)
	// ... but the last one can: the money is gone, and nothing was reserved for it any more.
	p.settle(r, used(true))
	p.holds(spent{Overrun: 1_600})
}

func TestAnUnknownCallIsChargedInFullUntilItsAnswerComes(t *testing.T) {
	p := newPurse(t)
	r := p.mustReserve()
	p.unknown(r)
	p.unknown(r)
	p.holds(spent{Settled: int64(r.Amount)})
	p.settle(r, used(true))
	p.holds(spent{Settled: 1_600})
}

func TestWhatACallCostsBeyondItsReservationFillsTheCap(t *testing.T) {
	p := newPurse(t)
	r := p.mustReserve()
	a := used(false)
	a.Usage.Output = 350_000 // $0.175
	p.settle(r, a)
	p.holds(spent{Settled: int64(r.Amount), Overrun: 175_000 + 1_000 - int64(r.Amount)})
	_, err := p.reserve(func(a *guard.Ask) { a.InputTokens = 300_000 })
	if got := refused(t, err); got.Reason != guard.CapTenantMonth || got.Spent != 176_000 {
		t.Errorf("got %+v", got)
	}
}

func TestEachCapHoldsAndTellsWhenItFrees(t *testing.T) {
	for reason, test := range map[guard.Reason]struct {
		cap   string
		frees time.Time
	}{
		guard.CapDay:         {"day", time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)},
		guard.CapMonth:       {"month", time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)},
		guard.CapTenantMonth: {"tenant_month", time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)},
	} {
		t.Run(string(reason), func(t *testing.T) {
			p := newPurse(t)
			if _, err := p.owner.Exec(t.Context(), `UPDATE budget_cap SET `+test.cap+` = 13600`); err != nil {
				t.Fatal(err)
			}
			first := p.mustReserve()
			p.mustReserve(purpose(guard.First))
			_, err := p.reserve(purpose(guard.OnDemand))
			got := refused(t, err)
			if got.Reason != reason || !got.Capped() || got.FreesAt == nil || !got.FreesAt.Equal(test.frees) || got.Cap != 13_600 || !fault.Is(err, fault.Stopped) {
				t.Errorf("got %+v: %v", got, err)
			}
			if !strings.Contains(fault.Sentence(err), test.frees.Format("2 January 2006")) {
				t.Errorf("told %q", fault.Sentence(err))
			}
			p.holds(spent{Reserved: 12_000})
			p.settle(first, used(false))
			p.mustReserve(purpose(guard.OnDemand)) // what the first did not use is free again
			p.clock.Advance(test.frees.Sub(sunday))
			p.run = p.startRun(p.tenant)
			p.mustReserve()
		})
	}
}

func TestTheProgramMayAskForLessThanTheDatabaseAllowsAndNotForMore(t *testing.T) {
	p := newPurse(t)
	_, err := p.reserve(func(a *guard.Ask) { a.Caps.Day = 5_999 })
	if got := refused(t, err); got.Reason != guard.CapDay || got.Cap != 5_999 {
		t.Errorf("got %+v", got)
	}
	if _, err := p.owner.Exec(t.Context(), `UPDATE budget_cap SET day = 100`); err != nil {
		t.Fatal(err)
	}
	_, err = p.reserve(func(a *guard.Ask) {
		a.Caps = guard.Caps{Day: guard.Dollars(1000), Month: guard.Dollars(1000), TenantMonth: guard.Dollars(1000)}
	})
	if got := refused(t, err); got.Reason != guard.CapDay || got.Cap != 100 {
		t.Errorf("got %+v", got)
	}
}

func TestOncePerISOWeekByTheClock(t *testing.T) {
	p := newPurse(t)
	p.settle(p.mustReserve(), used(true))
	_, err := p.reserve()
	if got := refused(t, err); got.Reason != guard.Done || !got.Spared() || !got.FreesAt.Equal(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", got)
	}
	p.clock.Advance(12 * time.Hour) // Monday
	p.settle(p.mustReserve(), used(true))
	p.clock.Advance(6 * 24 * time.Hour)
	if _, err := p.reserve(); refused(t, err).Reason != guard.Done {
		t.Error(err)
	}
	// 1 January 2027 is of week 53 of 2026.
	p.clock.Advance(time.Date(2026, 12, 31, 12, 0, 0, 0, time.UTC).Sub(sunday.Add(12*time.Hour + 6*24*time.Hour)))
	p.settle(p.mustReserve(), used(true))
	p.clock.Advance(24 * time.Hour)
	if _, err := p.reserve(); refused(t, err).Reason != guard.Done {
		t.Error(err)
	}
}

func TestOnceAtFirst(t *testing.T) {
	p := newPurse(t)
	first := func(a *guard.Ask) { a.Purpose = guard.First }
	p.settle(p.mustReserve(first), used(true))
	p.clock.Advance(365 * 24 * time.Hour)
	_, err := p.reserve(first)
	if got := refused(t, err); got.Reason != guard.Done || got.FreesAt != nil {
		t.Errorf("got %+v", got)
	}
}

func TestTwiceADayOnDemandOnPro(t *testing.T) {
	p := newPurse(t)
	demand := func(a *guard.Ask) { a.Purpose = guard.OnDemand }
	for range 2 {
		p.settle(p.mustReserve(demand), used(true))
	}
	_, err := p.reserve(demand)
	if got := refused(t, err); got.Reason != guard.Done || !got.FreesAt.Equal(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff(refused(t, err), refused(t, p.mayAsk(p.tenant, guard.OnDemand)), cmpopts.IgnoreFields(guard.Refusal{}, "Model")); diff != "" {
		t.Errorf("asked beforehand (-want +got):\n%s", diff)
	}
	if err := p.mayAsk(p.tenant, guard.Scheduled); err != nil {
		t.Error(err)
	}
	p.clock.Advance(12 * time.Hour)
	if err := p.mayAsk(p.tenant, guard.OnDemand); err != nil {
		t.Error(err)
	}
	p.settle(p.mustReserve(demand), used(true))

	free, run := p.newTenant("Hillside", tenant.Free)
	ask := p.ask(demand)
	ask.RunID = run
	_, err = p.reserveAs(free, ask)
	if diff := cmp.Diff(refused(t, err), refused(t, p.mayAsk(free, guard.OnDemand)), cmpopts.IgnoreFields(guard.Refusal{}, "Model")); diff != "" {
		t.Errorf("asked beforehand (-want +got):\n%s", diff)
	}
	if got := refused(t, err); got.Reason != guard.OnPlan || !got.Spared() || !got.FreesAt.Equal(time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("got %+v", got)
	}
}

func TestAStageHasTwoAttempts(t *testing.T) {
	p := newPurse(t)
	for want := 1; want <= 2; want++ {
		r := p.mustReserve()
		if r.Attempt != want {
			t.Errorf("attempt %d, want %d", r.Attempt, want)
		}
		p.settle(r, used(false)) // nothing that is of use
	}
	if _, err := p.reserve(); refused(t, err).Reason != guard.Attempts {
		t.Error(err)
	}
}

func TestACallInDoubtIsChargedWhenTheRunIsResumed(t *testing.T) {
	p := newPurse(t)
	dead := p.mustReserve()
	again := p.mustReserve() // by whoever resumes the run
	if again.Attempt != 2 || again.CallID == dead.CallID {
		t.Errorf("got %+v", again)
	}
	p.holds(spent{Reserved: int64(again.Amount), Settled: int64(dead.Amount)})
	p.settle(again, used(true))
	p.holds(spent{Settled: int64(dead.Amount) + 1_600})
}

func TestACallUnderWayIsNotDoubledByAnotherRun(t *testing.T) {
	p := newPurse(t)
	r := p.mustReserve()
	// The ledger of runs keeps a second pull away; should it ever fail, the budget does not.
	var other int64
	err := p.owner.QueryRow(t.Context(), `INSERT INTO sync_run (tenant_id, connection_id, pipeline_type, mode, lease_expires_at)
		SELECT tenant_id, connection_id, pipeline_type, 'verify', lease_expires_at FROM sync_run WHERE run_id = $1 RETURNING run_id`, p.run).Scan(&other)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.reserve(func(a *guard.Ask) { a.RunID = other })
	if got := refused(t, err); got.Reason != guard.Open || !got.FreesAt.Equal(r.ExpiresAt) || !fault.Is(err, fault.Busy) {
		t.Errorf("got %+v", got)
	}
	batch := p.mustReserve(func(a *guard.Ask) { a.Batch, a.Purpose = true, guard.First })
	_, err = p.reserve(func(a *guard.Ask) { a.Batch, a.Purpose = true, guard.First })
	if got := refused(t, err); got.Reason != guard.Open || !got.FreesAt.Equal(batch.ExpiresAt) {
		t.Errorf("a batch is not asked twice by its own run either: got %+v", got)
	}
}

func TestTheReaperClosesWhatACrashLeft(t *testing.T) {
	p := newPurse(t)
	left := p.mustReserve()
	batch := p.mustReserve(func(a *guard.Ask) { a.Batch, a.Purpose = true, guard.First })
	if n := p.reap(); n != 0 {
		t.Errorf("reaped %d calls that are waited for", n)
	}
	p.clock.Advance(16 * time.Minute)
	if n := p.reap(); n != 1 {
		t.Errorf("reaped %d", n)
	}
	p.holds(spent{Reserved: int64(batch.Amount), Settled: int64(left.Amount)})
	p.clock.Advance(36 * time.Hour)
	if n := p.reap(); n != 1 || p.reap() != 0 {
		t.Errorf("reaped %d", n)
	}
	p.settle(batch, used(true))
	p.holds(spent{Settled: int64(left.Amount) + 800})
}

func TestOnlyARunningRunOfTheTenantPays(t *testing.T) {
	p := newPurse(t)
	_, run := p.newTenant("Hillside", tenant.Pro)
	if _, err := p.reserve(func(a *guard.Ask) { a.RunID = run }); refused(t, err).Reason != guard.NoRun {
		t.Error(err)
	}
	if _, err := p.owner.Exec(t.Context(), `UPDATE sync_run SET status = 'succeeded'`); err != nil {
		t.Fatal(err)
	}
	if _, err := p.reserve(); refused(t, err).Reason != guard.NoRun {
		t.Error(err)
	}
}

func TestAnotherTenantsReservationIsOutOfReach(t *testing.T) {
	p := newPurse(t)
	r := p.mustReserve()
	r.Tenant, _ = p.newTenant("Hillside", tenant.Pro)
	p.release(r)
	p.unknown(r)
	err := p.db.TenantTx(t.Context(), r.Tenant, func(tx *postgres.TenantTx) error {
		_, err := guard.Settle(t.Context(), tx, r, used(true))
		return err
	})
	if err == nil {
		t.Error("settled")
	}
	p.reserveNothingFor(r)
}

func (p *purse) reserveNothingFor(r guard.Reservation) {
	p.t.Helper()
	var status string
	if err := p.owner.QueryRow(p.t.Context(), `SELECT status FROM llm_call WHERE call_id = $1`, r.CallID).Scan(&status); err != nil || status != "reserved" {
		p.t.Errorf("the call is %s: %v", status, err)
	}
}

func TestRaisingTheCapsLeavesATrace(t *testing.T) {
	p := newPurse(t)
	if _, err := p.owner.Exec(t.Context(), `UPDATE budget_cap SET day = 7`); err != nil {
		t.Fatal(err)
	}
	var actor, now string
	err := pgtest.Owner(t, p.db).QueryRow(t.Context(), `SELECT actor, detail->'now'->>'day' FROM audit_event WHERE action = 'budget.cap'`).Scan(&actor, &now)
	if err != nil || actor != "memberintel_owner" || now != "7" {
		t.Errorf("%s set %s: %v", actor, now, err)
	}
}
