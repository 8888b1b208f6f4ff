package stripe

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
)

const eventsStream = "events"

// pullEvents applies the events since a moment, less the overlap, that are not in the ledger yet. Stripe
// lists them newest first, which the ordering rule does not mind; the cursor is moved by the caller, after
// the last page.
func (s *pass) pullEvents(ctx context.Context, since time.Time) error {
	if !s.mayReadEvents() {
		return nil
	}
	q := url.Values{"limit": {"100"}, "created[gte]": {strconv.FormatInt(since.Add(-overlap).Unix(), 10)}}
	err := s.client.ListAll(ctx, "/v1/events", q, func(page Page) error { return s.applyEvents(ctx, page) })
	if fault.Is(err, fault.NotPermitted) && s.run.Mode == syncrun.Full {
		s.missed = append(s.missed, eventsPermission)
		return nil
	}
	return err
}

// applyEvents writes one page of events with their lines in the ledger.
func (s *pass) applyEvents(ctx context.Context, page Page) error {
	var events []Event
	d := s.p.collect(s.c)
	for _, raw := range page.Objects {
		event, err := parseEvent(raw)
		if err != nil {
			d.quarantine(eventsStream, "", raw, Envelope{Observed: page.Observed, APIVersion: page.APIVersion}, err)
			continue
		}
		events = append(events, event)
	}
	var fresh []Event
	err := s.p.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) (err error) {
		fresh, err = unseen(ctx, tx, s.c, events)
		return err
	})
	if err != nil {
		return err
	}
	for _, event := range fresh {
		d.event(event)
	}
	s.events += int64(len(fresh))
	work := d.work()
	work.Checkpoints = []syncrun.Checkpoint{{Stream: eventsStream, Position: map[string]string{"last": lastID(page)}, Records: len(fresh)}}
	return s.run.Commit(ctx, work)
}

// Replay applies the events since a moment that the warehouse has not seen, whatever the cursor says.
func (p *Pipeline) Replay(ctx context.Context, c connection.Connection, since time.Duration, watch func(*syncrun.Run)) (syncrun.Report, error) {
	if since > maxGap {
		return syncrun.Report{}, fault.New(fault.Invalid,
			"Stripe keeps events for 30 days, so a replay reaches back 25 at most; run `memberintel sync --mode full` instead.")
	}
	client, err := p.client(ctx, c)
	if err != nil {
		return syncrun.Report{}, err
	}
	run, runCtx, err := p.Ledger.Begin(ctx, c, syncrun.Replay, syncrun.BusyWait)
	if err != nil {
		return syncrun.Report{}, err
	}
	if watch != nil {
		watch(run)
	}
	s := &pass{p: p, c: c, run: run, client: client}
	outcome, err := s.replay(runCtx, since)
	report, finishErr := run.Finish(runCtx, outcome, err)
	report.Events = outcome.Events
	if err == nil {
		err = finishErr
	}
	return report, err
}

func (s *pass) replay(ctx context.Context, since time.Duration) (syncrun.Outcome, error) {
	now, err := sourceNow(ctx, s.client)
	if err != nil {
		return syncrun.Outcome{}, err
	}
	if err := s.pullEvents(ctx, now.Add(-since).Add(overlap)); err != nil {
		return s.outcome(time.Time{}), err
	}
	left, err := s.settle(ctx)
	outcome := s.outcome(time.Time{})
	outcome.Problem = problemOf(left)
	outcome.NotPermitted = s.c.NotPermitted
	return outcome, err
}
