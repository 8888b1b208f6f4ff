package stripe

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"memberintel/internal/fault"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// writers is how many commits of a pass are under way at once: while one waits for the disk, another is at work.
const writers = 2

// backfill reads every stream up to the moment the pass began and returns those that were read whole. Readers fetch
// spans side by side, and where one is idle, a span that has more pages is halved. Writers commit the pages behind
// them, as many at once as have gathered, so that a request never waits for the database while there is room.
func (s *pass) backfill(ctx context.Context, began time.Time) (map[string]bool, error) {
	q, err := s.queue(ctx, began)
	if err != nil {
		return nil, err
	}
	g := newGathering()
	writing, writeCtx := errgroup.WithContext(ctx)
	reading, readCtx := errgroup.WithContext(writeCtx)
	defer context.AfterFunc(readCtx, q.close)()
	defer context.AfterFunc(writeCtx, g.abandon)()
	for range writers {
		writing.Go(func() error { return s.write(writeCtx, g) })
	}
	for range q.readers {
		reading.Go(func() error { return s.readSpans(readCtx, q, g) })
	}
	readErr := reading.Wait()
	g.end() // what was read until then is kept, also when the reading failed
	if err := writing.Wait(); err != nil {
		return nil, err
	}
	if readErr != nil {
		return nil, readErr
	}
	complete, missed := q.complete()
	s.missed = append(s.missed, missed...)
	slices.Sort(s.missed)
	return complete, nil
}

// readSpans reads spans until there are none.
func (s *pass) readSpans(ctx context.Context, q *spanQueue, g *gathering) error {
	for {
		part, ok := q.take()
		if !ok {
			return ctx.Err()
		}
		if err := s.readSpan(ctx, q, g, part); err != nil {
			return err
		}
		q.done(part.stream)
	}
}

// readSpan reads one span to its end. Its pages are committed in their order, each with the place behind it. Where
// the object that a page was to follow is gone, the span is read again from its beginning, a few times at most.
func (s *pass) readSpan(ctx context.Context, q *spanQueue, g *gathering, part span) error {
	for restarts := 0; ; {
		if !g.room(q.yields(part.stream)) {
			return errors.Join(ctx.Err(), context.Cause(ctx))
		}
		page, err := s.client.List(ctx, part.stream.Path, part.query())
		switch {
		case fault.Is(err, fault.NotPermitted):
			q.refuse(part.stream)
			s.p.Log.WarnContext(ctx, "a list may not be read", "stream", part.stream.Name, "error", err)
			return nil // its checkpoint stays where it was: a resumed run asks again
		case fault.Is(err, fault.BadCursor):
			if restarts++; restarts > maxRestarts {
				return losesItsPlace(err, part.stream.Path)
			}
			part.After = ""
			continue
		case err != nil:
			return err
		}
		objects, err := s.complete(ctx, part.stream, page)
		if err != nil {
			return err
		}
		halves := part.advance(page, q)
		s.run.Expect(q.estimate(part, page))
		g.put(part, halves, objects, !page.HasMore)
		q.add(halves)
		if !page.HasMore {
			return nil
		}
	}
}

// losesItsPlace is about a list that cannot be read to its end because of what Stripe says of its cursors.
func losesItsPlace(cause error, path string) error {
	return fault.Wrap(fault.Unavailable, cause, "Stripe's list %s lost its place %d times: each time the object after which it was to go on "+
		"was gone. What was read is kept, and the next sync goes on from there.", path, maxRestarts+1)
}

// complete returns a page's objects, those whose nested list was cut off completed.
func (s *pass) complete(ctx context.Context, stream Stream, page Page) ([]Object, error) {
	objects := make([]Object, len(page.Objects))
	for i, raw := range page.Objects {
		o := Object{Raw: raw, Observed: page.Observed, APIVersion: page.APIVersion}
		whole, err := s.client.Whole(ctx, stream, o)
		if fault.Is(err, fault.NotPermitted) || fault.Is(err, fault.NotFound) {
			whole, err = o, nil
		}
		if err != nil {
			return nil, err
		}
		objects[i] = whole
	}
	return objects, nil
}

// write maps and commits what has gathered, until nothing more comes.
func (s *pass) write(ctx context.Context, g *gathering) error {
	for {
		load, ok := g.take()
		if !ok {
			return ctx.Err()
		}
		work := s.mapped(load.stream, load.objects())
		work.Deriving, work.Checkpoints = warehouse.DeriveLater, load.checkpoints()
		if err := s.run.Commit(ctx, work); err != nil {
			return err
		}
		g.written(load)
	}
}

// mapped is what the objects come to.
func (s *pass) mapped(stream Stream, objects []Object) syncrun.Work {
	d := s.p.collect(s.c)
	d.passing = true
	for _, o := range objects {
		d.fetched(stream, o)
	}
	return d.work()
}
