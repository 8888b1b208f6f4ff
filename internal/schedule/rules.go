package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/tenant"
)

// Slot returns where in the period a tenant's pipeline has its turn, the same for ever.
func Slot(period time.Duration, id tenant.ID, p connection.Pipeline) time.Duration {
	sum := sha256.Sum256(append(id[:], p...))
	return time.Duration(binary.BigEndian.Uint64(sum[:8])%uint64(period/time.Second)) * time.Second
}

// NextDue returns when a sync that is asked for now is to be followed by the next: the pipeline's next turn, but not
// one that comes within half a period, so that what was late is not done twice in a row.
func NextDue(now time.Time, period time.Duration, id tenant.ID, p connection.Pipeline) time.Time {
	return turnFrom(now.Add(period/2), period, id, p)
}

// FirstDue returns the pipeline's next turn from now on, for a connection that is new or whose period is.
func FirstDue(now time.Time, period time.Duration, id tenant.ID, p connection.Pipeline) time.Time {
	return turnFrom(now, period, id, p)
}

// turnFrom returns the first turn that is not before from.
func turnFrom(from time.Time, period time.Duration, id tenant.ID, p connection.Pipeline) time.Time {
	length, slot := int64(period/time.Second), int64(Slot(period, id, p)/time.Second)
	k := (from.Unix() - slot) / length
	for k*length+slot < from.Unix() || (k*length+slot == from.Unix() && from.Nanosecond() > 0) {
		k++
	}
	return time.Unix(k*length+slot, 0).UTC()
}

// MaxAttempts is how often a sync is tried before its connection counts as failed.
const MaxAttempts = 10

// Backoff is how long to wait after the given attempt, the first being 1: from a minute to six hours, a fifth more or
// less by chance, which is from 0 to 1. Ten attempts take about 24 hours.
func Backoff(attempt int, chance float64) time.Duration {
	wait := min(6*time.Hour, time.Duration(math.Pow(3, float64(min(max(attempt, 1), 10)-1)))*time.Minute)
	return jittered(wait, chance)
}

func jittered(wait time.Duration, chance float64) time.Duration {
	return time.Duration(float64(wait) * (0.8 + 0.4*chance))
}
