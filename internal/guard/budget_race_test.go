package guard_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// 24 workers reserve and give back without a pause. Once the throw has returned there is no further reservation, and it
// is not kept waiting by them.
func TestTheKillSwitchUnder24Workers(t *testing.T) {
	for _, name := range []string{guard.Claude, "all", "pipeline:website"} {
		t.Run(name, func(t *testing.T) {
			p := newPurse(t)
			operator, err := postgres.Connect(t.Context(), p.db.AppURL(), p.db.OwnerURL(), 2)
			if err != nil {
				t.Fatal(err)
			}
			defer operator.Close()
			var reserved atomic.Int64
			warm := make(chan struct{})
			var workers sync.WaitGroup
			for n := range 24 {
				id, run := p.newTenant(fmt.Sprint("Club ", n), tenant.Pro)
				workers.Go(func() {
					for i := 0; ; i++ {
						r, err := p.reserveAs(id, guard.Ask{RunID: run, Purpose: guard.Scheduled, Stage: fmt.Sprint(i), Model: "claude-haiku-5-5", InputTokens: 100, OutputTokens: 100})
						if fault.Is(err, fault.Stopped) {
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
						if reserved.Add(1) == 200 {
							close(warm)
						}
						p.release(r)
					}
				})
			}
			<-warm
			began := time.Now()
			if err := guard.Throw(t.Context(), operator, name, "stop", "olga", 0); err != nil {
				t.Fatal(err)
			}
			took := time.Since(began)
			before := p.calls()
			workers.Wait()
			if after := p.calls(); after != before {
				t.Errorf("%d reservations after the switch was thrown", after-before)
			}
			if took > 5*time.Second {
				t.Errorf("the throw took %s", took)
			}
			t.Logf("%d reservations before it; the throw took %s", before, took)
		})
	}
}

// Whoever calls the function by itself, without the questions that this package asks first, is stopped as well.
func TestTheFunctionItselfHeedsTheSwitch(t *testing.T) {
	p := newPurse(t)
	sql := `SELECT outcome FROM budget_reserve($1, 'scheduled', 's', 'claude-haiku-5-5', false, 1, 1, 1000000, 1000000, 1000000)`
	asked, proceed, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		err := p.db.TenantTx(t.Context(), p.tenant, func(tx *postgres.TenantTx) error {
			var outcome string
			if err := tx.QueryRow(t.Context(), sql, p.run).Scan(&outcome); err != nil || outcome != "reserved" {
				t.Errorf("%s: %v", outcome, err)
			}
			close(asked)
			<-proceed
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}()
	<-asked
	thrown := make(chan error, 1)
	go func() {
		thrown <- guard.Throw(context.WithoutCancel(t.Context()), p.db, guard.Claude, "stop", "olga", 0)
	}()
	for !p.waiting() && t.Context().Err() == nil {
	}
	close(proceed)
	<-done
	if err := <-thrown; err != nil {
		t.Error(err)
	}
	err := p.db.TenantTx(t.Context(), p.tenant, func(tx *postgres.TenantTx) error {
		var outcome string
		if err := tx.QueryRow(t.Context(), sql, p.run).Scan(&outcome); err != nil || outcome != "stopped" {
			t.Errorf("%s: %v", outcome, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A scheduler with a bug fires all day: 16 workers, each with an open run of each tenant, as if the ledger of runs let them.
func TestOneCallATenantAWeekHoweverOftenItIsAsked(t *testing.T) {
	p := newPurse(t)
	type customer struct {
		id  tenant.ID
		run int64
	}
	customers := []customer{{p.tenant, p.run}}
	for _, name := range []string{"Hillside", "Seaside", "Woodside"} {
		id, run := p.newTenant(name, tenant.Free)
		customers = append(customers, customer{id, run})
	}
	p.clock.Advance(12 * time.Hour) // Monday
	var paid atomic.Int64
	for hour := range 24 {
		var workers sync.WaitGroup
		for range 16 {
			workers.Go(func() {
				for _, c := range customers {
					ask := p.ask(func(a *guard.Ask) { a.RunID, a.Batch = c.run, true })
					r, err := p.reserveAs(c.id, ask)
					if err != nil {
						if !errors.As(err, new(*guard.Refusal)) {
							t.Error(err)
						}
						continue
					}
					paid.Add(1)
					if hour%2 == 0 { // else the answer is waited for into the next hour
						p.settle(r, used(true))
					}
				}
			})
		}
		workers.Wait()
		p.clock.Advance(time.Hour)
	}
	if got := paid.Load(); got != int64(len(customers)) {
		t.Errorf("%d calls for %d tenants in a week", got, len(customers))
	}
}

// No sum of reservations is above a cap, whoever asks at once, and all of them close.
func TestConcurrentReservationsStayBelowTheCap(t *testing.T) {
	p := newPurse(t)
	if _, err := p.owner.Exec(t.Context(), `UPDATE budget_cap SET day = 60000`); err != nil {
		t.Fatal(err)
	}
	var workers sync.WaitGroup
	var open sync.Map
	for n := range 16 {
		id, run := p.newTenant(fmt.Sprint("Club ", n), tenant.Pro)
		workers.Go(func() {
			r, err := p.reserveAs(id, p.ask(func(a *guard.Ask) { a.RunID = run }))
			var why *guard.Refusal
			if err == nil {
				open.Store(r.CallID, r)
			} else if !errors.As(err, &why) || why.Reason != guard.CapDay {
				t.Error(err)
			}
		})
	}
	workers.Wait()
	n := 0
	open.Range(func(_, r any) bool {
		n++
		workers.Go(func() { p.settle(r.(guard.Reservation), used(true)) })
		return true
	})
	workers.Wait()
	var reserved, settled int64
	if err := p.owner.QueryRow(t.Context(), `SELECT reserved, settled FROM spend_total WHERE period = 'day'`).Scan(&reserved, &settled); err != nil {
		t.Fatal(err)
	}
	if n != 10 || reserved != 0 || settled != 16_000 {
		t.Errorf("%d calls of 6,000 under a cap of 60,000; then %d reserved, %d settled", n, reserved, settled)
	}
}

func (p *purse) calls() (n int64) {
	p.t.Helper()
	if err := p.owner.QueryRow(p.t.Context(), `SELECT sum(tries) FROM llm_call`).Scan(&n); err != nil {
		p.t.Fatal(err)
	}
	return n
}
