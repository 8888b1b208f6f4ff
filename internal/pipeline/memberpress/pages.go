package memberpress

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// reached is how far an entity has been read.
type reached struct {
	After int64 `json:"after"`
}

// pages reads every entity to its end. The site is asked one thing at a time, and the next one as soon as it has
// answered; what it told is mapped and committed behind that. What is read and not committed is bounded in bytes, so
// that memory does not grow with the site. After the last page the site is asked for the changes, which takes it a
// while, since it compares all its rows: meanwhile the rest is written, and what follows from all of it.
func (s *pass) pages(ctx context.Context, h Handshake, saved []syncrun.Saved, end position) (ahead *Envelope, err error) {
	todo, expected := s.todo(h)
	s.run.Expect(expected)
	g, ready := newGathering(), make(chan load)
	writing, writeCtx := errgroup.WithContext(ctx)
	defer context.AfterFunc(writeCtx, g.abandon)()
	writing.Go(func() error { return s.mapLoads(writeCtx, g, ready) })
	writing.Go(func() error {
		if err := s.write(writeCtx, g, ready); err != nil || !g.whole() {
			return err
		}
		return s.settle(writeCtx)
	})
	readErr := s.readEntities(writeCtx, todo, saved, g)
	g.end(readErr == nil) // what was read until then is kept, also when the reading failed
	if readErr == nil {
		ahead, readErr = s.askChanges(writeCtx, end.Watermark)
	}
	if err := writing.Wait(); err != nil {
		return nil, err
	}
	return ahead, readErr
}

// todo are the mirrored entities that the site has, and how many rows they hold.
func (s *pass) todo(h Handshake) (entities []string, rows int64) {
	for _, stream := range streams() {
		for _, e := range h.Site.Entities {
			if e.Name == stream.entity {
				entities = append(entities, e.Name)
				rows += e.Count
			}
		}
	}
	return entities, rows
}

func (s *pass) readEntities(ctx context.Context, todo []string, saved []syncrun.Saved, g *gathering) error {
	for _, entity := range todo {
		if err := s.readEntity(ctx, entity, savedFor(saved, entity), g); err != nil {
			return err
		}
	}
	return nil
}

// readEntity reads one entity from where it was left.
func (s *pass) readEntity(ctx context.Context, entity string, was syncrun.Saved, g *gathering) error {
	var place reached
	if len(was.Position) > 0 {
		if err := json.Unmarshal(was.Position, &place); err != nil {
			return fmt.Errorf("memberpress: checkpoint %s: %w", entity, err)
		}
	}
	for more := !was.Done; more; {
		if !g.room() {
			return errors.Join(ctx.Err(), context.Cause(ctx))
		}
		var answer Envelope
		var err error
		s.timing.of(func() { answer, err = s.client.page(ctx, entity, place.After) })
		if err != nil {
			return err
		}
		if answer.More && answer.Next <= place.After {
			return fmt.Errorf("memberpress: %s: the page after %d leads nowhere", entity, place.After)
		}
		at := s.clock.page(answer.ServerTime)
		place.After, more = answer.Next, answer.More
		g.put(gathered{entity: entity, protocol: answer.Protocol, rows: answer.Rows, at: at, place: place, done: !more, clock: s.clock.last})
	}
	return nil
}

// write commits loads in their order, each with the place behind it. The tables of an entity that was read to its end
// are tidied while the next one is read.
func (s *pass) write(ctx context.Context, g *gathering, ready <-chan load) error {
	var tidying sync.WaitGroup
	defer tidying.Wait()
	written := map[string]int64{}
	for l := range ready {
		work := l.d.work()
		work.Deriving, work.Checkpoints = warehouse.DeriveLater, []syncrun.Checkpoint{l.point}
		also, read := work.Also, l.pages[len(l.pages)-1].clock
		work.Also = func(ctx context.Context, tx *postgres.TenantTx, result warehouse.Result) error {
			if err := also(ctx, tx, result); err != nil {
				return err
			}
			return s.p.Ledger.SetCursor(ctx, tx, s.c.ID, clockCursor, stamp{read})
		}
		if err := s.run.Commit(ctx, work); err != nil {
			return err
		}
		s.ties += l.d.ties
		g.written(l.pages)
		written[l.point.Stream] += int64(l.point.Records)
		if n := written[l.point.Stream]; l.point.Done && n >= tidyFrom {
			tables := tablesOf(l.point.Stream)
			s.tidied = append(s.tidied, tables...)
			tidying.Go(func() { s.tidy(ctx, n, tables) })
		}
	}
	return ctx.Err()
}

// tidyFrom is how many records make it worth while to tidy the tables.
const tidyFrom = 1000

// settle brings up to date what follows from all that was read. Tables that were not tidied are, before that: they may
// have been empty when the pass began.
func (s *pass) settle(ctx context.Context) error {
	if records, _ := s.run.Progress(); records >= tidyFrom {
		s.tidy(ctx, records, slices.DeleteFunc(warehouse.Tables(), func(table string) bool { return slices.Contains(s.tidied, table) }))
	}
	return s.run.Commit(ctx, syncrun.Work{Also: func(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) error {
		return s.p.Ledger.Warehouse.DeriveAll(ctx, tx, source(s.c))
	}})
}

func (s *pass) tidy(ctx context.Context, records int64, tables []string) {
	if err := s.p.DB.Tidy(ctx, records, tables); err != nil {
		s.p.Log.WarnContext(ctx, "the tables were not tidied; searches may be slow until autovacuum has been there", "error", err)
	}
}

func savedFor(saved []syncrun.Saved, name string) syncrun.Saved {
	i := slices.IndexFunc(saved, func(k syncrun.Saved) bool { return k.Stream == name })
	if i < 0 {
		return syncrun.Saved{}
	}
	return saved[i]
}
