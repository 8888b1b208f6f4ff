package care

import (
	"time"

	"memberintel/internal/fault"
)

// longQuiet bounds what a site can ask for: one that names a year means "not soon".
const longQuiet = 6 * time.Hour

// grace is how much longer than its timeout a request may be under way before it is taken for lost.
const grace = 10 * time.Second

// interval is the even pace.
func (cfg Config) interval() time.Duration { return time.Minute / time.Duration(cfg.PerMinute) }

// pace refuses while the site wants quiet, is busy with another request or was asked too often.
func (cfg Config) pace(now time.Time, s site) error {
	if s.QuietUntil != nil && s.QuietUntil.After(now) {
		return refuse(fault.RateLimited, s.QuietUntil.Sub(now), "%s asked for patience; the next request waits until then.", s.Site)
	}
	if s.HeldUntil != nil && s.HeldUntil.After(now) {
		return refuse(fault.RateLimited, min(s.HeldUntil.Sub(now), cfg.interval()), "%s is busy with another request of ours.", s.Site)
	}
	// GCRA: requests may run ahead of the even pace by a burst, and no further.
	due := s.NextAt.Add(-time.Duration(cfg.Burst-1) * cfg.interval())
	if due.After(now) {
		return refuse(fault.RateLimited, due.Sub(now), "%s is asked at most %d times a minute.", s.Site, cfg.PerMinute)
	}
	return nil
}

// charge counts requests against the pace.
func (cfg Config) charge(now time.Time, s *site, requests int) {
	if s.NextAt.Before(now) {
		s.NextAt = now
	}
	s.NextAt = s.NextAt.Add(time.Duration(requests) * cfg.interval())
}

// quiet keeps the longer of two wishes.
func quiet(now time.Time, s *site, wish time.Duration) {
	until := now.Add(min(wish, longQuiet))
	if s.QuietUntil == nil || s.QuietUntil.Before(until) {
		s.QuietUntil = &until
	}
}

// refuse is a fault that tells that nothing was sent.
func refuse(kind fault.Kind, wait time.Duration, format string, args ...any) error {
	f := fault.Wrap(kind, ErrNotAsked, format, args...)
	f.RetryAfter = wait
	return f
}
