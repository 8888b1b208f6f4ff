package stripe

import (
	"cmp"
	"container/heap"
	"time"
)

// task is something that happens by itself when its second comes.
type task struct {
	at, order uint64
	run       func()
}

type dueHeap []task

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].at, h[j].at), cmp.Compare(h[i].order, h[j].order)) < 0
}
func (h dueHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *dueHeap) Push(x any)   { *h = append(*h, x.(task)) }
func (h *dueHeap) Pop() any {
	old := *h
	t := old[len(old)-1]
	*h = old[:len(old)-1]
	return t
}

// schedule lets run happen at a second, under the account's lock. A task checks for itself whether it still applies.
func (a *Account) schedule(at int64, run func()) {
	a.tasks++
	heap.Push(&a.due, task{uint64(max(0, at)), a.tasks, run})
}

// Tick does what has fallen due: renewals, retries, trial ends, expiries. Each happens at the second at which it fell due,
// or at the last second that the account has already shown or changed, whichever is later: what was answered once stays
// true, however late the tick.
func (a *Account) Tick() {
	defer a.change()()
	a.catchUp(a.sim.clock.Now().Unix())
}

func (a *Account) catchUp(to int64) {
	for len(a.due) > 0 && int64(a.due[0].at) <= to {
		t := heap.Pop(&a.due).(task)
		a.moment = max(int64(t.at), a.served.Load(), a.latest)
		t.run()
	}
	a.moment = 0
}

// nextPeriod returns the end of the period that starts at start. Months are counted from the anchor, so that one that
// began on the 31st ends on the last day of shorter months and on the 31st again after them.
func nextPeriod(start, anchor int64, interval string, count int64) int64 {
	n := int(count)
	from := time.Unix(start, 0).UTC()
	switch interval {
	case "day":
		return from.AddDate(0, 0, n).Unix()
	case "week":
		return from.AddDate(0, 0, 7*n).Unix()
	case "year":
		n *= 12
	}
	base := time.Unix(anchor, 0).UTC()
	months := (from.Year()-base.Year())*12 + int(from.Month()-base.Month()) + n
	first := time.Date(base.Year(), base.Month()+time.Month(months), 1, base.Hour(), base.Minute(), base.Second(), 0, time.UTC)
	day := min(base.Day(), first.AddDate(0, 1, -1).Day())
	return first.AddDate(0, 0, day-1).Unix()
}
