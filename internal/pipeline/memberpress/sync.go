package memberpress

import (
	"context"
	"errors"
	"fmt"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

const (
	// These name what outlives runs: up to where changes were read, the last observation, what the site ran, and when
	// its gateways were in test mode.
	changesCursor = "changes"
	clockCursor   = "clock"
	siteCursor    = "site"
	gatewayCursor = "gateway_modes"
	// maxResyncs is how often one run begins anew because the site did.
	maxResyncs = 3
)

// position is up to where the changes of an epoch have been read.
type position struct {
	Watermark string `json:"watermark"`
	Epoch     string `json:"epoch"`
}

// stamp is the last observation that was made of the site.
type stamp struct {
	At time.Time `json:"at"`
}

// Sync brings the warehouse up to the site and returns the run's report. Without a mode it reads everything the first
// time, after a change of mapping and when the site begins its data anew, and else only what changed. watch may be
// nil; it is called with the run once it has begun.
func (p *Pipeline) Sync(ctx context.Context, c connection.Connection, mode syncrun.Mode, watch func(*syncrun.Run)) (syncrun.Report, error) {
	client, err := p.client(ctx, c)
	if err != nil {
		return syncrun.Report{}, err
	}
	if mode != syncrun.Full {
		mode = syncrun.Incremental
	}
	run, runCtx, err := p.Ledger.Begin(ctx, c, mode, syncrun.BusyWait)
	if err != nil {
		return syncrun.Report{}, err
	}
	if watch != nil {
		watch(run)
	}
	outcome, err := (&pass{p: p, c: run.Connection, run: run, client: client}).read(runCtx)
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
	var outcome syncrun.Outcome
	client, err := p.client(runCtx, run.Connection)
	if err == nil {
		outcome, err = (&pass{p: p, c: run.Connection, run: run, client: client}).read(runCtx)
	}
	report, finishErr := run.Finish(runCtx, outcome, err)
	return report, errors.Join(err, finishErr)
}

// pass is one run's work on one connection.
type pass struct {
	p      *Pipeline
	c      connection.Connection
	run    *syncrun.Run
	client *client
	clock  stamper
	timing timing
	ties   int
	before gateways // what earlier runs were told
	modes  gateways // and this one
	tidied []string // tables that the run has tidied
	// unheld: when the run began, nothing of the connection was in quarantine.
	unheld bool
}

// read decides between everything and what changed, and begins anew when the site does.
func (s *pass) read(ctx context.Context) (syncrun.Outcome, error) {
	cursor, known, err := s.load(ctx)
	if err != nil {
		return syncrun.Outcome{}, err
	}
	for attempt := 1; ; attempt++ {
		h, err := s.handshake(ctx)
		if err != nil {
			return s.outcome(time.Time{}), err
		}
		if !known || cursor.Epoch != h.Epoch || s.c.MappingVersion < MappingVersion || s.modes.reveal(s.before) {
			if err := s.run.Become(ctx, syncrun.Full); err != nil {
				return s.outcome(h.ServerTime), err
			}
		}
		outcome, err := s.once(ctx, h, cursor)
		if !errors.Is(err, ErrResync) || attempt == maxResyncs {
			return outcome, err
		}
		s.p.Log.InfoContext(ctx, "the site begins its data anew: reading everything", "error", err)
		known, s.unheld = false, false
		if s.run.Mode == syncrun.Full { // what was reached counts from a watermark that the site does not take
			if err := s.run.StartOver(ctx); err != nil {
				return outcome, err
			}
		}
	}
}

func (s *pass) once(ctx context.Context, h Handshake, cursor position) (syncrun.Outcome, error) {
	s.client.hooked = s.run.Mode != syncrun.Full && s.run.Cause == syncrun.Knock
	if s.run.Mode == syncrun.Full {
		return s.full(ctx, h)
	}
	return s.incremental(ctx, h, cursor)
}

// load reads what earlier runs left.
func (s *pass) load(ctx context.Context) (cursor position, known bool, err error) {
	err = s.p.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) error {
		var last stamp
		if _, err := s.p.Ledger.Cursor(ctx, tx, s.c.ID, clockCursor, &last); err != nil {
			return err
		}
		s.clock.notBefore(last.At)
		var ran Description
		if _, err := s.p.Ledger.Cursor(ctx, tx, s.c.ID, siteCursor, &ran); err != nil {
			return err
		}
		s.client.runs = versions(ran) // a site that refuses the protocol does not say
		held, err := syncrun.CountQuarantine(ctx, tx, s.c.ID)
		if err != nil {
			return err
		}
		s.unheld = held == 0
		if _, err := s.p.Ledger.Cursor(ctx, tx, s.c.ID, gatewayCursor, &s.before); err != nil {
			return err
		}
		known, err = s.p.Ledger.Cursor(ctx, tx, s.c.ID, changesCursor, &cursor)
		return err
	})
	return cursor, known, err
}

func (s *pass) handshake(ctx context.Context) (h Handshake, err error) {
	s.timing.of(func() { h, err = s.client.handshake(ctx) })
	if recognise := s.p.Config.Recognise; err == nil && recognise != nil {
		err = recognise(ctx, s.c, h.SiteID, h.Site.HomeURL)
	}
	if err == nil && len(h.Warnings) > 0 {
		s.p.Log.WarnContext(ctx, "the site warns", "warnings", h.Warnings)
	}
	if err == nil {
		s.modes = s.before.told(h)
	}
	return h, err
}

// incremental reads what changed since the cursor, which moves with each answer. After a knock that is what hooks have
// seen, which is quick; what they have not seen comes with the next sync that somebody else asks for.
func (s *pass) incremental(ctx context.Context, h Handshake, cursor position) (syncrun.Outcome, error) {
	if err := s.commitSite(ctx, h, warehouse.DeriveNow, false); err != nil {
		return s.outcome(h.ServerTime), err
	}
	err := s.changes(ctx, cursor.Watermark, nil, func(ctx context.Context, tx *postgres.TenantTx, watermark string) error {
		if err := s.p.Ledger.SetCursor(ctx, tx, s.c.ID, gatewayCursor, s.modes); err != nil {
			return err
		}
		return s.p.Ledger.SetCursor(ctx, tx, s.c.ID, changesCursor, position{watermark, h.Epoch})
	})
	return s.outcome(h.ServerTime), err
}

// changes reads until the site has no more and commits answer by answer, the first of which may have been asked for
// ahead. moved writes, in the same transaction, up to where they have been read.
func (s *pass) changes(
	ctx context.Context, since string, ahead *Envelope, moved func(ctx context.Context, tx *postgres.TenantTx, watermark string) error,
) error {
	for more := true; more; {
		if ahead == nil {
			var err error
			if ahead, err = s.askChanges(ctx, since); err != nil {
				return err
			}
		}
		answer := *ahead
		ahead = nil
		d := s.collect(answer.Protocol)
		if err := d.changes(ctx, answer, s.clock.reading(answer.ServerTime)); err != nil {
			return err
		}
		s.modes = s.modes.reached(answer.ServerTime)
		work := d.work()
		work.Deriving = warehouse.DeriveNow
		work.Checkpoints = []syncrun.Checkpoint{{
			Stream: changesStream, Position: position{answer.Watermark, answer.Epoch}, Done: !answer.More, Records: len(answer.Changes) + len(answer.Deleted),
		}}
		if err := s.commit(ctx, d, work, func(ctx context.Context, tx *postgres.TenantTx) error { return moved(ctx, tx, answer.Watermark) }); err != nil {
			return err
		}
		since, more = answer.Watermark, answer.More
	}
	return nil
}

func (s *pass) askChanges(ctx context.Context, since string) (*Envelope, error) {
	var answer Envelope
	var err error
	s.timing.of(func() { answer, err = s.client.changes(ctx, since) })
	return &answer, err
}

// commit writes the work with the clock, who is known elsewhere, and what else belongs to it.
func (s *pass) commit(ctx context.Context, d *collector, work syncrun.Work, further func(context.Context, *postgres.TenantTx) error) error {
	also := work.Also
	work.Also = func(ctx context.Context, tx *postgres.TenantTx, r warehouse.Result) error {
		if err := also(ctx, tx, r); err != nil {
			return err
		}
		if s.run.Mode != syncrun.Full { // which links all in the end
			if err := s.p.Ledger.Warehouse.LinkOf(ctx, tx, append(r.Touched, r.Tellers...)); err != nil {
				return err
			}
		}
		if err := s.p.Ledger.SetCursor(ctx, tx, s.c.ID, clockCursor, stamp{s.clock.last}); err != nil {
			return err
		}
		return further(ctx, tx)
	}
	if err := s.run.Commit(ctx, work); err != nil {
		return err
	}
	s.ties += d.ties
	return nil
}

// commitSite writes what the handshake says of the site. A resumed pass has got no further by that: greeted says that it
// has been written before.
func (s *pass) commitSite(ctx context.Context, h Handshake, deriving warehouse.Deriving, greeted bool) error {
	d := s.collect(h.Protocol)
	site := siteOf(h, s.clock.reading(h.ServerTime))
	d.batch.Append(&site)
	work := d.work()
	work.Deriving = deriving
	if !greeted {
		work.Checkpoints = []syncrun.Checkpoint{{Stream: sites, Position: h.Epoch, Done: true, Records: 1}}
	}
	ran := Description{PluginVersion: h.Site.PluginVersion, MemberPressVersion: h.Site.MemberPressVersion}
	return s.commit(ctx, d, work, func(ctx context.Context, tx *postgres.TenantTx) error {
		return s.p.Ledger.SetCursor(ctx, tx, s.c.ID, siteCursor, ran)
	})
}

func (s *pass) outcome(asOf time.Time) syncrun.Outcome {
	o := syncrun.Outcome{DataAsOf: asOf, ResponseMS: s.timing.mean()}
	if s.ties > 0 {
		o.Problem = fmt.Sprintf("%d records could not be put in order; a full sync brings them.", s.ties)
	}
	return o
}

// timing is how long the site took to answer.
type timing struct {
	total time.Duration
	calls int
}

func (t *timing) of(call func()) {
	start := time.Now()
	call()
	t.total += time.Since(start)
	t.calls++
}

func (t *timing) mean() int {
	if t.calls == 0 {
		return 0
	}
	return int(t.total.Milliseconds()) / t.calls
}
