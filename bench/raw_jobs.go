package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	riverqueue "github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"memberintel/internal/job"
	"memberintel/internal/postgres"
)

type rawArgs struct {
	Run int64 `json:"run"`
	Gen int32 `json:"gen"`
}

// Kind is River's kind of these jobs.
func (rawArgs) Kind() string { return "raw" }

// rawRiver is River with nothing around it, as the superuser, set up as the program sets it up. Without once it
// takes a job as often as it comes.
func rawRiver(once bool) func(context.Context, *server, *postgres.DB, string) (carrying, error) {
	return func(ctx context.Context, on *server, _ *postgres.DB, database string) (carrying, error) {
		cfg, err := pgxpool.ParseConfig(on.superuser(database))
		if err != nil {
			return carrying{}, err
		}
		cfg.MaxConns = 5
		pool, err := pgxpool.NewWithConfig(ctx, cfg)
		if err != nil {
			return carrying{}, err
		}
		raw := rawJobs{pool: pool, once: once}
		return carrying{enqueue: raw.enqueue, work: raw.work, close: pool.Close}, nil
	}
}

type rawJobs struct {
	pool *pgxpool.Pool
	once bool
}

func (r rawJobs) client(each func(context.Context)) (*riverqueue.Client[pgx.Tx], error) {
	workers := riverqueue.NewWorkers()
	riverqueue.AddWorker(workers, riverqueue.WorkFunc(func(ctx context.Context, _ *riverqueue.Job[rawArgs]) error {
		each(ctx)
		return nil
	}))
	return riverqueue.NewClient(riverpgxv5.New(r.pool), &riverqueue.Config{
		FetchCooldown:        5 * time.Millisecond,
		JobTimeout:           2 * time.Hour,
		Logger:               slog.New(slog.DiscardHandler),
		Queues:               map[string]riverqueue.QueueConfig{riverqueue.QueueDefault: {MaxWorkers: jobWorkers}},
		RescueStuckJobsAfter: 3 * time.Hour,
		Schema:               "river",
		SoftStopTimeout:      20 * time.Second,
		Workers:              workers,
	})
}

func (r rawJobs) enqueue(ctx context.Context, jobs []job.Job) error {
	client, err := r.client(nil)
	if err != nil {
		return err
	}
	params := make([]riverqueue.InsertManyParams, len(jobs))
	for i, j := range jobs {
		params[i].Args = rawArgs{Run: j.RunID, Gen: j.Gen}
		if r.once {
			params[i].InsertOpts = &riverqueue.InsertOpts{UniqueOpts: riverqueue.UniqueOpts{ByArgs: true}}
		}
	}
	return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		_, err := client.InsertManyFastTx(ctx, tx, params)
		return err
	})
}

func (r rawJobs) work(ctx context.Context, each func(context.Context)) error {
	client, err := r.client(each)
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	<-client.Stopped()
	return nil
}
