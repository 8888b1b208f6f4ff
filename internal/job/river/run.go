package river

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	riverqueue "github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivertype"

	"memberintel/internal/job"
)

const (
	// connections are River's own: to fetch, to finish, to listen, to be elected and to clean up.
	connections = 5
	// letGo is how long a handler may take to return when its context has ended.
	letGo = 10 * time.Second
)

// ErrAbandoned is what Run gives when handlers did not return although their context had ended. They still run;
// the program is to end.
var ErrAbandoned = errors.New("jobs did not end when they were told to")

// Run works on jobs of the kinds that have a handler until ctx ends, and returns nil then. What is under way goes
// on for Config.Grace; then its context ends, and a job whose handler returns the context's error is delivered
// again at once, to another process. Several processes on one database share the jobs. A restart of PostgreSQL is
// survived; an error at the start is returned.
func (e *Engine) Run(ctx context.Context, handlers map[job.Kind]job.Handler) error {
	pool, err := e.db.Pool(ctx, connections)
	if err != nil {
		return err
	}
	client, err := e.client(pool, handlers)
	if err != nil {
		pool.Close()
		return fmt.Errorf("river: %w", err)
	}
	if err := client.Start(ctx); err != nil {
		pool.Close()
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("river: start: %w", err)
	}
	<-ctx.Done()
	patience := time.NewTimer(e.cfg.Grace + letGo)
	defer patience.Stop()
	select {
	case <-client.Stopped():
		pool.Close()
		return nil
	case <-patience.C: // closing the pool would wait for the same handlers
		return fmt.Errorf("river: %w", ErrAbandoned)
	}
}

// client is River set up to work.
func (e *Engine) client(pool *pgxpool.Pool, handlers map[job.Kind]job.Handler) (*riverqueue.Client[pgx.Tx], error) {
	workers, queues := riverqueue.NewWorkers(), map[string]riverqueue.QueueConfig{}
	riverqueue.AddWorker(workers, &worker{handlers: handlers})
	for kind := range handlers {
		queues[string(kind)] = riverqueue.QueueConfig{MaxWorkers: e.cfg.Workers}
	}
	return riverqueue.NewClient(riverpgxv5.New(pool), &riverqueue.Config{
		CompletedJobRetentionPeriod: remembered,
		DiscardedJobRetentionPeriod: 24 * remembered,
		ErrorHandler:                &told{e.cfg.Log},
		FetchCooldown:               cooldown,
		FetchPollInterval:           poll,
		Hooks:                       hooks(),
		JobTimeout:                  e.cfg.Timeout,
		Logger:                      e.log,
		PollOnly:                    pooled(pool),
		Queues:                      queues,
		ReindexerIndexNames:         []string{}, // indexes are their owner's
		RescueStuckJobsAfter:        e.cfg.Timeout + e.cfg.Timeout/8,
		RetryPolicy:                 backoff{},
		Schema:                      Schema,
		SoftStopTimeout:             e.cfg.Grace,
		Workers:                     workers,
	})
}

// pooled reports whether a pooler may stand between us and PostgreSQL, which cannot LISTEN: the database's
// address says so by default_query_exec_mode=exec, without which prepared statements would fail behind it.
func pooled(pool *pgxpool.Pool) bool {
	mode := pool.Config().ConnConfig.DefaultQueryExecMode
	return mode == pgx.QueryExecModeExec || mode == pgx.QueryExecModeSimpleProtocol
}

// worker hands jobs to their kind's handler, which app names: internal/app is where the way goes on.
type worker struct {
	riverqueue.WorkerDefaults[args]
	handlers map[job.Kind]job.Handler
}

// Work does one job. A kind without a handler has a queue that this process does not read.
func (w *worker) Work(ctx context.Context, j *riverqueue.Job[args]) error {
	of := job.Kind(j.Queue)
	handle, ok := w.handlers[of]
	if !ok {
		return fmt.Errorf("river: nobody handles jobs of the kind %q", of)
	}
	return handle(ctx, job.Job{Kind: of, RunID: j.Args.Run, Gen: j.Args.Gen})
}

// backoff is between deliveries of a job whose handler failed: a second, twice as long each time, a minute at most,
// each a fifth longer or shorter.
type backoff struct{}

// NextRetry is when a job comes again.
func (backoff) NextRetry(j *rivertype.JobRow) time.Time {
	wait := min(time.Second<<min(max(j.Attempt-1, 0), 6), time.Minute)
	return time.Now().Add(time.Duration(float64(wait) * (0.8 + 0.4*rand.Float64()))) //nolint:gosec // no secret
}
