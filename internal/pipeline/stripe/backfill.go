package stripe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/tidwall/gjson"
	"golang.org/x/sync/errgroup"

	"memberintel/internal/fault"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// span is a part of a stream: the objects of one listing that were created in [From, To), newest first.
type span struct {
	stream Stream
	part   int

	Variant string `json:"variant,omitempty"`
	From    int64  `json:"from,omitempty"`  // unix seconds; 0 is the beginning
	To      int64  `json:"to"`              // exclusive
	After   string `json:"after,omitempty"` // the last object read, "" at the start
	Whole   bool   `json:"whole,omitempty"` // not to be split: the source ignores the bounds
	Start   int64  `json:"start,omitempty"` // To at first, for the estimate
	Read    int64  `json:"read,omitempty"`  // objects so far
}

// remaining estimates the objects that are left, as if they lay as densely as those that were read.
func (part span) remaining(created int64) int64 {
	from := max(part.From, oldest)
	covered := part.Start - created
	if covered <= 0 || created <= from {
		return 0
	}
	return part.Read * (created - from) / covered
}

// oldest is when Stripe opened; splitting earlier than that only costs requests.
const oldest = 1293840000 // 2011-01-01

// backfill reads every stream up to the moment the pass began, in spans side by side: where a worker is
// idle, a span that has more pages is halved. It returns the streams that were read whole.
func (s *pass) backfill(ctx context.Context, began time.Time) (complete map[string]bool, err error) {
	q, err := s.queue(ctx, began)
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	stop := context.AfterFunc(ctx, q.close)
	defer stop()
	for range s.p.Config.InFlight {
		group.Go(func() error {
			for {
				part, ok := q.take()
				if !ok {
					return ctx.Err()
				}
				if err := s.readSpan(ctx, q, part); err != nil {
					return err
				}
				q.done()
			}
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	slices.Sort(s.missed)
	s.missed = slices.Compact(s.missed)
	return q.complete(), nil
}

// readSpan reads one span to its end, a page and a commit at a time. Where the object that a page was to follow
// is gone, the span is read again from its beginning, a few times at most.
func (s *pass) readSpan(ctx context.Context, q *spanQueue, part span) error {
	for restarts := 0; ; {
		page, err := s.client.List(ctx, part.stream.Path, part.query())
		switch {
		case fault.Is(err, fault.NotPermitted):
			q.refuse(part.stream)
			s.p.Log.WarnContext(ctx, "a list may not be read", "stream", part.stream.Name, "error", err)
			return nil // without a checkpoint: a resumed run asks again
		case fault.Is(err, fault.BadCursor):
			if restarts++; restarts > maxRestarts {
				return losesItsPlace(err, part.stream.Path)
			}
			part.After = ""
			continue
		case err != nil:
			return err
		}
		work, err := s.readPage(ctx, part.stream, page)
		if err != nil {
			return err
		}
		work.Deriving = warehouse.DeriveLater
		split := part.advance(page, q)
		s.run.Expect(q.estimate(part, page))
		work.Checkpoints = []syncrun.Checkpoint{part.checkpoint(!page.HasMore, len(page.Objects))}
		if split != nil {
			work.Checkpoints = append(work.Checkpoints, split.checkpoint(false, 0))
		}
		if err := s.run.Commit(ctx, work); err != nil {
			return err
		}
		if split != nil {
			q.add(*split)
		}
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

// readPage maps a page's objects; those whose nested list was cut off are completed first.
func (s *pass) readPage(ctx context.Context, stream Stream, page Page) (syncrun.Work, error) {
	d := s.p.collect(s.c)
	d.passing = true
	for _, raw := range page.Objects {
		o := Object{Raw: raw, Observed: page.Observed, APIVersion: page.APIVersion}
		o, err := s.client.Whole(ctx, stream, o)
		if fault.Is(err, fault.NotPermitted) || fault.Is(err, fault.NotFound) {
			o, err = Object{Raw: raw, Observed: page.Observed, APIVersion: page.APIVersion}, nil
		}
		if err != nil {
			return syncrun.Work{}, err
		}
		d.fetched(stream, o)
	}
	return d.work(), nil
}

func (part span) query() url.Values {
	q := url.Values{"limit": {"100"}, "created[lt]": {strconv.FormatInt(part.To, 10)}}
	for _, v := range part.stream.Variants {
		if v.Name == part.Variant {
			for k, values := range v.Query {
				q[k] = values
			}
		}
	}
	if part.From > 0 {
		q.Set("created[gte]", strconv.FormatInt(part.From, 10))
	}
	if part.After != "" {
		q.Set("starting_after", part.After)
	}
	return q
}

// advance moves the span behind the page and, where a worker is idle and enough is left, gives the older
// half away. The part number of the half is the queue's.
func (part *span) advance(page Page, q *spanQueue) *span {
	if len(page.Objects) == 0 {
		return nil
	}
	part.Read += int64(len(page.Objects))
	last := page.Objects[len(page.Objects)-1]
	part.After = gjson.GetBytes(last, "id").String()
	created := gjson.GetBytes(last, "created").Int()
	if created < part.From || gjson.GetBytes(page.Objects[0], "created").Int() >= part.To {
		part.Whole = true
	}
	from := max(part.From, oldest)
	if !page.HasMore || part.Whole || created-from < 2 || !q.idle() {
		return nil
	}
	middle := from + (created-from)/2
	half := *part
	half.To, half.After, half.part = middle, "", q.nextPart(part.stream.Name)
	half.Start, half.Read = middle, 0
	part.From = middle
	return &half
}

func (part span) checkpoint(done bool, records int) syncrun.Checkpoint {
	return syncrun.Checkpoint{Stream: part.stream.Name, Part: part.part, Position: part, Done: done, Records: records}
}

// queue lists the spans to read: those that a dead worker left, else one for each listing.
func (s *pass) queue(ctx context.Context, began time.Time) (*spanQueue, error) {
	saved, err := s.run.Checkpoints(ctx)
	if err != nil {
		return nil, err
	}
	q := &spanQueue{parts: map[string]int{}, refused: map[string]bool{}, left: map[spanKey]int64{}, workers: s.p.Config.InFlight, pass: s}
	q.changed = sync.NewCond(&q.mu)
	begun := map[string]bool{} // listings of which a checkpoint tells
	for _, k := range saved {
		stream, ok := StreamNamed(k.Stream)
		if !ok || k.Stream == eventsStream {
			continue
		}
		q.read += k.Records
		q.parts[k.Stream] = max(q.parts[k.Stream], k.Part+1)
		part := span{stream: stream.at(s.p.Config.APIVersion), part: k.Part}
		if err := json.Unmarshal(k.Position, &part); err != nil {
			return nil, fmt.Errorf("stripe: checkpoint of %s: %w", k.Stream, err)
		}
		begun[k.Stream+" "+part.Variant] = true
		if !k.Done {
			q.waiting = append(q.waiting, part)
		}
	}
	to := began.Unix()
	if !s.mayReadEvents() {
		to += 86400 // nothing else tells of what is made meanwhile
	}
	for _, stream := range Streams() {
		for _, v := range stream.Variants {
			if begun[stream.Name+" "+v.Name] {
				continue
			}
			q.waiting = append(q.waiting, span{
				stream: stream.at(s.p.Config.APIVersion), part: q.nextPart(stream.Name), Variant: v.Name, To: to, Start: to,
			})
		}
	}
	return q, nil
}

// spanQueue hands spans to workers. It ends when nothing waits and nobody works.
type spanQueue struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting []span
	busy    int
	workers int
	closed  bool
	parts   map[string]int
	refused map[string]bool
	left    map[spanKey]int64 // estimated objects of the spans under way
	read    int64
	pass    *pass
}

type spanKey struct {
	stream string
	part   int
}

// estimate returns how many records the pass will have processed in all, as far as can be told.
func (q *spanQueue) estimate(part span, page Page) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.read += int64(len(page.Objects))
	k := spanKey{part.stream.Name, part.part}
	delete(q.left, k)
	if page.HasMore && len(page.Objects) > 0 {
		q.left[k] = part.remaining(gjson.GetBytes(page.Objects[len(page.Objects)-1], "created").Int())
	}
	all := q.read
	for _, n := range q.left {
		all += n
	}
	return all
}

func (q *spanQueue) take() (span, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && q.busy > 0 && !q.closed {
		q.changed.Wait()
	}
	if len(q.waiting) == 0 || q.closed {
		return span{}, false
	}
	part := q.waiting[0]
	q.waiting = q.waiting[1:]
	q.busy++
	return part, true
}

func (q *spanQueue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy--
	q.changed.Broadcast()
}

func (q *spanQueue) add(part span) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, part)
	q.changed.Signal()
}

func (q *spanQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// idle reports whether a worker has nothing to do.
func (q *spanQueue) idle() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.busy+len(q.waiting) < q.workers
}

func (q *spanQueue) nextPart(stream string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := q.parts[stream]
	q.parts[stream] = n + 1
	return n
}

func (q *spanQueue) refuse(stream Stream) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused[stream.Name] = true
	q.pass.missed = append(q.pass.missed, stream.lack())
}

func (q *spanQueue) complete() map[string]bool {
	whole := map[string]bool{}
	for _, stream := range Streams() {
		whole[stream.Name] = !q.refused[stream.Name]
	}
	return whole
}
