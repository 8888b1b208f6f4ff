package stripe

import (
	"slices"
	"sync"

	"memberintel/internal/syncrun"
)

// Bounds on what waits between reading and writing, in bytes of JSON: records differ too much in size to be counted.
const (
	// maxLoad is what one commit takes at most, unless a single page is larger.
	maxLoad = 4 << 20
	// maxGathered is what is read and not yet committed. Readers stop there, so the pages that they are at come on top.
	maxGathered = 12 << 20
)

// gathering holds the pages that were read until they are committed. Pages of one span are committed in their order,
// and a half not before the page with which it was split off: so a checkpoint never runs ahead of its records, and no
// part of a list can be lost between two.
type gathering struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting []gathered
	held    map[spanKey]bool // spans of which a page is being committed
	bytes   int              // of what waits and of what is being committed
	behind  bool             // readers had to wait since a writer last had nothing to do
	ended   bool             // nothing more comes
	closed  bool             // nothing more is wanted
}

// gathered is a page that was read.
type gathered struct {
	stream  Stream
	spans   []spanKey // the one that it is of, and those that were split off with it
	objects []Object
	bytes   int
	places  []syncrun.Checkpoint
}

// load is what one commit takes: pages of one stream.
type load struct {
	stream Stream
	pages  []gathered
	bytes  int
}

func newGathering() *gathering {
	g := &gathering{held: map[spanKey]bool{}}
	g.changed = sync.NewCond(&g.mu)
	return g
}

// room waits until another page may be read. Who yields waits as long as the writers are behind. It is
// false when no page is wanted any more.
func (g *gathering) room(yields func() bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.closed {
		full := g.bytes >= maxGathered
		g.behind = g.behind || full
		if !full && (!g.behind || !yields()) {
			break
		}
		g.changed.Wait()
	}
	return !g.closed
}

// put adds a page behind which the span now stands, and the halves that it gave away.
func (g *gathering) put(part span, halves []span, objects []Object, done bool) {
	a := gathered{
		stream: part.stream, objects: objects, spans: []spanKey{part.key()},
		places: []syncrun.Checkpoint{part.checkpoint(done, len(objects))},
	}
	for _, half := range halves {
		a.spans = append(a.spans, half.key())
		a.places = append(a.places, half.checkpoint(false, 0))
	}
	for _, o := range objects {
		a.bytes += len(o.Raw)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, a)
	g.bytes += a.bytes
	g.changed.Broadcast()
}

// take waits for pages and takes what may go into one commit. It is false at the end.
func (g *gathering) take() (load, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		if g.closed || g.ended && len(g.waiting) == 0 {
			return load{}, false
		}
		if l := g.pick(); len(l.pages) > 0 {
			return l, true
		}
		if g.behind && len(g.waiting) == 0 {
			g.behind = false
			g.changed.Broadcast()
		}
		g.changed.Wait()
	}
}

// pick takes the page that has waited longest, and further ones of its stream. A page of a span that is held stays,
// and holds back those behind it.
func (g *gathering) pick() (l load) {
	var blocked []spanKey
	g.waiting = slices.DeleteFunc(g.waiting, func(a gathered) bool {
		fits := len(l.pages) == 0 || a.stream.Name == l.stream.Name && l.bytes+a.bytes <= maxLoad
		if !fits || slices.ContainsFunc(a.spans, func(k spanKey) bool { return g.held[k] || slices.Contains(blocked, k) }) {
			blocked = append(blocked, a.spans...)
			return false
		}
		l.stream, l.pages, l.bytes = a.stream, append(l.pages, a), l.bytes+a.bytes
		return true
	})
	for _, a := range l.pages {
		for _, k := range a.spans {
			g.held[k] = true
		}
	}
	return l
}

// written makes room after a commit.
func (g *gathering) written(l load) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bytes -= l.bytes
	for _, a := range l.pages {
		for _, k := range a.spans {
			delete(g.held, k)
		}
	}
	g.changed.Broadcast()
}

// end lets the writers finish.
func (g *gathering) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	g.changed.Broadcast()
}

// abandon lets everybody go at once.
func (g *gathering) abandon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.changed.Broadcast()
}

func (l load) objects() (all []Object) {
	for _, p := range l.pages {
		all = append(all, p.objects...)
	}
	return all
}

// checkpoints are the places that the spans have reached with the load, one a span.
func (l load) checkpoints() (places []syncrun.Checkpoint) {
	for _, a := range l.pages {
		for _, c := range a.places {
			at := slices.IndexFunc(places, func(p syncrun.Checkpoint) bool { return p.Part == c.Part })
			if at < 0 {
				places = append(places, c)
				continue
			}
			c.Records += places[at].Records
			places[at] = c
		}
	}
	return places
}
