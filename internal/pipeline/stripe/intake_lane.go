package stripe

import (
	"context"
	"errors"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"

	"memberintel/internal/connection"
)

// lanes keep tenants whose rows somebody else holds for long, such as a pass that derives, apart from all
// others. Such a tenant's events wait in a lane of its own, which commits them one group after the other with
// the full time, so that they neither stall a committer nor overtake one another. The lane ends when it is empty.
type lanes struct {
	mu      sync.Mutex
	waiting map[connection.ID][]*arrival // what waits behind the group under way; a key for each lane
	open    *semaphore.Weighted          // transactions of lanes at a time
}

const (
	lanesAtOnce = 4          // of the pool's 16 connections
	laneLimit   = groupLimit // events that wait in a lane
)

var errCrowded = errors.New("stripe: too many events wait for this tenant's rows")

func newLanes() *lanes {
	return &lanes{waiting: map[connection.ID][]*arrival{}, open: semaphore.NewWeighted(lanesAtOnce)}
}

// divert takes out of a group the events of those who have a lane, and returns the others.
func (l *lanes) divert(group []*arrival) []*arrival {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(group, l.join)
}

// join adds an event to its connection's lane, and reports false when there is none.
func (l *lanes) join(a *arrival) bool {
	behind, found := l.waiting[a.door.c.ID]
	switch {
	case !found:
		return false
	case len(behind) >= laneLimit:
		a.done <- errCrowded
	default:
		l.waiting[a.door.c.ID] = append(behind, a)
	}
	return true
}

// next takes what waits in a lane, and ends the lane when that is nothing.
func (l *lanes) next(id connection.ID) []*arrival {
	l.mu.Lock()
	defer l.mu.Unlock()
	behind := l.waiting[id]
	if len(behind) == 0 {
		delete(l.waiting, id)
		return nil
	}
	l.waiting[id] = nil
	return behind
}

// begin is divert, and opens a lane for the connection that all of the group belongs to when there is none. In one
// hold of the lock: two committers may do it at once. What it returns is for the new lane to begin with.
func (l *lanes) begin(group []*arrival) []*arrival {
	l.mu.Lock()
	defer l.mu.Unlock()
	group = slices.DeleteFunc(group, l.join)
	if len(group) > 0 {
		l.waiting[group[0].door.c.ID] = nil
	}
	return group
}

// giveWay moves one connection's events to its lane, which it opens when there is none.
func (in *Intake) giveWay(part []*arrival) {
	id := part[0].door.c.ID
	if part = in.lanes.begin(part); len(part) == 0 {
		return
	}
	in.workers.Go(func() {
		for ; len(part) > 0; part = in.lanes.next(id) {
			select {
			case <-in.closed: // whoever waits is told by submit
				return
			default:
				in.commitApart(part)
			}
		}
	})
}

// commitApart commits a group of a lane. The wait for its turn counts towards its time.
func (in *Intake) commitApart(part []*arrival) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTime)
	defer cancel()
	err := in.lanes.open.Acquire(ctx, 1)
	if err == nil {
		defer in.lanes.open.Release(1)
		in.commit(ctx, part, 0)
		return
	}
	for _, a := range part {
		a.done <- err
	}
}
