package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/telemetry"
	"memberintel/internal/tenant"
)

const (
	proCadence  = 24 * time.Hour
	freeCadence = 7 * 24 * time.Hour
	firstRetry  = 5 * time.Minute // after a failure; it doubles with each further one
	lastRetry   = 6 * time.Hour
	lookEvery   = 15 * time.Second // how often the scheduler looks for what is due
)

// sync brings one connection up to date and sets when it is due again. One that was interrupted stays due.
func (h *house) sync(
	ctx context.Context, c connection.Connection, plan tenant.Plan, mode syncrun.Mode, watch func(*syncrun.Run),
) (syncrun.Report, error) {
	report, err := h.stripe.Sync(ctx, c, mode, watch)
	if errors.Is(err, context.Canceled) || fault.Is(err, fault.Busy) {
		return report, err
	}
	worked := report.Status == syncrun.Succeeded || report.Status == syncrun.Partial
	failure := h.db.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		now, err := h.connections.Get(ctx, tx, c.Pipeline)
		if err != nil {
			return err
		}
		at := time.Now().Add(wait(worked, now.ConsecutiveFailures, plan))
		return h.connections.ScheduleSync(ctx, tx, c.ID, &at)
	})
	return report, errors.Join(err, failure)
}

// wait is how long until the next sync. Only what went through keeps to the plan.
func wait(worked bool, failures int, plan tenant.Plan) time.Duration {
	switch {
	case worked && plan == tenant.Free:
		return freeCadence
	case worked:
		return proCadence
	default:
		return min(lastRetry, firstRetry<<min(max(failures-1, 0), 10))
	}
}

// scheduler syncs what is due.
type scheduler struct {
	house  *house
	atOnce int
}

// run looks for due connections until ctx ends, and then waits for the syncs under way.
func (s *scheduler) run(ctx context.Context) error {
	var group errgroup.Group
	group.SetLimit(s.atOnce)
	var busy sync.Map // of the connections whose sync is under way
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		for _, route := range s.due(ctx) {
			if _, under := busy.LoadOrStore(route.ConnectionID, true); under {
				continue
			}
			started := group.TryGo(func() error {
				defer busy.Delete(route.ConnectionID)
				s.syncOne(ctx, route)
				return nil
			})
			if !started {
				busy.Delete(route.ConnectionID)
				break
			}
		}
		select {
		case <-ctx.Done():
			return group.Wait()
		case <-ticker.C:
		}
	}
}

func (s *scheduler) due(ctx context.Context) (routes []connection.Route) {
	err := s.house.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) (err error) {
		routes, err = s.house.connections.DueSync(ctx, tx, 2*s.atOnce)
		return err
	})
	if err != nil && ctx.Err() == nil {
		s.house.log.ErrorContext(ctx, "what is due could not be read", "error", err)
	}
	return routes
}

// syncOne logs what no run has told: a run that failed is in the ledger and in the log already.
func (s *scheduler) syncOne(ctx context.Context, route connection.Route) {
	ctx = telemetry.WithTenant(ctx, route.TenantID)
	var c connection.Connection
	err := s.house.db.TenantTx(ctx, route.TenantID, func(tx *postgres.TenantTx) (err error) {
		c, err = s.house.connections.Get(ctx, tx, route.Pipeline)
		return err
	})
	var report syncrun.Report
	if err == nil {
		report, err = s.house.sync(ctx, c, route.Plan, "", nil)
	}
	switch {
	case err != nil && report.RunID == 0 && ctx.Err() == nil:
		s.house.log.ErrorContext(ctx, "a sync that was due did not begin", "error", err)
	case report.RunID != 0:
		s.house.log.InfoContext(ctx, "sync run ended", "run_id", report.RunID, "mode", report.Mode, "status", report.Status,
			"records", report.RecordsProcessed)
	}
}
