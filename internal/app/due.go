package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/job"
	"memberintel/internal/postgres"
	"memberintel/internal/schedule"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// handlers says who does a kind of job; job/river is where they come from.
func (h *house) handlers() map[job.Kind]job.Handler {
	worker := &schedule.Worker{Scheduler: h.scheduler, Syncs: map[connection.Pipeline]schedule.Sync{}}
	for name, of := range h.pipelines {
		worker.Syncs[name] = of.queued
	}
	return map[job.Kind]job.Handler{job.Sync: worker.Handle}
}

// sync brings one connection up to date here and now, and sets when it is due again. While another worker is at it,
// it waits for that one's end and says so. One that was interrupted stays due. A person asks, who is believed that a
// site which was left in peace works again.
func (h *house) sync(
	ctx context.Context, c connection.Connection, plan tenant.Plan, mode syncrun.Mode, say io.Writer, watch func(*syncrun.Run),
) (syncrun.Report, error) {
	of, err := h.pipeline(c.Pipeline)
	if err == nil {
		err = h.db.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error { return care.Forgive(ctx, tx, c.ID) })
	}
	if err != nil {
		return syncrun.Report{}, err
	}
	report, err := of.sync(ctx, c, mode, watch)
	for told := false; fault.Is(err, fault.Busy) && report.RunID == 0 && ctx.Err() == nil; told = true {
		if !told {
			writef(say, "%s\nWaiting for it to end; Ctrl-C gives up.\n", fault.Sentence(err))
		}
		report, err = of.sync(ctx, c, mode, watch) // which waits a while itself
	}
	if errors.Is(err, context.Canceled) || fault.Is(err, fault.Busy) {
		return report, err
	}
	if report.RunID == 0 && err == nil { // what is there will do, and nothing was read
		return report, nil
	}
	worked := report.Status == syncrun.Succeeded || report.Status == syncrun.Partial
	failure := h.db.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		now, err := h.connections.Get(ctx, tx, c.Pipeline)
		if err != nil {
			return err
		}
		at := due(time.Now(), now, plan, worked)
		return h.connections.ScheduleSync(ctx, tx, c.ID, &at)
	})
	return report, errors.Join(err, failure)
}

// due is when a connection that was synced by hand is next: as planned, or sooner where another try may help.
func due(now time.Time, c connection.Connection, plan tenant.Plan, worked bool) time.Time {
	if !worked && !c.NeedsPerson() {
		return now.Add(schedule.Backoff(c.ConsecutiveFailures, 0.5))
	}
	return schedule.NextDue(now, connection.Cadence(c.Pipeline, plan), c.TenantID, c.Pipeline)
}

// request asks for a sync of a connection that is new or served differently from now on. A server does it, now or
// when there is one.
func (h *house) request(ctx context.Context, id connection.ID, cause syncrun.Cause) error {
	if _, err := h.scheduler.RequestNow(ctx, schedule.Order{ConnectionID: id, Cause: cause}); err != nil {
		return fmt.Errorf("app: ask for a sync: %w", err)
	}
	return nil
}

// knocked asks for a sync of a site that says that something changed.
func (h *house) knocked(ctx context.Context, id connection.ID) error {
	return h.request(ctx, id, syncrun.Knock)
}

// brought asks for a sync that takes what the service itself has brought: an answer that is paid for.
func (h *house) brought(ctx context.Context, id connection.ID) error {
	if _, err := h.scheduler.RequestNow(ctx, schedule.Order{ConnectionID: id, Cause: syncrun.Knock, Brought: true}); err != nil {
		return fmt.Errorf("app: ask for a sync: %w", err)
	}
	return nil
}

// reschedule tells the schedule that a tenant is served differently from now on.
func (h *house) reschedule(ctx context.Context, id tenant.ID) error {
	var connections []connection.Connection
	err := h.db.TenantTx(ctx, id, func(tx *postgres.TenantTx) (err error) {
		connections, err = h.connections.List(ctx, tx)
		return err
	})
	for _, c := range connections {
		if err == nil && c.State != connection.Disconnected {
			err = h.request(ctx, c.ID, syncrun.PlanChange)
		}
	}
	return err
}
