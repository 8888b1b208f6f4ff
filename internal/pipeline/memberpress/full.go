package memberpress

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// The checkpoints of a full pass beside those of the entities.
const (
	startStream   = "start"
	changesStream = "changes"
)

// start is where a full pass began. A resumed one keeps it, as long as epoch and mapping are the same, and unless a gateway
// has turned out to be live whose rows it has read as tests.
type start struct {
	Watermark string    `json:"watermark"` // from which changes count
	Epoch     string    `json:"epoch"`
	Mapping   int       `json:"mapping"`
	Began     time.Time `json:"began"` // what no reading since has shown is gone
	AsOf      time.Time `json:"as_of"`
	Gateways  gateways  `json:"gateways"` // as they were known then: what was read since was marked by that
}

// maxPass is how long ago a pass may have begun for it to be resumed.
const maxPass = 7 * 24 * time.Hour

// full reads everything: the watermark is taken before the first page, so that what changes meanwhile is told by the
// changes since, and what neither shows is gone.
func (s *pass) full(ctx context.Context, h Handshake) (syncrun.Outcome, error) {
	began, saved, err := s.begin(ctx, h)
	if err != nil {
		return s.outcome(h.ServerTime), err
	}
	if err := s.commitSite(ctx, h, warehouse.DeriveLater, savedFor(saved, sites).Done); err != nil {
		return s.outcome(began.AsOf), err
	}
	end, err := reachedBy(began, saved)
	if err != nil {
		return s.outcome(began.AsOf), err
	}
	ahead, err := s.pages(ctx, h, saved, end)
	if err != nil {
		return s.outcome(began.AsOf), err
	}
	if end, err = s.catchUp(ctx, end, ahead); err != nil {
		return s.outcome(began.AsOf), err
	}
	blind, err := s.sweep(ctx, h, began.Began)
	if err != nil {
		return s.outcome(began.AsOf), err
	}
	if err := s.conclude(ctx, end); err != nil {
		return s.outcome(began.AsOf), err
	}
	outcome := s.outcome(began.AsOf)
	outcome.MappingVersion = MappingVersion
	if len(blind) > 0 {
		outcome.Problem, outcome.ProblemKind = blindness(blind), fault.Schema
	}
	return outcome, nil
}

// begin takes the place from which changes count, once for a pass, and returns what a resumed one has reached.
func (s *pass) begin(ctx context.Context, h Handshake) (start, []syncrun.Saved, error) {
	saved, err := s.run.Checkpoints(ctx)
	if err != nil {
		return start{}, nil, err
	}
	for _, k := range saved {
		if k.Stream != startStream {
			continue
		}
		var was start
		if err := json.Unmarshal(k.Position, &was); err != nil {
			return start{}, nil, fmt.Errorf("memberpress: checkpoint: %w", err)
		}
		if s.before == nil { // no pass has come to its end yet, and this one knows what the site told when it began
			s.before = was.Gateways
			s.modes = s.before.told(h)
		}
		if was.Epoch == h.Epoch && was.Mapping == MappingVersion && h.ServerTime.Sub(was.AsOf) < maxPass && !s.modes.reveal(was.Gateways) {
			s.clock.notBefore(was.Began)
			return was, saved, nil
		}
	}
	if len(saved) > 0 {
		if err := s.run.StartOver(ctx); err != nil {
			return start{}, nil, err
		}
	}
	began := start{h.Watermark, h.Epoch, MappingVersion, s.clock.reading(h.ServerTime).From, h.ServerTime, s.modes}
	return began, nil, s.run.Commit(ctx, syncrun.Work{
		Checkpoints: []syncrun.Checkpoint{{Stream: startStream, Position: began}},
		Also: func(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) error {
			return s.p.Ledger.SetCursor(ctx, tx, s.c.ID, clockCursor, stamp{s.clock.last})
		},
	})
}

// reachedBy is up to where the changes since the pass began have been read: a resumed one may have begun with them.
func reachedBy(began start, saved []syncrun.Saved) (end position, err error) {
	end = position{began.Watermark, began.Epoch}
	if was := savedFor(saved, changesStream); len(was.Position) > 0 {
		if err := json.Unmarshal(was.Position, &end); err != nil {
			return end, fmt.Errorf("memberpress: checkpoint: %w", err)
		}
	}
	return end, nil
}

// catchUp takes in what changed since the pass began. By then what follows from the pages is brought up to date, so
// what follows from a change is with the change.
func (s *pass) catchUp(ctx context.Context, end position, ahead *Envelope) (position, error) {
	err := s.changes(ctx, end.Watermark, ahead, func(_ context.Context, _ *postgres.TenantTx, watermark string) error {
		end.Watermark = watermark
		return nil
	})
	return end, err
}

// conclude moves the cursor. What is known of the gateways goes with it: until then nobody has read all rows by that.
func (s *pass) conclude(ctx context.Context, end position) error {
	return s.run.Commit(ctx, syncrun.Work{Also: func(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) error {
		if err := s.p.Ledger.Warehouse.Link(ctx, tx); err != nil {
			return err
		}
		if err := s.p.Ledger.SetCursor(ctx, tx, s.c.ID, gatewayCursor, s.modes); err != nil {
			return err
		}
		return s.p.Ledger.SetCursor(ctx, tx, s.c.ID, changesCursor, end)
	}})
}

// sweepBatch is how many rows one Commit buries.
const sweepBatch = 500

// sweep buries what the warehouse holds alive and neither page nor change has shown since the pass began, nor a look-up
// after it. What is in quarantine was shown, and not understood. Entities of which a row was shown without its id are left out and returned.
func (s *pass) sweep(ctx context.Context, h Handshake, began time.Time) (blind []string, err error) {
	spared, err := s.quarantined(ctx)
	if err != nil {
		return nil, err
	}
	todo, _ := s.todo(h)
	for _, entity := range todo {
		if spared.nameless(entity, began) > 0 {
			blind = append(blind, entity)
			continue
		}
		stream, _ := streamOf(entity)
		for _, variant := range stream.variants {
			if err := s.sweepTable(ctx, stream, variant, began, spared); err != nil {
				return nil, err
			}
		}
		d := s.p.collect(s.c, Protocol)
		if d.understood = spared.outdated(entity, began); len(d.understood) > 0 {
			if err := s.commit(ctx, d, d.work(), func(context.Context, *postgres.TenantTx) error { return nil }); err != nil {
				return nil, err
			}
		}
	}
	return blind, nil
}

func (s *pass) sweepTable(
	ctx context.Context, stream stream, variant string, began time.Time, spared aside,
) error {
	for after := ""; ; {
		var ids []string
		err := s.p.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) (err error) {
			ids, err = s.p.Ledger.Warehouse.Unseen(ctx, tx, source(s.c), stream.table, variant, began, after, sweepBatch)
			return err
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		after = ids[len(ids)-1]
		d := s.collect(Protocol)
		doubtful := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return spared.holds(stream.entity, id) })
		if err := s.confirmGone(ctx, d, stream, variant, doubtful); err != nil {
			return err
		}
		work := d.work()
		work.Deriving = warehouse.DeriveNow
		work.Checkpoints = []syncrun.Checkpoint{{Stream: "sweep", Position: map[string]string{"entity": stream.entity, "after": after}}}
		if err := s.commit(ctx, d, work, func(context.Context, *postgres.TenantTx) error { return nil }); err != nil {
			return err
		}
	}
}
