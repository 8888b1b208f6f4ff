package guard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// raised looks at the budget, and returns what has come up.
func (p *purse) raised() (list []string) {
	p.t.Helper()
	err := p.db.ServiceTx(p.t.Context(), func(tx *postgres.ServiceTx) error {
		alarms, err := guard.RaiseAlarms(p.t.Context(), tx)
		for _, a := range alarms {
			list = append(list, a.Kind+" "+a.Subject)
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

func (p *purse) expectRaised(want ...string) {
	p.t.Helper()
	if diff := cmp.Diff(want, p.raised()); diff != "" {
		p.t.Errorf("raised (-want +got):\n%s", diff)
	}
	if again := p.raised(); len(again) != 0 {
		p.t.Errorf("raised twice: %q", again)
	}
}

func TestACapIsToldAt50And80And100Percent(t *testing.T) {
	p := newPurse(t)
	if _, err := p.owner.Exec(t.Context(), `UPDATE budget_cap SET day = 44000`); err != nil {
		t.Fatal(err)
	}
	p.expectRaised()
	for i, want := range [][]string{nil, nil, nil, {"spend day 50"}, nil, {"spend day 80"}, {"spend day 100"}} {
		club, run := p.newTenant(fmt.Sprint("Club ", i), tenant.Free)
		if _, err := p.reserveAs(club, p.ask(func(a *guard.Ask) { a.RunID = run })); err != nil { // 6,000 each
			t.Fatal(err)
		}
		p.expectRaised(want...)
	}
	p.clock.Advance(24 * time.Hour)
	p.reap()
	p.expectRaised() // another day
	err := p.db.OperatorTx(t.Context(), func(tx *postgres.OperatorTx) error {
		alarms, err := guard.Alarms(t.Context(), tx)
		if len(alarms) != 3 || !strings.Contains(alarms[2].Detail, "80% of the cap of the day: $0.04 of $0.04") {
			t.Errorf("got %+v", alarms)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = p.db.ServiceTx(t.Context(), func(tx *postgres.ServiceTx) error {
		spent, err := guard.Spent(t.Context(), tx)
		if diff := cmp.Diff([]guard.Spending{{Period: "month", Paid: 42_000, Cap: guard.Dollars(1500)}}, spent); diff != "" {
			t.Error(diff)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCallsThatNobodyClosesAreTold(t *testing.T) {
	p := newPurse(t)
	p.mustReserve()
	batch := p.mustReserve(func(a *guard.Ask) { a.Batch, a.Purpose = true, guard.First })
	p.clock.Advance(59 * time.Minute)
	p.expectRaised()
	p.clock.Advance(2 * time.Minute)
	p.expectRaised("unsettled calls")
	p.reap()
	p.clock.Advance(24 * time.Hour)
	p.expectRaised() // a batch has time
	p.clock.Advance(12 * time.Hour)
	p.expectRaised("unsettled calls")
	p.settle(batch, used(true))
}

func TestPricesThatNobodyHasCheckedAreTold(t *testing.T) {
	p := newPurse(t)
	p.settle(p.mustReserve(), used(true)) // of haiku; the other models are in no use
	p.clock.Advance(30 * 24 * time.Hour)
	p.run = p.startRun(p.tenant)
	p.settle(p.mustReserve(), used(true))
	p.expectRaised() // 51 days after they were
	p.clock.Advance(10 * 24 * time.Hour)
	p.expectRaised("price claude-haiku-5-5")
}

func TestAGateThatLetsMostSitesThroughIsTold(t *testing.T) {
	p := newPurse(t)
	read := func(gate string, n int) {
		t.Helper()
		_, err := p.owner.Exec(t.Context(), `INSERT INTO fetch_snapshot (tenant_id, connection_id, run_id, fetched_at, state, gate)
			SELECT tenant_id, connection_id, run_id, memberintel_now(), 'up', nullif($2, '') FROM sync_run, generate_series(1, $3) WHERE run_id = $1`, p.run, gate, n)
		if err != nil {
			t.Fatal(err)
		}
	}
	read("changed", 11)
	p.expectRaised() // too few to judge
	read("unchanged", 11)
	read("", 50) // was not to be read
	p.expectRaised()
	read("changed", 1)
	p.expectRaised("skip_rate website")
}

func TestTheOwnerSetsTheCaps(t *testing.T) {
	p := newPurse(t)
	want := guard.Caps{Day: 1, Month: 2, TenantMonth: 3}
	before, err := guard.SetCaps(t.Context(), p.db, want)
	if err != nil || before != guard.DefaultCaps() {
		t.Errorf("before %v: %v", before, err)
	}
	err = p.db.ServiceTx(t.Context(), func(tx *postgres.ServiceTx) error {
		got, err := guard.CapsOf(t.Context(), tx)
		if got != want || !before.Above(got) || got.Above(before) || got.Above(got) {
			t.Errorf("got %v", got)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := guard.DefaultCaps().String(); got != "$100.00 a day, $1500.00 a month, $0.20 a month for a tenant" {
		t.Error(got)
	}
}
