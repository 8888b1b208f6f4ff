package schedule

import (
	"context"
	"fmt"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// Order is a sync that somebody asks for.
type Order struct {
	ConnectionID connection.ID
	Cause        syncrun.Cause
	Mode         syncrun.Mode // Full to read everything; else the pipeline decides
	// Brought says that the knock is the service's own: what the run is for is here, and the source need not be asked. It comes
	// through to a connection that has failed, and nobody waits for a success of the source.
	Brought bool
}

// Placed is an order's run. Deliver is for after the transaction's commit; it is never nil and may fail without harm.
type Placed struct {
	RunID   int64 // 0: nothing is to be done, after a change of plan or a knock
	Deliver func(context.Context) error
}

// Request asks for a sync at once, whatever the pace. Where one waits already it is brought forward and not doubled;
// one that runs is followed by another, since what changed may be behind it. The regular turn stays, except that a
// new connection gets its first, and a changed plan moves it. A free plan needs no sync on the day it begins, and a
// connection that has failed waits for a person or its next turn, however often its source knocks. A person who
// asks, by the button or with a new credential, is believed that a site which was left in peace works again.
func (s *Scheduler) Request(ctx context.Context, tx *postgres.ServiceTx, o Order) (Placed, error) {
	placed := Placed{Deliver: func(context.Context) error { return nil }}
	route, found, err := s.Ledger.Connections.RouteByID(ctx, tx, o.ConnectionID)
	if err != nil {
		return placed, err
	}
	if !found || route.State == connection.Disconnected {
		return placed, fault.New(fault.NotFound, "There is nothing connected that could be synced; connect it again.")
	}
	cadence := connection.Cadence(route.Pipeline, route.Plan)
	if o.Cause == syncrun.Connecting || o.Cause == syncrun.PlanChange {
		if err := s.reschedule(ctx, tx, route, cadence); err != nil {
			return placed, err
		}
	}
	if o.Cause == syncrun.PlanChange && route.Plan == tenant.Free || o.Cause == syncrun.Knock && !o.Brought && route.State == connection.Failed {
		return placed, nil
	}
	if !o.Brought {
		if err := s.Ledger.Connections.Await(ctx, tx, route.ConnectionID); err != nil {
			return placed, err
		}
	}
	if o.Cause == syncrun.Connecting || o.Cause == syncrun.Button {
		if err := care.Forgive(ctx, tx, route.ConnectionID); err != nil {
			return placed, err
		}
	}
	deliveries, err := syncrun.Queue(ctx, tx, []syncrun.Wanted{{
		TenantID: route.TenantID, ConnectionID: route.ConnectionID, Pipeline: route.Pipeline,
		Mode: o.Mode, Attempt: 1, Cause: o.Cause, Cadence: cadence,
	}})
	if err != nil {
		return placed, err
	}
	after, err := s.enqueue(ctx, tx, deliveries)
	if err != nil {
		return placed, err
	}
	placed.RunID = deliveries[0].RunID
	placed.Deliver = func(ctx context.Context) error { return s.deliver(ctx, after) }
	return placed, nil
}

// RequestNow is Request in a transaction of its own.
func (s *Scheduler) RequestNow(ctx context.Context, o Order) (runID int64, err error) {
	var placed Placed
	err = s.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		placed, err = s.Request(ctx, tx, o)
		return err
	})
	if err != nil {
		return 0, err
	}
	return placed.RunID, placed.Deliver(ctx)
}

func (s *Scheduler) reschedule(ctx context.Context, tx *postgres.ServiceTx, route connection.Route, cadence time.Duration) error {
	var now time.Time
	if err := tx.QueryRow(ctx, `SELECT memberintel_now()`).Scan(&now); err != nil {
		return fmt.Errorf("schedule: read the clock: %w", err)
	}
	at := FirstDue(now, cadence, route.TenantID, route.Pipeline)
	return s.Ledger.Connections.SetDue(ctx, tx, []connection.ID{route.ConnectionID}, []time.Time{at})
}
