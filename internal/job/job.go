// Package job is what the program asks of a job engine: to bring the number of a run to a worker, soon or not
// before a time, at least once. State in PostgreSQL decides everything else, so a delivery that is lost, late or
// doubled is harmless, and engines can be exchanged: river runs beside the warehouse, Cloud Tasks on Google Cloud.
package job

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// Kind says which handler a job is for.
type Kind string

// Sync is a sync run that is queued.
const Sync Kind = "sync"

// Job is all that travels: which run, and the generation in which it was queued. A handler drops a job whose
// generation is no longer the run's.
type Job struct {
	Kind      Kind
	RunID     int64
	Gen       int32
	NotBefore time.Time // zero: at once
}

// Queue takes jobs. Enqueue is idempotent for the same Kind, RunID and Gen, and belongs into the transaction that
// writes the run: with the transaction's end the jobs are there, or none of them is. An engine that lives elsewhere
// hands back afterCommit, which the caller runs after its commit and which may fail without harm, because a sweep
// queues what was not delivered again; it is nil where there is nothing left to do.
type Queue interface {
	Enqueue(ctx context.Context, tx pgx.Tx, jobs []Job) (afterCommit func(context.Context) error, err error)
}

// Handler does a job. An error means that the infrastructure failed and the job is to be delivered again; what
// becomes of a sync that failed is the run's affair, and no error here.
type Handler func(ctx context.Context, j Job) error
