package stripe

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

const (
	// eventsCursor is the name of the position up to which events have been read.
	eventsCursor = "events"
	// overlap is how much of what was read is read again, since events are not listed in order.
	overlap = 10 * time.Minute
	// maxGap is the age of a cursor beyond which events may be gone: Stripe keeps them for 30 days.
	maxGap = 25 * 24 * time.Hour
)

// position is how far the events have been read, on Stripe's clock.
type position struct {
	Created int64 `json:"created"`
}

func (p position) time() time.Time { return time.Unix(p.Created, 0).UTC() }

// Sync brings the warehouse up to Stripe and returns the run's report. Without a mode it reads everything
// the first time, after a change of mapping, and when events may have been lost, and else only what
// changed. watch may be nil; it is called with the run once it has begun.
func (p *Pipeline) Sync(ctx context.Context, c connection.Connection, mode syncrun.Mode, watch func(*syncrun.Run)) (syncrun.Report, error) {
	client, err := p.client(ctx, c)
	if err != nil {
		return syncrun.Report{}, err
	}
	cursor, known, err := p.cursor(ctx, c)
	if err != nil {
		return syncrun.Report{}, err
	}
	decided, err := p.decideMode(ctx, client, c, mode, cursor, known)
	if err != nil {
		return syncrun.Report{}, err
	}
	run, runCtx, err := p.Ledger.Begin(ctx, c, decided, 0)
	waited := fault.Is(err, fault.Busy)
	if waited { // what another worker is at may leave less to do than it seemed
		if mode != syncrun.Full {
			mode = syncrun.Incremental
		}
		run, runCtx, err = p.Ledger.Begin(ctx, c, mode, syncrun.BusyWait)
	}
	if err != nil {
		return syncrun.Report{}, err
	}
	if watch != nil {
		watch(run)
	}
	var outcome syncrun.Outcome
	if waited {
		outcome, err = p.syncRun(runCtx, run)
	} else {
		outcome, err = (&pass{p: p, c: c, run: run, client: client}).read(runCtx, cursor)
	}
	report, finishErr := run.Finish(runCtx, outcome, err)
	return report, errors.Join(err, finishErr)
}

// SyncQueued is Sync for a run that waits in the queue: whatever hinders it, from a missing key on, is the run's
// failure. An error without a report means that it did not begin.
func (p *Pipeline) SyncQueued(ctx context.Context, c connection.Connection, ticket syncrun.Ticket) (syncrun.Report, error) {
	run, runCtx, err := p.Ledger.BeginQueued(ctx, c, ticket)
	if err != nil {
		return syncrun.Report{}, err
	}
	outcome, err := p.syncRun(runCtx, run)
	report, finishErr := run.Finish(runCtx, outcome, err)
	return report, errors.Join(err, finishErr)
}

func (p *Pipeline) syncRun(ctx context.Context, run *syncrun.Run) (syncrun.Outcome, error) {
	client, err := p.client(ctx, run.Connection)
	if err != nil {
		return syncrun.Outcome{}, err
	}
	cursor, known, err := p.cursor(ctx, run.Connection)
	if err != nil {
		return syncrun.Outcome{}, err
	}
	mode, err := p.decideMode(ctx, client, run.Connection, run.Mode, cursor, known)
	if err != nil {
		return syncrun.Outcome{}, err
	}
	if err := run.Become(ctx, mode); err != nil {
		return syncrun.Outcome{}, err
	}
	return (&pass{p: p, c: run.Connection, run: run, client: client}).read(ctx, cursor)
}

// read does what the run's mode says.
func (s *pass) read(ctx context.Context, cursor position) (syncrun.Outcome, error) {
	if s.run.Mode == syncrun.Full {
		return s.full(ctx)
	}
	return s.incremental(ctx, cursor)
}

// decideMode refuses to call an incremental sync a success when events may have been lost since the cursor.
func (p *Pipeline) decideMode(ctx context.Context, client *Client, c connection.Connection, mode syncrun.Mode, cursor position, known bool) (syncrun.Mode, error) {
	if mode == syncrun.Full {
		return mode, nil
	}
	if !known || c.MappingVersion < MappingVersion {
		return syncrun.Full, nil
	}
	now, err := sourceNow(ctx, client)
	if err != nil && !fault.Is(err, fault.NotPermitted) {
		return syncrun.Incremental, nil //nolint:nilerr // the run itself meets the same error and reports it
	}
	if err == nil && now.Sub(cursor.time()) > maxGap {
		p.Log.WarnContext(ctx, "the last sync is too long ago for events to tell everything: reading everything",
			"tenant_id", c.TenantID, "cursor", cursor.time())
		return syncrun.Full, nil
	}
	return syncrun.Incremental, nil
}

// sourceNow reads Stripe's clock from the events list, whose first page also proves that it may be read.
func sourceNow(ctx context.Context, client *Client) (time.Time, error) {
	page, err := client.List(ctx, "/v1/events", map[string][]string{"limit": {"1"}})
	return page.Observed.From, err
}

func (p *Pipeline) cursor(ctx context.Context, c connection.Connection) (cursor position, known bool, err error) {
	err = p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		known, err = p.Ledger.Cursor(ctx, tx, c.ID, eventsCursor, &cursor)
		return err
	})
	return cursor, known, err
}

// pass is one run's work on one connection.
type pass struct {
	p      *Pipeline
	c      connection.Connection
	run    *syncrun.Run
	client *Client
	events int64
	missed []string // permissions that the key lacks
}

// full reads everything: the events cursor is taken before the first page, so that what changes meanwhile
// is told by events, and rows that nothing has shown since are looked up before they are buried.
func (s *pass) full(ctx context.Context) (syncrun.Outcome, error) {
	began, err := s.begin(ctx)
	if err != nil {
		return syncrun.Outcome{}, err
	}
	complete, err := s.backfill(ctx, began)
	if err != nil {
		return s.outcome(began), err
	}
	if err := s.pullEvents(ctx, began); err != nil {
		return s.outcome(began), err
	}
	left, err := s.settle(ctx)
	if err != nil {
		return s.outcome(began), err
	}
	if err := s.sweep(ctx, began, complete); err != nil {
		return s.outcome(began), err
	}
	if err := s.derive(ctx); err != nil {
		return s.outcome(began), err
	}
	outcome := s.outcome(began)
	outcome.Problem = problemOf(left)
	outcome.MappingVersion = MappingVersion
	return outcome, s.moveCursor(ctx, began)
}

// derive brings up to date what follows from all that was read. The tables are tidied first: they may have
// been empty when the pass began.
func (s *pass) derive(ctx context.Context) error {
	if records, _ := s.run.Progress(); records >= tidyFrom {
		if err := s.p.DB.Tidy(ctx, records, warehouse.Tables()); err != nil {
			s.p.Log.WarnContext(ctx, "the tables were not tidied; searches may be slow until autovacuum has been there", "error", err)
		}
	}
	return s.run.Commit(ctx, syncrun.Work{Also: func(ctx context.Context, tx *postgres.TenantTx, _ result) error {
		if err := s.p.Ledger.Warehouse.DeriveAll(ctx, tx, source(s.c)); err != nil {
			return err
		}
		return s.p.Ledger.Warehouse.Link(ctx, tx)
	}})
}

// tidyFrom is how many records make it worth while to tidy the tables.
const tidyFrom = 1000

// incremental reads the events since the cursor.
func (s *pass) incremental(ctx context.Context, cursor position) (syncrun.Outcome, error) {
	now, err := sourceNow(ctx, s.client)
	if err != nil {
		return syncrun.Outcome{}, err
	}
	if now.Sub(cursor.time()) > maxGap {
		return syncrun.Outcome{}, fault.New(fault.Unavailable,
			"The last sync is more than 25 days ago, and Stripe's events no longer tell everything since: the next sync reads everything.")
	}
	if err := s.pullEvents(ctx, cursor.time()); err != nil {
		return s.outcome(now), err
	}
	left, err := s.settle(ctx)
	outcome := s.outcome(now)
	if err != nil {
		return outcome, err
	}
	if err := s.link(ctx); err != nil {
		return outcome, err
	}
	outcome.NotPermitted = s.c.NotPermitted // only a full pass finds out whether that has changed
	outcome.Problem = problemOf(left)
	return outcome, s.moveCursor(ctx, now)
}

// link finds the customers whom the tenant's other platforms know.
func (s *pass) link(ctx context.Context) error {
	return s.run.Commit(ctx, syncrun.Work{Also: func(ctx context.Context, tx *postgres.TenantTx, _ result) error {
		return s.p.Ledger.Warehouse.Link(ctx, tx)
	}})
}

func problemOf(left int) string {
	if left == 0 {
		return ""
	}
	return fmt.Sprintf("%d objects could not be fetched from Stripe yet; they are tried again.", left)
}

func (s *pass) outcome(asOf time.Time) syncrun.Outcome {
	return syncrun.Outcome{DataAsOf: asOf, NotPermitted: s.missed, Events: s.events, ResponseMS: s.client.ResponseMS()}
}

// start is where a full pass began: a resumed one keeps it, as long as events reach back to it and the
// mapping is still the same.
type start struct {
	position

	Mapping  int  `json:"mapping"`
	NoEvents bool `json:"no_events,omitempty"` // they may not be read
}

// begin takes the moment from which events count, once for a pass.
func (s *pass) begin(ctx context.Context) (time.Time, error) {
	now, err := sourceNow(ctx, s.client)
	refused := fault.Is(err, fault.NotPermitted)
	if err != nil && !refused {
		return time.Time{}, err
	}
	if refused {
		s.missed = append(s.missed, eventsPermission)
		now = s.p.Config.Now()
	}
	saved, err := s.run.Checkpoints(ctx)
	if err != nil {
		return time.Time{}, err
	}
	for _, k := range saved {
		if k.Stream != startStream {
			continue
		}
		var was start
		if err := json.Unmarshal(k.Position, &was); err != nil {
			return time.Time{}, fmt.Errorf("stripe: checkpoint: %w", err)
		}
		if was.Mapping == MappingVersion && was.NoEvents == refused && now.Sub(was.time()) < maxPass {
			return was.time(), nil
		}
		if err := s.run.StartOver(ctx); err != nil {
			return time.Time{}, err
		}
	}
	return now, s.run.Commit(ctx, syncrun.Work{Checkpoints: []syncrun.Checkpoint{
		{Stream: startStream, Position: start{position{now.Unix()}, MappingVersion, refused}},
	}})
}

// maxPass is how long ago a pass may have begun for it to be resumed.
const maxPass = 7 * 24 * time.Hour

const (
	startStream      = "start"
	eventsPermission = "Events: Read"
)

// mayReadEvents is false once Stripe has refused them.
func (s *pass) mayReadEvents() bool {
	for _, m := range s.missed {
		if m == eventsPermission {
			return false
		}
	}
	return true
}

func (s *pass) moveCursor(ctx context.Context, to time.Time) error {
	if !s.mayReadEvents() {
		return nil // without events only full passes tell the truth
	}
	return s.run.Commit(ctx, syncrun.Work{Also: func(ctx context.Context, tx *postgres.TenantTx, _ result) error {
		return s.p.Ledger.SetCursor(ctx, tx, s.c.ID, eventsCursor, position{to.Unix()})
	}})
}
