package thirdtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// Sync brings the warehouse up to the site: everything the first time, after a change of mapping and on request, else
// what changed. watch may be nil.
func (p *Pipeline) Sync(ctx context.Context, c connection.Connection, mode syncrun.Mode, watch func(*syncrun.Run)) (syncrun.Report, error) {
	if mode != syncrun.Full {
		mode = syncrun.Incremental
	}
	run, ctx, err := p.Ledger.Begin(ctx, c, mode, syncrun.BusyWait)
	if err != nil {
		return syncrun.Report{}, err
	}
	if watch != nil {
		watch(run)
	}
	return p.run(ctx, run.Connection, run)
}

// SyncQueued is Sync for a run that waits in the queue.
func (p *Pipeline) SyncQueued(ctx context.Context, c connection.Connection, ticket syncrun.Ticket) (syncrun.Report, error) {
	run, ctx, err := p.Ledger.BeginQueued(ctx, c, ticket)
	if err != nil {
		return syncrun.Report{}, err
	}
	return p.run(ctx, run.Connection, run)
}

func (p *Pipeline) run(ctx context.Context, c connection.Connection, run *syncrun.Run) (syncrun.Report, error) {
	outcome, err := (&pass{p: p, c: c, run: run}).read(ctx)
	report, finishErr := run.Finish(ctx, outcome, err)
	return report, errors.Join(err, finishErr)
}

// The cursors outlive runs: up to when changes were read, and the last observation.
const (
	changesCursor = "changes"
	clockCursor   = "clock"
)

// pass is one run's work.
type pass struct {
	p    *Pipeline
	c    connection.Connection
	run  *syncrun.Run
	ask  *client
	last time.Time // the last observation
}

// began is the checkpoint with which a full pass starts; one that goes on after a crash keeps it.
type began struct {
	Seen time.Time `json:"seen"` // what no page since has shown is gone
	AsOf time.Time `json:"as_of"`
}

const startStream = "start"

func (s *pass) read(ctx context.Context) (o syncrun.Outcome, err error) {
	if s.ask, err = s.p.client(ctx, s.c); err != nil {
		return o, err
	}
	var since time.Time
	err = s.p.Ledger.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) error {
		if _, err := s.p.Ledger.Cursor(ctx, tx, s.c.ID, clockCursor, &s.last); err != nil {
			return err
		}
		_, err := s.p.Ledger.Cursor(ctx, tx, s.c.ID, changesCursor, &since)
		return err
	})
	if err != nil {
		return o, err
	}
	if since.IsZero() || s.c.MappingVersion < MappingVersion {
		if err := s.run.Become(ctx, syncrun.Full); err != nil {
			return o, err
		}
	}
	full := s.run.Mode == syncrun.Full
	if full {
		since = time.Time{}
	}
	saved, err := s.run.Checkpoints(ctx)
	if err != nil {
		return o, err
	}
	start, err := s.start(ctx, saved)
	if err != nil {
		return o, err
	}
	o.DataAsOf = start.AsOf
	for _, k := range kinds() {
		if err := s.kind(ctx, k, since, saved, full); err != nil {
			return o, err
		}
	}
	if full {
		if err := s.sweep(ctx, start); err != nil {
			return o, err
		}
		o.MappingVersion = MappingVersion
	}
	return o, s.conclude(ctx, start, full)
}

// start looks at the source's clock before anything is read. Of a full pass it is kept.
func (s *pass) start(ctx context.Context, saved []syncrun.Saved) (b began, err error) {
	for _, k := range saved {
		if k.Stream == startStream {
			if err := json.Unmarshal(k.Position, &b); err != nil {
				return b, fmt.Errorf("thirdtest: checkpoint: %w", err)
			}
			return b, nil
		}
	}
	first, err := s.ask.page(ctx, kinds()[0].name, 0, time.Time{})
	if err != nil {
		return b, err
	}
	b = began{Seen: s.stamp(first.Now).From, AsOf: first.Now}
	return b, s.run.Commit(ctx, syncrun.Work{Checkpoints: []syncrun.Checkpoint{{Stream: startStream, Position: b}}, Also: s.keepClock})
}

// kind reads the rows of a kind page by page, from where an earlier worker was, and commits each page with its place.
func (s *pass) kind(ctx context.Context, k kind, since time.Time, saved []syncrun.Saved, full bool) error {
	var after int64
	if i := slices.IndexFunc(saved, func(c syncrun.Saved) bool { return c.Stream == k.name }); i >= 0 {
		if saved[i].Done {
			return nil
		}
		if err := json.Unmarshal(saved[i].Position, &after); err != nil {
			return fmt.Errorf("thirdtest: checkpoint %s: %w", k.name, err)
		}
	}
	for more := true; more; {
		page, err := s.ask.page(ctx, k.name, after, since)
		if err != nil {
			return err
		}
		work := s.p.work(s.c, k, page.Rows, s.stamp(page.Now))
		if full {
			work.Deriving = warehouse.DeriveLater // at the end, for all at once
		}
		after, more = page.Next, page.Next != 0
		work.Checkpoints = []syncrun.Checkpoint{{Stream: k.name, Position: after, Done: !more, Records: len(page.Rows)}}
		release := work.Also
		work.Also = func(ctx context.Context, tx *postgres.TenantTx, r warehouse.Result) error {
			return errors.Join(release(ctx, tx, r), s.keepClock(ctx, tx, r))
		}
		if err := s.run.Commit(ctx, work); err != nil {
			return err
		}
	}
	return nil
}

// work maps rows; those that are not understood are set aside as they came.
func (p *Pipeline) work(c connection.Connection, k kind, rows []json.RawMessage, at canonical.Observation) syncrun.Work {
	batch := canonical.Batch{Source: source(c)}
	var strange []syncrun.Quarantined
	var understood []syncrun.Understood
	for _, raw := range rows {
		id, mapped, err := k.Map(raw, at)
		if err != nil {
			strange = append(strange, syncrun.Quarantined{Stream: k.name, SourceID: id, Reason: "thirdtest: " + k.name + " " + id + ": " + err.Error(), Raw: raw, APIVersion: "1", Observed: at})
			continue
		}
		batch.Append(&mapped)
		understood = append(understood, syncrun.Understood{Stream: k.name, SourceID: id, Settles: at.Until})
	}
	return syncrun.Work{Batch: &batch, Quarantined: strange, Also: func(_ context.Context, tx *postgres.TenantTx, _ warehouse.Result) error {
		if len(understood) > 0 {
			syncrun.ReleaseQuarantine(tx, c.ID, understood, func(int, []syncrun.Understood) {})
		}
		return nil
	}}
}

// stamp makes the observation of an answer. One worker at a time reads, one page after the other, so that each is later
// than the one before, whatever the source's clock does.
func (s *pass) stamp(now time.Time) canonical.Observation {
	at := now.UTC().Truncate(time.Second)
	if earliest := s.last.Add(2 * canonical.Margin); !s.last.IsZero() && at.Before(earliest) {
		at = earliest
	}
	s.last = at
	return canonical.Observation{From: at, Until: at, Fetched: true}
}

func (s *pass) keepClock(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) error {
	return s.p.Ledger.SetCursor(ctx, tx, s.c.ID, clockCursor, s.last)
}

const sweepBatch = 500

// sweep buries what the warehouse holds alive and no page of the pass has shown. What is in quarantine was shown, and not
// understood.
func (s *pass) sweep(ctx context.Context, start began) error {
	for _, k := range kinds() {
		at := s.stamp(start.AsOf)
		for after := ""; ; {
			var ids []string
			var held map[string]bool
			err := s.p.Ledger.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) (err error) {
				if held, err = s.p.quarantined(ctx, tx, k.name); err != nil {
					return err
				}
				ids, err = s.p.Ledger.Warehouse.Unseen(ctx, tx, source(s.c), k.table, k.variant, start.Seen, after, sweepBatch)
				return err
			})
			if err != nil {
				return err
			}
			if len(ids) == 0 {
				break
			}
			after = ids[len(ids)-1]
			batch := canonical.Batch{Source: source(s.c)}
			for _, id := range ids {
				if !held[id] {
					k.bury(&batch, canonical.Head{SourceID: id, Observed: at, Deleted: canonical.DeletedBySweep})
				}
			}
			if err := s.run.Commit(ctx, syncrun.Work{Batch: &batch, Deriving: warehouse.DeriveLater, Also: s.keepClock}); err != nil {
				return err
			}
		}
	}
	return nil
}

// bury adds a tombstone.
func (k kind) bury(b *canonical.Batch, head canonical.Head) {
	switch k.table {
	case "plans":
		b.Plans = append(b.Plans, canonical.Plan{Head: head, Level: k.variant})
	case "members":
		b.Members = append(b.Members, canonical.Member{Head: head})
	case "subscriptions":
		b.Subscriptions = append(b.Subscriptions, canonical.Subscription{Head: head})
	case "transactions":
		b.Transactions = append(b.Transactions, canonical.Transaction{Head: head, Kind: k.variant})
	}
}

// overlap is how far behind the last start changes are read again: a row may be stamped before it is committed.
const overlap = 5 * time.Minute

// conclude brings up to date what follows from all records, links the members, and moves the cursor.
func (s *pass) conclude(ctx context.Context, start began, full bool) error {
	return s.run.Commit(ctx, syncrun.Work{Also: func(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) error {
		if full {
			if err := s.p.Ledger.Warehouse.DeriveAll(ctx, tx, source(s.c)); err != nil {
				return err
			}
		}
		if err := s.p.Ledger.Warehouse.Link(ctx, tx); err != nil {
			return err
		}
		return s.p.Ledger.SetCursor(ctx, tx, s.c.ID, changesCursor, start.AsOf.Add(-overlap))
	}})
}
