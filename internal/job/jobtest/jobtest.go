// Package jobtest asks of every job engine the same things, in terms that a user would notice: what was committed
// is worked on, whatever fails, stops or is killed, and what was not committed never is. An engine's tests run
// Suite, and name Main as their TestMain, since one of the questions needs a process that can be killed.
//
// Nothing is asked about order, which no engine promises, nor that a job is delivered once alone: state in
// PostgreSQL makes a second delivery harmless.
package jobtest

import (
	"context"
	"testing"
	"time"

	"memberintel/internal/job"
	"memberintel/internal/postgres"
)

// Engine is one process's part in an engine.
type Engine interface {
	job.Queue
	// Run works until ctx ends, lets jobs under way end within a bound, and returns nil.
	Run(ctx context.Context, handlers map[job.Kind]job.Handler) error
}

// House is a database with an engine, empty, in which processes come and go.
type House struct {
	DB *postgres.DB
	// Process makes one more process's engine. Several work side by side.
	Process func(t *testing.T) Engine
	// Workers is how many jobs an engine of Process works on at the same time, at most.
	Workers int
	// Address tells a process of its own how to join, as the join of Main understands it.
	Address string
	// Waiting counts the jobs that would still be delivered, now or later, those under way included.
	Waiting func(t *testing.T) int
	// Payloads lists all that the engine keeps of each job which is not its own bookkeeping, as JSON objects.
	Payloads func(t *testing.T) []string
}

// patience is how long a test waits for what comes soon; redelivery for what a killed process held.
const (
	patience   = 30 * time.Second
	redelivery = 2 * time.Minute
)

// Suite asks all questions, each of a house of its own.
func Suite(t *testing.T, open func(t *testing.T) House) {
	for _, question := range []struct {
		name string
		ask  func(*testing.T, House)
	}{
		{"delivers after the commit and not before", deliversAfterTheCommit},
		{"forgets what is rolled back", forgetsWhatIsRolledBack},
		{"takes the same once", takesTheSameOnce},
		{"takes many at once, some of them known", takesManyAtOnce},
		{"keeps to the time that is set", keepsToTheTime},
		{"carries nothing but numbers", carriesNothingButNumbers},
		{"leaves other kinds to other processes", leavesOtherKinds},
		{"delivers again after an error and a panic", deliversAgainAfterFailure},
		{"delivers again what a stopped process left", deliversAgainWhatWasLeft},
		{"delivers again what a killed process held", deliversAgainWhatWasHeld},
		{"lets running jobs end", letsRunningJobsEnd},
		{"gives each process a share", givesEachAShare},
		{"loses none of many that fail at random", losesNoneOfMany},
	} {
		t.Run(question.name, func(t *testing.T) {
			t.Parallel()
			question.ask(t, open(t))
		})
	}
}
