package schedule

import (
	"math"
	"time"

	"memberintel/internal/connection"
)

// Pace bounds how many syncs ticks may start. The connections ask for so many a minute on average; what was piled up
// comes on top, slowly enough that no minute sees more than the mean and six times its square root, which is what
// chance alone may bring, and no quarter of an hour more than twice the mean. A few connections may all come at once.
type Pace struct {
	Mean float64 // starts a minute that the connections ask for
}

// leastRate and leastBurst are for the few connections of a small installation.
const (
	leastRate  = 6.0 // a minute
	leastBurst = 5.0
)

// PaceOf adds up what the connections ask for.
func PaceOf(counts []connection.Count) Pace {
	var p Pace
	for _, c := range counts {
		p.Mean += float64(c.N) / connection.Cadence(c.Pipeline, c.Plan).Minutes()
	}
	return p
}

// Rate is how many starts a minute are allowed.
func (p Pace) Rate() float64 { return max(leastRate, min(1.8*p.Mean, p.Mean+4*math.Sqrt(p.Mean))) }

// Burst is how many starts a single tick may allow when ticks come that often.
func (p Pace) Burst(every time.Duration) float64 {
	return max(leastBurst, p.Rate()*every.Minutes()+2*math.Sqrt(p.Mean))
}

// Allow returns the allowance after more time has passed. A clock that runs backwards adds nothing.
func (p Pace) Allow(allowance float64, passed, every time.Duration) float64 {
	return min(p.Burst(every), allowance+p.Rate()*max(0, passed).Minutes())
}
