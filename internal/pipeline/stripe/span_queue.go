package stripe

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"memberintel/internal/syncrun"
)

// spanQueue hands spans to readers. It ends when nothing waits and nobody reads.
//
// Members come last: what they derive from their subscriptions and payments is then known when they are written, and
// need not be written a second time. While others are open no stream gets more readers than half the requests that
// may be under way, since Stripe limits the requests to each list; there are more readers than that for those that
// wait for their list's turn.
type spanQueue struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting []span
	open    map[string]int  // a stream's spans that wait or are read
	whole   map[string]bool // streams whose spans cannot be split
	busy    int
	readers int
	share   int // readers that one stream gets while others are open
	closed  bool
	parts   map[string]int
	refused map[string]bool
	left    map[spanKey]int64 // estimated objects of the spans under way
	read    int64
}

type spanKey struct {
	stream string
	part   int
}

func newSpanQueue(inFlight int) *spanQueue {
	q := &spanQueue{
		readers: inFlight + inFlight/2, share: max(1, inFlight/2), parts: map[string]int{}, refused: map[string]bool{}, left: map[spanKey]int64{},
		open: map[string]int{}, whole: map[string]bool{},
	}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// queue lists the spans to read: those that a dead worker left, and one for each listing that was not begun. All of
// them have a checkpoint before anything is read, so that no half can be taken for the whole.
func (s *pass) queue(ctx context.Context, began time.Time) (*spanQueue, error) {
	saved, err := s.run.Checkpoints(ctx)
	if err != nil {
		return nil, err
	}
	q := newSpanQueue(s.p.Config.InFlight)
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
			q.add([]span{part})
		}
	}
	to := began.Unix()
	if !s.mayReadEvents() {
		to += 86400 // nothing else tells of what is made meanwhile
	}
	var places []syncrun.Checkpoint
	for _, stream := range Streams() {
		for _, v := range stream.Variants {
			if begun[stream.Name+" "+v.Name] {
				continue
			}
			part := span{stream: stream.at(s.p.Config.APIVersion), part: q.nextPart(stream.Name), Variant: v.Name, To: to, Start: to}
			q.add([]span{part})
			places = append(places, part.checkpoint(false, 0))
		}
	}
	return q, s.run.Commit(ctx, syncrun.Work{Checkpoints: places})
}

// take waits for a span. It is false when there is none and none will come.
func (q *spanQueue) take() (span, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.closed || len(q.waiting) == 0 && q.busy == 0 {
			return span{}, false
		}
		at := slices.IndexFunc(q.waiting, func(part span) bool { return !comesLast(part.stream.Name) })
		if at < 0 && len(q.waiting) > 0 && q.filled() {
			at = 0
		}
		if at >= 0 {
			part := q.waiting[at]
			q.waiting = slices.Delete(q.waiting, at, at+1)
			q.busy++
			return part, true
		}
		q.changed.Wait()
	}
}

func comesLast(stream string) bool { return stream == "customers" }

// filled reports whether the streams that are open, but for what comes last, have all the readers that they may.
func (q *spanQueue) filled() bool {
	for stream, n := range q.open {
		if n > 0 && n < q.share && !q.whole[stream] && !comesLast(stream) {
			return false
		}
	}
	return true
}

// yields tells whether a stream lets others go first: members do as long as what they derive from is being read.
func (q *spanQueue) yields(stream Stream) func() bool {
	return func() bool {
		if !comesLast(stream.Name) {
			return false
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.open["subscriptions"]+q.open["charges"] > 0
	}
}

// wantsHalf reports whether a reader has nothing to do that a half of the stream's span could give it, beside
// those that were given away and not added yet.
func (q *spanQueue) wantsHalf(stream Stream, given int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	idle := q.readers - q.busy - given
	for _, part := range q.waiting {
		if !comesLast(part.stream.Name) || q.filled() {
			idle--
		}
	}
	if idle <= 0 {
		return false
	}
	return q.open[stream.Name]+given < q.share || q.filled()
}

// done takes back a span that was read to its end.
func (q *spanQueue) done(stream Stream) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy--
	q.open[stream.Name]--
	q.changed.Broadcast()
}

func (q *spanQueue) add(parts []span) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, part := range parts {
		q.waiting = append(q.waiting, part)
		q.open[part.stream.Name]++
	}
	q.changed.Broadcast()
}

func (q *spanQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

func (q *spanQueue) unsplittable(stream Stream) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.whole[stream.Name] = true
	q.changed.Broadcast()
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
}

// complete returns the streams that were not refused, and the permissions that the others lack.
func (q *spanQueue) complete() (whole map[string]bool, missed []string) {
	whole = map[string]bool{}
	for _, stream := range Streams() {
		whole[stream.Name] = !q.refused[stream.Name]
		if q.refused[stream.Name] {
			missed = append(missed, stream.lack())
		}
	}
	return whole, missed
}

// estimate returns how many records the pass will have processed in all, as far as can be told.
func (q *spanQueue) estimate(part span, page Page) int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.read += int64(len(page.Objects))
	delete(q.left, part.key())
	if page.HasMore && len(page.Objects) > 0 {
		q.left[part.key()] = part.remaining(gjson.GetBytes(page.Objects[len(page.Objects)-1], "created").Int())
	}
	all := q.read
	for _, n := range q.left {
		all += n
	}
	return all
}
