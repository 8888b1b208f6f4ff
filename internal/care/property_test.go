package care

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// TestWhateverComesPropertyTheBoundsHold plays any history against the rules without a database: permits that come
// back in time, late or never, with any outcome, at any hour.
func TestWhateverComesPropertyTheBoundsHold(t *testing.T) {
	verdicts := []Verdict{Well, Refused, Limited, Slow, Broken, Sick, Gone, Unasked}
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			PerMinute: rapid.IntRange(1, 200).Draw(t, "per minute"), Burst: rapid.IntRange(1, 10).Draw(t, "burst"),
			Threshold: rapid.IntRange(1, 6).Draw(t, "threshold"),
		}.complete()
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		s, at := source{PageSize: cfg.PageStart, Breaker: Closed}, site{Site: "a.example", NextAt: time.Unix(0, 0)}
		var sent []time.Time
		var open []Permit
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Minute)).Draw(t, "later")))
			if rapid.Bool().Draw(t, "begin") {
				p := Permit{Timeout: cfg.timeout(s), PageSize: s.PageSize, Probe: s.Breaker != Closed, token: uuid.New()}
				resting := s.RetryAt != nil && s.RetryAt.After(now)
				probed := s.ProbeUntil != nil && s.ProbeUntil.After(now)
				held := at.HeldUntil != nil && at.HeldUntil.After(now)
				if cfg.admit(now, &s, &at, p) == nil {
					if resting && s.Breaker == Open || probed || held {
						t.Fatalf("admitted while it rests (%t), is probed (%t) or held (%t)", resting, probed, held)
					}
					sent, open = append(sent, now), append(open, p)
				}
			} else if len(open) > 0 {
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				p := open[i]
				open = append(open[:i], open[i+1:]...)
				if at.Holder != nil && *at.Holder == p.token {
					cfg.learn(now, &s, &at, p, Outcome{
						Verdict:    rapid.SampledFrom(verdicts).Draw(t, "verdict"),
						Took:       time.Duration(rapid.Int64Range(0, int64(p.Timeout)).Draw(t, "took")),
						RetryAfter: time.Duration(rapid.Int64Range(-1, int64(10*time.Hour)).Draw(t, "retry after")),
						Requests:   1,
					})
				}
			}
			hold(t, cfg, s, at, now, sent)
		}
	})
}

// hold fails when a bound or a CHECK of the tables is broken.
func hold(t *rapid.T, cfg Config, s source, at site, now time.Time, sent []time.Time) {
	if wait := cfg.timeout(s); wait < cfg.Floor || wait > cfg.Ceiling {
		t.Fatalf("timeout %v", wait)
	}
	if s.PageSize < cfg.PageMin || s.PageSize > cfg.PageMax {
		t.Fatalf("page %d", s.PageSize)
	}
	if (s.Breaker == Closed) != (s.OpenedAt == nil && s.RetryAt == nil) ||
		(s.Breaker == HalfOpen) != (s.ProbeToken != nil && s.ProbeUntil != nil) || (at.Holder == nil) != (at.HeldUntil == nil) {
		t.Fatalf("a CHECK is broken: %+v %+v", s, at)
	}
	if s.RetryAt != nil && s.RetryAt.Sub(now) > max(cfg.LongCooling, longQuiet) {
		t.Fatalf("it rests until %v", s.RetryAt)
	}
	for i, first := range sent {
		allowed := cfg.Burst + int(now.Sub(first)/cfg.interval())
		if n := len(sent) - i; n > allowed {
			t.Fatalf("%d requests within %v, allowed are %d", n, now.Sub(first), allowed)
		}
	}
}
