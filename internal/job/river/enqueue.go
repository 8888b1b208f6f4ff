package river

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	riverqueue "github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"memberintel/internal/job"
)

const (
	// bulk is from how many jobs on COPY is worth its savepoint.
	bulk = 500
	// portion is how many jobs one statement takes once one of them is known, and so how many take the slow way for it.
	portion = 5_000
)

// Enqueue writes the jobs in tx, which is a transaction of the program's or of the service's role, so that they
// come with it or not at all. There is nothing to do after the commit. A job of the same kind, run and generation
// is recognised until an hour after it was done, and stays as it is, its NotBefore too.
func (e *Engine) Enqueue(ctx context.Context, tx pgx.Tx, jobs []job.Job) (func(context.Context) error, error) {
	all := insertable(jobs)
	if len(all) > portion { // one COPY takes two thirds of the time of ten
		if done, err := e.copy(ctx, tx, all); done || err != nil {
			return nil, err
		}
	}
	for some := range slices.Chunk(all, portion) {
		if len(some) >= bulk {
			done, err := e.copy(ctx, tx, some)
			if err != nil {
				return nil, err
			}
			if done {
				continue
			}
		}
		if _, err := e.inserter.InsertManyTx(ctx, tx, some); err != nil {
			return nil, fmt.Errorf("river: enqueue %d jobs: %w", len(some), err)
		}
	}
	return nil, nil
}

// insertable leaves out what stands there twice. The order is that of all transactions, lest two of them wait
// for each other's jobs.
func insertable(jobs []job.Job) []riverqueue.InsertManyParams {
	sorted := slices.Clone(jobs)
	slices.SortStableFunc(sorted, func(a, b job.Job) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.RunID, b.RunID), cmp.Compare(a.Gen, b.Gen))
	})
	sorted = slices.CompactFunc(sorted, func(a, b job.Job) bool {
		return a.Kind == b.Kind && a.RunID == b.RunID && a.Gen == b.Gen
	})
	params := make([]riverqueue.InsertManyParams, len(sorted))
	for i, j := range sorted {
		params[i] = riverqueue.InsertManyParams{
			Args: args{Run: j.RunID, Gen: j.Gen},
			InsertOpts: &riverqueue.InsertOpts{
				Queue: string(j.Kind), ScheduledAt: j.NotBefore, UniqueOpts: riverqueue.UniqueOpts{ByArgs: true, ByQueue: true},
			},
		}
	}
	return params
}

// copy inserts by COPY, which takes a fraction of the time of INSERT. It is not done, and has changed nothing,
// when one of the jobs is in the table already.
func (e *Engine) copy(ctx context.Context, tx pgx.Tx, params []riverqueue.InsertManyParams) (done bool, err error) {
	savepoint, err := tx.Begin(ctx)
	if err != nil {
		return false, fmt.Errorf("river: enqueue: savepoint: %w", err)
	}
	defer func() { _ = savepoint.Rollback(context.WithoutCancel(ctx)) }()
	_, err = e.inserter.InsertManyFastTx(ctx, savepoint, params)
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" {
		return false, nil
	}
	if err == nil {
		err = savepoint.Commit(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("river: enqueue %d jobs by COPY: %w", len(params), err)
	}
	return true, nil
}

// hooks put a job into the queue at once that is due before River would look again. The queue hands nothing out
// before its time; but it is read from its beginning, and jobs of tomorrow would make that slow.
func hooks() []rivertype.Hook {
	return []rivertype.Hook{riverqueue.HookInsertBeginFunc(func(_ context.Context, p *rivertype.JobInsertParams) error {
		if p.State == rivertype.JobStateScheduled && time.Until(*p.ScheduledAt) < scheduled+time.Second {
			p.State = rivertype.JobStateAvailable
		}
		return nil
	})}
}
