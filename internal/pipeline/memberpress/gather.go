package memberpress

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"memberintel/internal/canonical"
	"memberintel/internal/syncrun"
)

// Bounds on what waits between reading and writing, in bytes of JSON: rows differ too much in size to be counted.
const (
	// maxLoad is what one commit takes at most, unless a single page is larger.
	maxLoad = 4 << 20
	// maxGathered is what is read and not yet committed. The reader stops there, so the page that it is at comes on top.
	maxGathered = 10 << 20
)

// gathered is a page that was read, with the place behind it.
type gathered struct {
	entity   string
	protocol int
	rows     []json.RawMessage
	bytes    int
	at       canonical.Observation
	place    reached
	done     bool
	clock    time.Time // the last reading that was stamped
}

// gathering holds the pages that were read until they are committed, in their order: so a checkpoint never runs ahead
// of its rows. A writer takes as many at once as have come together, so that the site need not wait for the database
// while there is room.
type gathering struct {
	mu      sync.Mutex
	changed *sync.Cond
	waiting []gathered
	bytes   int  // of what waits and of what is being committed
	ended   bool // nothing more comes
	read    bool // that was all
	closed  bool // nothing more is wanted
}

func newGathering() *gathering {
	g := &gathering{}
	g.changed = sync.NewCond(&g.mu)
	return g
}

// room waits until another page may be read. It is false when none is wanted any more.
func (g *gathering) room() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.closed && g.bytes >= maxGathered {
		g.changed.Wait()
	}
	return !g.closed
}

func (g *gathering) put(p gathered) {
	for _, row := range p.rows {
		p.bytes += len(row)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.waiting = append(g.waiting, p)
	g.bytes += p.bytes
	g.changed.Broadcast()
}

// take waits for pages and takes those of one entity that may go into one commit. It is false at the end.
func (g *gathering) take() ([]gathered, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.closed && !g.ended && len(g.waiting) == 0 {
		g.changed.Wait()
	}
	if g.closed || len(g.waiting) == 0 {
		return nil, false
	}
	n, bytes := 1, g.waiting[0].bytes
	for n < len(g.waiting) && g.waiting[n].entity == g.waiting[0].entity && bytes+g.waiting[n].bytes <= maxLoad {
		bytes += g.waiting[n].bytes
		n++
	}
	load := g.waiting[:n:n]
	g.waiting = g.waiting[n:]
	return load, true
}

// written makes room after a commit.
func (g *gathering) written(load []gathered) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range load {
		g.bytes -= load[i].bytes
		load[i].rows = nil
	}
	g.changed.Broadcast()
}

// end lets what was read be written, and then the writer finish. whole tells it whether that is all that there is.
func (g *gathering) end(whole bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended, g.read = true, whole
	g.changed.Broadcast()
}

func (g *gathering) whole() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.read
}

// abandon lets everybody go at once.
func (g *gathering) abandon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.changed.Broadcast()
}

// load is pages of one entity, mapped for one commit.
type load struct {
	pages []gathered
	d     *collector
	point syncrun.Checkpoint
}

// mapLoads maps what has gathered, one load ahead of the writer.
func (s *pass) mapLoads(ctx context.Context, g *gathering, ready chan<- load) error {
	defer close(ready)
	for {
		pages, ok := g.take()
		if !ok {
			return ctx.Err()
		}
		l := load{pages: pages, d: s.collect(pages[0].protocol)}
		l.d.unheld = s.unheld
		for _, p := range pages {
			l.d.protocol = p.protocol
			for _, row := range p.rows {
				l.d.row(p.entity, row, p.at)
			}
			l.point = syncrun.Checkpoint{Stream: p.entity, Position: p.place, Done: p.done, Records: l.point.Records + len(p.rows)}
		}
		select {
		case ready <- l:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
