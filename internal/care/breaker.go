package care

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"memberintel/internal/fault"
)

// State is a breaker's.
type State string

// The states of a breaker.
const (
	Closed   State = "closed"    // requests pass
	Open     State = "open"      // the source is left in peace until its rest is over
	HalfOpen State = "half_open" // one request, the probe, is finding out
)

// admit grants the permit in the rows, or refuses and leaves them as they are.
func (cfg Config) admit(now time.Time, s *source, at *site, p Permit) error {
	if err := s.rests(now, at.Site); err != nil {
		return err
	}
	if err := cfg.pace(now, *at); err != nil {
		return err
	}
	lost := now.Add(p.Timeout + grace)
	at.Holder, at.HeldUntil = &p.token, &lost
	cfg.charge(now, at, 1)
	if s.Breaker != Closed {
		s.Breaker, s.ProbeToken, s.ProbeUntil = HalfOpen, &p.token, &lost
	}
	return nil
}

// rests refuses while the breaker is open or its probe under way. A probe that was lost is followed by another.
func (s source) rests(now time.Time, site string) error {
	switch {
	case s.Breaker == Open && s.RetryAt != nil && s.RetryAt.After(now):
		return refuse(fault.Unavailable, s.RetryAt.Sub(now), "%s did not work %s, so it is left in peace for a while.", site, times(s.Failures))
	case s.Breaker == HalfOpen && s.ProbeUntil != nil && s.ProbeUntil.After(now):
		return refuse(fault.Unavailable, s.ProbeUntil.Sub(now), "%s did not work %s; one request is finding out whether it works again.", site, times(s.Failures))
	}
	return nil
}

// probes reports whether the token is that of the probe.
func (s source) probes(token uuid.UUID) bool {
	return s.Breaker == HalfOpen && s.ProbeToken != nil && *s.ProbeToken == token
}

// trip opens the breaker; each time in a row the rest is twice as long.
func (cfg Config) trip(now time.Time, s *source) {
	rest := cfg.Cooling
	for range s.Openings {
		if rest >= cfg.LongCooling {
			break
		}
		rest *= 2
	}
	s.Openings++
	s.open(now, now.Add(min(rest, cfg.LongCooling)))
}

func (s *source) open(now, until time.Time) {
	if s.OpenedAt == nil {
		s.OpenedAt = &now
	}
	s.Breaker, s.RetryAt, s.ProbeToken, s.ProbeUntil = Open, &until, nil, nil
}

// close lets requests pass again.
func (s *source) close() {
	s.Breaker, s.Failures, s.Openings = Closed, 0, 0
	s.OpenedAt, s.RetryAt, s.ProbeToken, s.ProbeUntil = nil, nil, nil, nil
}

// times says how often in a row.
func times(n int) string {
	if n == 1 {
		return "the last time"
	}
	return fmt.Sprintf("%d times in a row", n)
}
