package guard_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// 24 workers reserve and give back without a pause, every second one past this package. Once the throw has returned there is
// no further reservation, and it is not kept waiting by them.
func TestTheKillSwitchUnder24Workers(t *testing.T) {
	for _, name := range []string{guard.Claude, "all", "pipeline:website", "tenant"} {
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
				id, run := p.tenant, p.run
				if name != "tenant" {
					id, run = p.newTenant(fmt.Sprint("Club ", n), tenant.Pro)
				}
				reserve := p.reserveAs
				if n%2 == 1 {
					reserve = p.reserveAlone
				}
				workers.Go(func() {
					for {
						r, err := reserve(id, p.ask(func(a *guard.Ask) { a.RunID, a.InputTokens, a.OutputTokens = run, 100, 100 }))
						var why *guard.Refusal
						switch {
						case fault.Is(err, fault.Stopped):
							return
						case errors.As(err, &why) && why.Reason == guard.Attempts:
							p.clock.Advance(7 * 24 * time.Hour) // this week's are used up
							continue
						case err != nil:
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
			thrown := name
			if name == "tenant" {
				thrown += ":" + p.tenant.String()
			}
			began := time.Now()
			if err := guard.Throw(t.Context(), operator, thrown, "stop", "olga", 0); err != nil {
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

// reserveAlone calls the function by itself, without the questions that this package asks first.
func (p *purse) reserveAlone(id tenant.ID, a guard.Ask) (guard.Reservation, error) {
	r := guard.Reservation{Tenant: id}
	err := p.db.TenantTx(p.t.Context(), id, func(tx *postgres.TenantTx) error {
		var outcome string
		var call *int64
		var token *uuid.UUID
		err := tx.QueryRow(p.t.Context(), `SELECT outcome, call_id, token FROM budget_reserve($1, $2, $3, $4, $5, $6, $7, NULL, NULL, NULL)`,
			a.RunID, a.Purpose, a.Stage, a.Model, a.Batch, a.InputTokens, a.OutputTokens).Scan(&outcome, &call, &token)
		switch {
		case err != nil:
			return err
		case outcome == "stopped":
			return fault.New(fault.Stopped, "stopped")
		case outcome != "reserved":
			return &guard.Refusal{Reason: guard.Reason(outcome)}
		}
		r.CallID, r.Token = *call, *token
		return nil
	})
	return r, err
}

// Whoever calls the function by itself is stopped as well, and waited for.
func TestTheFunctionItselfHeedsEverySwitch(t *testing.T) {
	p := newPurse(t)
	for _, name := range []string{guard.Claude, "all", "pipeline:website", "tenant:" + p.tenant.String()} {
		t.Run(name, func(t *testing.T) {
			p.clock.Advance(7 * 24 * time.Hour)
			asked, proceed, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				err := p.db.TenantTx(t.Context(), p.tenant, func(tx *postgres.TenantTx) error {
					var outcome string
					if err := tx.QueryRow(t.Context(), reserveSQL, p.run).Scan(&outcome); err != nil || outcome != "reserved" {
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
				thrown <- guard.Throw(context.WithoutCancel(t.Context()), p.db, name, "stop", "olga", 0)
			}()
			for !p.waiting() && len(thrown) == 0 && t.Context().Err() == nil {
			}
			if len(thrown) > 0 {
				t.Error("the throw returned while a reservation was under way")
			}
			close(proceed)
			<-done
			if err := <-thrown; err != nil {
				t.Error(err)
			}
			if got, err := p.asProgram(reserveSQL, []any{p.run}); err != nil || got != "stopped" {
				t.Errorf("%s: %v", got, err)
			}
			p.off(name)
		})
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
