// Package schedule says when syncs run. Every connection has a slot of its own in the period of its cadence, spread
// by a hash, so that 50,000 clubs never call on the first of the month; a tick asks for what is due, at a pace that
// turns every pile-up, after a day without a tick say, into a slope; and a sweep goes on with what a dead worker
// left. The tick, a button, a knock, a new connection and a change of plan all ask through Request, and Worker runs
// what they asked for.
//
// State in PostgreSQL decides everything. The job engine only carries the number of a run, so a delivery that is
// lost, late or doubled does no harm, and any number of processes may tick and sweep.
package schedule

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/job"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
)

const (
	// DefaultEvery is how often a scheduler looks for what is due.
	DefaultEvery = 5 * time.Second
	// DefaultLost is how long after its time a run may wait before its delivery counts as lost.
	DefaultLost = 5 * time.Minute
	// DefaultBusy is how long a run that found no place, or another worker at it, waits about.
	DefaultBusy = 20 * time.Second
)

// Scheduler asks for syncs. It is safe for concurrent use, in as many processes as there are.
type Scheduler struct {
	DB     *postgres.DB
	Ledger *syncrun.Ledger
	Queue  job.Queue
	Log    *slog.Logger
	Every  time.Duration // between two ticks, on which the pace depends; 0 means DefaultEvery
	Lost   time.Duration // until a run that waits is delivered again; 0 means DefaultLost
	Busy   time.Duration // until a run that found no place tries again; 0 means DefaultBusy
	// Chance is what jitters are made of, from 0 to 1; nil means at random.
	Chance func() float64
}

func (s *Scheduler) every() time.Duration {
	if s.Every <= 0 {
		return DefaultEvery
	}
	return s.Every
}

func (s *Scheduler) lost() time.Duration {
	if s.Lost <= 0 {
		return DefaultLost
	}
	return s.Lost
}

func (s *Scheduler) busy() time.Duration {
	if s.Busy <= 0 {
		return DefaultBusy
	}
	return s.Busy
}

// Run ticks and sweeps until ctx ends. What fails is logged and tried again with the next tick.
func (s *Scheduler) Run(ctx context.Context) error {
	ticker := time.NewTicker(s.every())
	defer ticker.Stop()
	for observed := (time.Time{}); ; {
		if _, err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "what dead workers left was not swept", "error", err)
		}
		if _, err := s.Tick(ctx); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "the schedule did not tick", "error", err)
		}
		if time.Since(observed) >= observeEvery {
			observed = time.Now()
			if err := s.observe(ctx); err != nil && ctx.Err() == nil {
				s.Log.ErrorContext(ctx, "the metrics do not tell how the schedule stands", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// inTx runs fn, which returns what is to be delivered, and hands that to the engine in the same transaction. It runs
// again when the transaction lost to another one.
func (s *Scheduler) inTx(ctx context.Context, fn func(*postgres.ServiceTx) ([]syncrun.Delivery, error)) error {
	var after func(context.Context) error
	err := postgres.Retry(maxTries, func() error {
		return s.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
			deliveries, err := fn(tx)
			if err != nil {
				return err
			}
			after, err = s.enqueue(ctx, tx, deliveries)
			return err
		})
	})
	if err != nil {
		return err
	}
	return s.deliver(ctx, after)
}

const maxTries = 3

func (s *Scheduler) enqueue(ctx context.Context, tx *postgres.ServiceTx, deliveries []syncrun.Delivery) (func(context.Context) error, error) {
	if len(deliveries) == 0 {
		return nil, nil
	}
	jobs := make([]job.Job, len(deliveries))
	for i, d := range deliveries {
		jobs[i] = job.Job{Kind: job.Sync, RunID: d.RunID, Gen: d.Gen, NotBefore: d.NotBefore}
	}
	after, err := s.Queue.Enqueue(ctx, tx.Tx, jobs)
	if err != nil {
		return nil, fmt.Errorf("schedule: enqueue: %w", err)
	}
	return after, nil
}

// deliver does what an engine that lives elsewhere left for after the commit. When that fails the sweep delivers again.
func (s *Scheduler) deliver(ctx context.Context, after func(context.Context) error) error {
	if after == nil {
		return nil
	}
	if err := after(context.WithoutCancel(ctx)); err != nil {
		s.Log.WarnContext(ctx, "jobs were not delivered; the sweep delivers them again", "error", err)
	}
	return nil
}

// setDue gives connections that are asked for now their next turn.
func (s *Scheduler) setDue(ctx context.Context, tx *postgres.ServiceTx, now time.Time, due []connection.Due) error {
	ids, at := make([]connection.ID, len(due)), make([]time.Time, len(due))
	for i, d := range due {
		ids[i] = d.ConnectionID
		at[i] = NextDue(now, connection.Cadence(d.Pipeline, d.Plan), d.TenantID, d.Pipeline)
	}
	return s.Ledger.Connections.SetDue(ctx, tx, ids, at)
}

func (s *Scheduler) chance() float64 {
	if s.Chance == nil {
		return rand.Float64() //nolint:gosec // no secret depends on it
	}
	return s.Chance()
}
