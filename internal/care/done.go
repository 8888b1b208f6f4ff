package care

import (
	"context"
	"fmt"
	"time"

	"memberintel/internal/postgres"
)

// Verdict is what an attempt says about the site's health.
type Verdict string

// The verdicts.
const (
	Well    Verdict = "well"    // a whole answer of use
	Refused Verdict = "refused" // the site answers, and says no
	Limited Verdict = "limited" // the site asks for patience
	Slow    Verdict = "slow"    // time ran out
	Broken  Verdict = "broken"  // it broke down under the request, perhaps under its size
	Sick    Verdict = "sick"    // it could not be reached, or something else answered
	Gone    Verdict = "gone"    // there is no such site any more
	Unasked Verdict = "unasked" // nothing was sent, or we gave up for reasons of our own
)

// Outcome is how an attempt went.
type Outcome struct {
	Verdict    Verdict
	Took       time.Duration // up to the last byte; counts with Well alone
	RetryAfter time.Duration // what the site named, else 0
	Requests   int           // how many were sent, redirects included
}

// shortQuiet is for a site that asks for patience and does not say how much.
const shortQuiet = time.Minute

// Done gives the permit back and has all machines learn from the outcome. A permit that ran out is given back
// already, and its outcome is not learnt; so doing it twice is the same as once. It works with a context that
// has ended, because that is how many attempts end.
func (p Permit) Done(ctx context.Context, o Outcome) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return postgres.Retry(3, func() error {
		return p.care.db.TenantTx(ctx, p.place.Tenant, func(tx *postgres.TenantTx) error {
			now, source, site, err := p.care.open(ctx, tx, p.place)
			if err != nil {
				return fmt.Errorf("care: note the outcome: %w", err)
			}
			if site.Holder == nil || *site.Holder != p.token {
				return nil
			}
			p.care.cfg.learn(now, &source, &site, p, o)
			save(tx, source, site)
			return nil
		})
	})
}

func (cfg Config) learn(now time.Time, s *source, at *site, p Permit, o Outcome) {
	at.Holder, at.HeldUntil = nil, nil
	cfg.charge(now, at, max(o.Requests-1, 0)) // the first was counted when the permit was given
	wish := o.RetryAfter
	if o.Verdict == Limited && wish <= 0 {
		wish = shortQuiet
	}
	if wish > 0 {
		quiet(now, at, wish)
	}
	probe := s.probes(p.token)
	switch o.Verdict {
	case Well:
		s.answeredIn(o.Took)
		cfg.growPage(s)
		s.close()
	case Refused:
		s.Timeouts = 0
		s.close()
	case Limited:
		if probe {
			s.open(now, now.Add(min(wish, longQuiet)))
		}
	case Slow:
		s.Timeouts = min(s.Timeouts+1, 16) // no ceiling is 2^16 floors high
		cfg.halvePage(s)
		cfg.failed(now, s, probe, false)
	case Broken:
		cfg.halvePage(s)
		cfg.failed(now, s, probe, false)
	case Sick:
		cfg.failed(now, s, probe, false)
	case Gone:
		cfg.failed(now, s, probe, true)
	case Unasked:
		if probe {
			s.open(now, now)
		}
	}
}

// failed counts a failure, and opens the breaker when it was the probe's, after enough of them, or at once.
// While the breaker is open the probe's outcome alone counts.
func (cfg Config) failed(now time.Time, s *source, probe, atOnce bool) {
	if s.Breaker != Closed && !probe {
		return
	}
	s.Failures++
	s.GoodAnswers = 0
	if probe || atOnce || s.Failures >= cfg.Threshold {
		cfg.trip(now, s)
	}
}
