package stripe

import (
	"context"
	"sync"
	"time"
)

// atOnce is how many deliveries to one endpoint are under way together, so that their order is not kept.
const atOnce = 8

// giveUp is how long Stripe goes on trying to deliver an event.
const giveUp = 72 * time.Hour

// sender delivers in the background.
type sender struct {
	mu        sync.Mutex
	endpoints []*Endpoint
	signal    chan struct{}
	stop      context.CancelFunc
	running   sync.WaitGroup
}

func (s *sender) add(ep *Endpoint) {
	s.mu.Lock()
	s.endpoints = append(s.endpoints, ep)
	s.mu.Unlock()
	s.wake()
}

// wake lets the sender look again; it never blocks.
func (s *sender) wake() {
	s.mu.Lock()
	signal := s.signal
	s.mu.Unlock()
	if signal == nil {
		return
	}
	select {
	case signal <- struct{}{}:
	default:
	}
}

func (s *sender) start(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop != nil {
		return
	}
	ctx, s.stop = context.WithCancel(ctx)
	s.signal = make(chan struct{}, 1)
	s.running.Add(1)
	go s.run(ctx, s.signal)
}

func (s *sender) close() {
	s.mu.Lock()
	stop := s.stop
	s.stop = nil
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
	s.running.Wait()
}

// run starts what is due, then sleeps until something is new, answered or due again.
func (s *sender) run(ctx context.Context, signal <-chan struct{}) {
	defer s.running.Done()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		s.mu.Lock()
		endpoints := s.endpoints
		s.mu.Unlock()
		wait := time.Hour
		for _, ep := range endpoints {
			batch, soon := ep.take(time.Now())
			wait = min(wait, soon)
			for _, d := range batch {
				s.running.Add(1)
				go func() {
					defer s.running.Done()
					ep.attempt(ctx, d)
					s.wake()
				}()
			}
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-signal:
		case <-timer.C:
		}
	}
}

// take marks the deliveries that may start now as busy, and tells when to look again.
func (ep *Endpoint) take(now time.Time) (batch []*Delivery, soon time.Duration) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	soon = time.Hour
	for _, d := range ep.pending {
		switch {
		case ep.disabled || ep.sending >= atOnce:
			return batch, soon
		case d.busy || d.Attempts > 0 && d.next.IsZero():
		case d.next.After(now):
			soon = min(soon, d.next.Sub(now))
		default:
			d.busy = true
			ep.sending++
			batch = append(batch, d)
		}
	}
	return batch, soon
}

// attempt sends once and plans the next attempt after a failure.
func (ep *Endpoint) attempt(ctx context.Context, d *Delivery) {
	status, err := ep.send(ctx, ep.sign(d))
	if err != nil {
		status = 0 // Stripe shows a failed connection as a failed delivery and tries again, which is all there is to tell
	}
	ep.mu.Lock()
	ep.sending--
	age := ep.owner.sim.clock.Now().Unix() - d.event.created
	d.next = time.Time{}
	if status/100 != 2 && age < int64(giveUp/time.Second) {
		d.next = time.Now().Add(ep.backoff(d.Attempts + 1))
	}
	ep.mu.Unlock()
	ep.settled(d, status)
}

func (ep *Endpoint) backoff(attempts int) time.Duration {
	if ep.params.Backoff != nil {
		return ep.params.Backoff(attempts)
	}
	return min(time.Hour, time.Second<<min(attempts-1, 12))
}
