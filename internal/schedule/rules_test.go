package schedule

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

const day = 24 * time.Hour

func TestCadence(t *testing.T) {
	for _, c := range []struct {
		p    connection.Pipeline
		plan tenant.Plan
		want time.Duration
	}{
		{connection.Stripe, tenant.Pro, day}, {connection.MemberPress, tenant.Pro, day}, {connection.Website, tenant.Pro, 7 * day},
		{connection.Stripe, tenant.Free, 7 * day}, {connection.MemberPress, tenant.Free, 30 * day}, {connection.Website, tenant.Free, 7 * day},
	} {
		if got := connection.Cadence(c.p, c.plan); got != c.want {
			t.Errorf("%s on %s: every %v, want %v", c.p, c.plan, got, c.want)
		}
	}
}

func TestTurnsComeOncePerPeriodProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := tenant.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "tenant"))
		pipeline := rapid.SampledFrom([]connection.Pipeline{connection.Stripe, connection.MemberPress, connection.Website}).Draw(t, "pipeline")
		period := connection.Cadence(pipeline, rapid.SampledFrom([]tenant.Plan{tenant.Free, tenant.Pro}).Draw(t, "plan"))
		now := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "now"), rapid.Int64Range(0, 999_999_999).Draw(t, "ns"))
		first, next := FirstDue(now, period, id, pipeline), NextDue(now, period, id, pipeline)
		if first.Before(now) || first.Sub(now) > period {
			t.Fatalf("the first turn is %v after now", first.Sub(now))
		}
		if gap := next.Sub(now); gap < period/2 || gap > period*3/2 {
			t.Fatalf("the next turn is %v after now", gap)
		}
		if again := NextDue(first, period, id, pipeline); again.Sub(first) != period {
			t.Fatalf("from turn to turn there are %v", again.Sub(first))
		}
	})
}

func TestTurnsAreSpreadOverThePeriod(t *testing.T) {
	const n, parts = 50_000, 30
	var count [parts]int
	for i := range n {
		slot := Slot(30*day, uuid.NewSHA1(uuid.Nil, fmt.Append(nil, i)), connection.MemberPress)
		count[int(slot/day)]++
	}
	mean := float64(n) / parts
	for i, c := range count {
		if math.Abs(float64(c)-mean) > 6*math.Sqrt(mean) {
			t.Errorf("on day %d there are %d of %d, the mean is %.0f", i, c, n, mean)
		}
	}
}

func TestTenAttemptsTakeAboutADay(t *testing.T) {
	for _, chance := range []float64{0, 0.5, 1} {
		total := time.Duration(0)
		for attempt := 1; attempt < MaxAttempts; attempt++ {
			wait := Backoff(attempt, chance)
			if wait > time.Duration(float64(6*time.Hour)*1.2) || wait < 48*time.Second {
				t.Errorf("after attempt %d: %v", attempt, wait)
			}
			total += wait
		}
		if want := 24.07 * (0.8 + 0.4*chance); math.Abs(total.Hours()-want) > 0.1 {
			t.Errorf("by chance %.1f they take %.2f h, want %.2f", chance, total.Hours(), want)
		}
	}
	if Backoff(1, 0.5) != time.Minute || Backoff(2, 0.5) != 3*time.Minute || Backoff(99, 0.5) != 6*time.Hour {
		t.Error("they do not begin with a minute and end with six hours")
	}
}

func TestWhatFollowsAFailure(t *testing.T) {
	asks := func(kind fault.Kind, after time.Duration) error {
		f := fault.New(kind, "s")
		f.RetryAfter = after
		return f
	}
	again := func(attempt int, after time.Duration) syncrun.Next {
		return syncrun.Next{Again: true, Attempt: attempt, After: after}
	}
	for name, c := range map[string]struct {
		err     error
		attempt int
		want    syncrun.Next
	}{
		"the source is away":             {asks(fault.Unavailable, 0), 1, again(2, 48*time.Second)},
		"and asks for an hour":           {asks(fault.Unavailable, time.Hour), 1, again(2, time.Hour)},
		"a bug":                          {errors.New("boom"), 3, again(4, 432*time.Second)},
		"an answer that is not known":    {asks(fault.Schema, 0), 2, again(3, 144*time.Second)},
		"the last attempt":               {asks(fault.Unavailable, 0), 10, syncrun.Next{GiveUp: true}},
		"patience":                       {asks(fault.RateLimited, 90*time.Second), 10, again(10, 90*time.Second)},
		"patience of no length":          {asks(fault.RateLimited, 0), 4, again(4, time.Minute)},
		"patience for a year":            {asks(fault.RateLimited, 365*day), 4, again(4, day)},
		"the key is refused":             {fmt.Errorf("x: %w", asks(fault.Unauthorized, 0)), 1, syncrun.Next{GiveUp: true}},
		"the key may not":                {asks(fault.NotPermitted, 0), 1, syncrun.Next{GiveUp: true}},
		"a plugin that is being updated": {asks(fault.NotFound, 0), 1, again(2, 48*time.Second)},
		"a switch":                       {asks(fault.Stopped, 0), 1, syncrun.Next{DueWithin: 5 * time.Minute}},
		"a switch for an hour":           {asks(fault.Stopped, time.Hour), 1, syncrun.Next{DueWithin: time.Hour}},
		"a site that is left in peace":   {unasked(fault.Unavailable, 10*time.Minute), 5, again(5, 10*time.Minute)},
		"and for good":                   {unasked(fault.Unavailable, time.Hour), 10, again(10, time.Hour)},
		"a site that others are asking":  {unasked(fault.RateLimited, time.Second), 3, again(3, 20*time.Second)},
		"another worker is at it":        {asks(fault.Busy, 0), 1, syncrun.Next{}},
		"this process is being stopped":  {fmt.Errorf("x: %w", context.Canceled), 7, again(7, 0)},
		"the source took too long":       {context.DeadlineExceeded, 1, again(2, 48*time.Second)},
		"the database is away meanwhile": {errors.New("conn closed"), 9, again(10, time.Duration(float64(6*time.Hour)*0.8))},
	} {
		if diff := cmp.Diff(c.want, Follow(syncrun.Ended{Attempt: c.attempt, Err: c.err}, 0)); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	if got := Follow(syncrun.Ended{Attempt: 1, Err: asks(fault.RateLimited, time.Hour)}, 1).After; got < time.Hour || got > 80*time.Minute {
		t.Errorf("patience is %v", got)
	}
}

func TestARunThatKillsItsWorkersComesToAnEnd(t *testing.T) {
	total := time.Duration(0)
	for attempt := 1; ; attempt++ {
		after, again := afterCrash(attempt, 0.5)
		if !again {
			if attempt != MaxAttempts || total < time.Hour {
				t.Errorf("it ends with attempt %d after %v", attempt, total)
			}
			return
		}
		if total += after; attempt <= 3 && after != 0 {
			t.Errorf("after crash %d it waits %v", attempt, after)
		}
	}
}

func TestThePaceKeepsItsBounds(t *testing.T) {
	for _, mean := range []float64{0.001, 1, 4.6, 8.4, 34.7, 600} {
		for _, every := range []time.Duration{time.Second, DefaultEvery, time.Minute} {
			p := Pace{Mean: mean}
			if p.Rate() < mean*1.05 {
				t.Errorf("with %.1f a minute a pile of work is never worked off: %.1f", mean, p.Rate())
			}
			if p.Burst(every) < p.Rate()*every.Minutes() {
				t.Errorf("with %.1f a minute and a tick each %v the pace is not reached", mean, every)
			}
			if mean < 4 {
				continue // a few connections may come all at once
			}
			// The fullest minute begins with all of the burst, which holds the first tick's share already.
			minute := p.Burst(every) + p.Rate()*(1-every.Minutes())
			if bound := mean + 6*math.Sqrt(mean); minute > bound {
				t.Errorf("with %.1f a minute and a tick each %v there may be %.1f in one, over %.1f", mean, every, minute, bound)
			}
			if quarter := p.Burst(every) + p.Rate()*(15-every.Minutes()); quarter > 30*mean {
				t.Errorf("with %.1f a minute there may be %.1f in a quarter of an hour", mean, quarter)
			}
		}
	}
	p := Pace{Mean: 34.7}
	if got := p.Allow(3, -time.Hour, time.Second); got != 3 {
		t.Errorf("a clock that runs backwards allows %v", got)
	}
	if got := p.Allow(0, time.Hour, time.Second); got != p.Burst(time.Second) {
		t.Errorf("an hour without a tick allows %v", got)
	}
}
