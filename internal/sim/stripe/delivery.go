package stripe

import (
	"context"
	"fmt"
	"slices"
)

// Pending returns the deliveries that wait, in the order in which a manual endpoint would send them. Their places are the
// numbers that the methods below take.
func (ep *Endpoint) Pending() []Delivery {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	out := make([]Delivery, len(ep.pending))
	for i, d := range ep.pending {
		out[i] = *d
	}
	return out
}

// Deliver sends the i-th pending delivery. A 2xx answer takes it off the list; after any other it stays in its place, as
// Stripe would try again.
func (ep *Endpoint) Deliver(ctx context.Context, i int) (status int, err error) {
	d, err := ep.at(i)
	if err != nil {
		return 0, err
	}
	status, err = ep.send(ctx, ep.sign(d))
	ep.settled(d, status)
	return status, err
}

// Duplicate sends the i-th pending delivery and leaves it pending, whatever the answer, as when the answer was lost.
func (ep *Endpoint) Duplicate(ctx context.Context, i int) (status int, err error) {
	d, err := ep.at(i)
	if err != nil {
		return 0, err
	}
	return ep.send(ctx, ep.sign(d))
}

// Signed renders and signs the i-th pending delivery without sending it.
func (ep *Endpoint) Signed(i int) (Signed, error) {
	d, err := ep.at(i)
	if err != nil {
		return Signed{}, err
	}
	return ep.sign(d), nil
}

// DeliverAll sends what is pending once, in order, and returns how many were not answered with 2xx. These stay pending.
func (ep *Endpoint) DeliverAll(ctx context.Context) (failed int, err error) {
	for range ep.Pending() {
		status, err := ep.Deliver(ctx, failed)
		if err != nil {
			return failed, err
		}
		if status/100 != 2 {
			failed++
		}
	}
	return failed, nil
}

// Drop loses the i-th pending delivery for good. The event keeps counting as undelivered.
func (ep *Endpoint) Drop(i int) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if i >= 0 && i < len(ep.pending) {
		ep.remove(i)
	}
}

// remove costs nothing for the first delivery, which is the usual one.
func (ep *Endpoint) remove(i int) {
	if i == 0 {
		ep.pending = ep.pending[1:]
		return
	}
	ep.pending = slices.Delete(ep.pending, i, i+1)
}

// Move takes a pending delivery to another place of the order.
func (ep *Endpoint) Move(from, to int) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if n := len(ep.pending); from < 0 || to < 0 || from >= n || to >= n {
		return
	}
	d := ep.pending[from]
	ep.pending = slices.Insert(slices.Delete(ep.pending, from, from+1), to, d)
}

// Shuffle puts the pending deliveries into an order that only the seed decides.
func (ep *Endpoint) Shuffle() {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.rnd.Shuffle(len(ep.pending), func(i, j int) { ep.pending[i], ep.pending[j] = ep.pending[j], ep.pending[i] })
}

// Idle waits until nothing is pending, or ctx ends.
func (ep *Endpoint) Idle(ctx context.Context) error {
	for {
		ep.mu.Lock()
		left, answered := len(ep.pending), ep.answered
		ep.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-answered:
		case <-ctx.Done():
			return fmt.Errorf("stripe sim: %d deliveries left: %w", left, ctx.Err())
		}
	}
}

func (ep *Endpoint) at(i int) (*Delivery, error) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	if i < 0 || i >= len(ep.pending) {
		return nil, fmt.Errorf("stripe sim: no pending delivery %d of %d", i, len(ep.pending))
	}
	return ep.pending[i], nil
}

// settled notes the answer to an attempt.
func (ep *Endpoint) settled(d *Delivery, status int) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	d.LastStatus, d.busy = status, false
	close(ep.answered)
	ep.answered = make(chan struct{})
	if status/100 != 2 {
		d.Attempts++
		return
	}
	for i, p := range ep.pending {
		if p == d {
			d.event.undelivered.Add(-1)
			ep.remove(i)
			return
		}
	}
}
