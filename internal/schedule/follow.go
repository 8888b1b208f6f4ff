package schedule

import (
	"context"
	"errors"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/fault"
	"memberintel/internal/syncrun"
)

const (
	heldUp        = 5 * time.Minute // the least after which what a switch stopped is looked at again
	patience      = time.Minute     // where a source asks for patience and does not say how much
	maxPatience   = 24 * time.Hour  // whatever it says
	crashesAtOnce = 3               // so often a run is resumed without a wait
)

// Follow says what comes after a run that came to an early end. The kind of the fault decides: what may mend itself
// is tried again, ten times in about a day; a source that asks for patience gets it, and no attempt is spent; where only a
// person helps nothing is tried before the next period; what a switch stopped is due again as soon as the switch is
// off; where another worker is at it, nothing is to be done; and where the database went away, the run goes on as after a
// crash. A site that was not asked, because it is left in peace or others are at it, is asked when its time has come,
// and no attempt is spent. A full pass that has had its turn goes on at once, and spends none either.
func Follow(e syncrun.Ended, chance float64) syncrun.Next {
	var f *fault.Error
	asked := time.Duration(0)
	if errors.As(e.Err, &f) {
		asked = min(f.RetryAfter, maxPatience)
	}
	if errors.Is(e.Err, syncrun.ErrTurnOver) {
		return syncrun.Next{Again: true, Attempt: e.Attempt}
	}
	if errors.Is(e.Err, care.ErrNotAsked) {
		return syncrun.Next{Again: true, Attempt: e.Attempt, After: later(max(asked, DefaultBusy), chance)}
	}
	switch fault.KindOf(e.Err) {
	case fault.Busy:
		return syncrun.Next{}
	case fault.Stopped:
		return syncrun.Next{DueWithin: max(heldUp, asked)}
	case fault.RateLimited:
		return syncrun.Next{Again: true, Attempt: e.Attempt, After: later(max(asked, patience), chance)}
	case fault.Unauthorized, fault.NotPermitted, fault.Conflict, fault.Invalid:
		return syncrun.Next{GiveUp: true}
	}
	switch {
	case e.Interrupted:
		after, again := afterCrash(e.Attempt, chance)
		if !again {
			return syncrun.Next{GiveUp: true}
		}
		return syncrun.Next{Again: true, Attempt: e.Attempt + 1, After: after}
	case errors.Is(e.Err, context.Canceled): // this process is being stopped, and another one goes on
		return syncrun.Next{Again: true, Attempt: e.Attempt}
	case e.Attempt >= MaxAttempts:
		return syncrun.Next{GiveUp: true}
	default:
		return syncrun.Next{Again: true, Attempt: e.Attempt + 1, After: max(Backoff(e.Attempt, chance), later(asked, chance))}
	}
}

// later adds up to a fifth to a time before which nothing may happen.
func later(wait time.Duration, chance float64) time.Duration {
	return wait + time.Duration(float64(wait)*chance/5)
}

// afterCrash says how long a run waits whose worker died in the given attempt, and false when it has had enough. A
// crash is mostly none of the run's doing, so the first few cost no time.
func afterCrash(attempt int, chance float64) (time.Duration, bool) {
	switch {
	case attempt >= MaxAttempts:
		return 0, false
	case attempt <= crashesAtOnce:
		return 0, true
	default:
		return Backoff(attempt-crashesAtOnce, chance), true
	}
}
