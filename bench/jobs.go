package main

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"memberintel/internal/job"
	"memberintel/internal/job/river"
	"memberintel/internal/postgres"
)

const (
	jobsEnqueued = 50_000
	jobWorkers   = 500
)

// carrier is a way to bring jobs to workers, on a database of its own.
type carrier struct {
	name string
	open func(ctx context.Context, on *server, db *postgres.DB, database string) (carrying, error)
}

type carrying struct {
	enqueue func(ctx context.Context, jobs []job.Job) error             // in one transaction
	work    func(ctx context.Context, each func(context.Context)) error // until ctx ends
	close   func()
}

// carried is what one of them did, one value a round.
type carried struct{ enqueue, known, rate, self, database []float64 }

// jobs measures how long it takes to enqueue many jobs in one transaction, and how many a second are done when
// there is nothing to do, against River itself with the same workers, pauses, tables and connections.
func jobs(ctx context.Context, on *server, s settings) error {
	carriers := []carrier{
		{"River, any job twice", rawRiver(false)},
		{"River, each job once", rawRiver(true)},
		{"memberintel", productJobs},
	}
	got := map[string]*carried{}
	for _, c := range carriers {
		got[c.name] = &carried{}
	}
	count := max(1000, int(jobsEnqueued*s.scale))
	for round := range s.rounds {
		for i := range carriers { // each is first in turn
			c := carriers[(round+i)%len(carriers)]
			if err := carry(ctx, on, c, count, got[c.name]); err != nil {
				return fmt.Errorf("round %d, %s: %w", round, c.name, err)
			}
		}
	}
	fmt.Printf("\nJobs: %d enqueued in one transaction, then done by %d workers with nothing to do\n", count, jobWorkers)
	fmt.Printf("%-24s %10s %12s %10s %9s %9s %8s %8s\n", "", "enqueue s", "again s", "jobs/s", "CPU us", "+ PG us", "enqueue", "of River")
	raw := got[carriers[1].name]
	for _, c := range carriers {
		g := got[c.name]
		again := "-"
		if len(g.known) > 0 {
			again = fmt.Sprintf("%.2f", median(g.known))
		}
		fmt.Printf("%-24s %10.2f %12s %10.0f %9.0f %9.0f %8.2f %8.2f\n", c.name, median(g.enqueue), again, median(g.rate),
			median(g.self), median(g.database), median(raw.enqueue)/median(g.enqueue), median(g.rate)/median(raw.rate))
	}
	return nil
}

// carry takes one round's figures of one carrier.
func carry(ctx context.Context, on *server, c carrier, count int, got *carried) error {
	database, drop, err := on.fresh(ctx)
	if err != nil {
		return err
	}
	defer drop()
	db, err := on.open(ctx, database)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := river.Migrate(ctx, db); err != nil {
		return err
	}
	to, err := c.open(ctx, on, db, database)
	if err != nil {
		return err
	}
	defer to.close()
	all := make([]job.Job, count)
	for i := range all {
		all[i] = job.Job{Kind: job.Sync, RunID: int64(i + 1), Gen: 1}
	}
	runtime.GC()
	began := time.Now()
	if err := to.enqueue(ctx, all); err != nil {
		return err
	}
	got.enqueue = append(got.enqueue, time.Since(began).Seconds())
	if err := on.exec(ctx, database, "VACUUM ANALYZE river.river_job", "CHECKPOINT"); err != nil {
		return err
	}
	runtime.GC()
	self, postgres := on.cpu()
	began = time.Now()
	if err := workOff(ctx, to, count); err != nil {
		return err
	}
	took := time.Since(began).Seconds()
	selfAfter, postgresAfter := on.cpu()
	got.rate = append(got.rate, float64(count)/took)
	got.self = append(got.self, (selfAfter-self)*1e6/float64(count))
	got.database = append(got.database, (postgresAfter-postgres)*1e6/float64(count))
	if c.name != "memberintel" { // River alone refuses jobs that it knows
		return nil
	}
	began = time.Now()
	err = to.enqueue(ctx, all)
	got.known = append(got.known, time.Since(began).Seconds())
	return err
}

// workOff ends when all jobs are done and recorded as such.
func workOff(ctx context.Context, to carrying, count int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var done atomic.Int64
	return to.work(ctx, func(context.Context) {
		if done.Add(1) == int64(count) {
			cancel()
		}
	})
}

// productJobs carries as the program does.
func productJobs(_ context.Context, _ *server, db *postgres.DB, _ string) (carrying, error) {
	engine, err := river.New(db, river.Config{Workers: jobWorkers})
	if err != nil {
		return carrying{}, err
	}
	return carrying{
		enqueue: func(ctx context.Context, jobs []job.Job) error {
			return db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
				_, err := engine.Enqueue(ctx, tx.Tx, jobs)
				return err
			})
		},
		work: func(ctx context.Context, each func(context.Context)) error {
			return engine.Run(ctx, map[job.Kind]job.Handler{job.Sync: func(ctx context.Context, _ job.Job) error {
				each(ctx)
				return nil
			}})
		},
		close: func() {},
	}, nil
}
