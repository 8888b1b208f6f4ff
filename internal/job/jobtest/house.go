package jobtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"memberintel/internal/job"
	"memberintel/internal/postgres"
)

// errTakenBack ends a transaction that is not to be.
var errTakenBack = errors.New("taken back")

// enqueue commits jobs as the service does.
func (h House) enqueue(t *testing.T, e Engine, jobs ...job.Job) {
	t.Helper()
	if err := h.transact(t.Context(), e, jobs, nil); err != nil {
		t.Fatal(err)
	}
}

// transact enqueues jobs in a transaction in which within comes last, and commits it unless within fails.
func (h House) transact(ctx context.Context, e Engine, jobs []job.Job, within func() error) error {
	var afterCommit func(context.Context) error
	err := h.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) (err error) {
		afterCommit, err = e.Enqueue(ctx, tx.Tx, jobs)
		if err == nil && within != nil {
			err = within()
		}
		return err
	})
	if err == nil && afterCommit != nil {
		err = afterCommit(ctx)
	}
	return err
}

// numbered is a job of the one kind that most questions need.
func numbered(run int64) job.Job { return job.Job{Kind: job.Sync, RunID: run, Gen: 1} }

func syncs(from, to int64) []job.Job {
	var jobs []job.Job
	for run := from; run <= to; run++ {
		jobs = append(jobs, numbered(run))
	}
	return jobs
}

// log remembers deliveries, of any number of processes.
type log struct {
	mu      sync.Mutex
	times   map[job.Job][]time.Time // when each job was delivered
	changed chan struct{}           // closed and replaced with each delivery
}

func newLog() *log { return &log{times: map[job.Job][]time.Time{}, changed: make(chan struct{})} }

// note is a handler that acknowledges.
func (l *log) note(_ context.Context, j job.Job) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	j.NotBefore = time.Time{} // an engine may tell it
	l.times[j] = append(l.times[j], time.Now())
	close(l.changed)
	l.changed = make(chan struct{})
	return nil
}

// of tells when a job was delivered.
func (l *log) of(j job.Job) []time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.times[j])
}

// jobs counts those that were delivered, each once.
func (l *log) jobs() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.times)
}

// await waits until the condition, which deliveries make true, holds.
func (l *log) await(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	limit := time.After(within)
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		if holds() {
			return
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("waited %v in vain: %s; %d jobs were delivered", within, what, l.jobs())
		}
	}
}

func (l *log) awaitJob(t *testing.T, j job.Job) {
	t.Helper()
	l.await(t, "for the delivery of a job", patience, func() bool { return len(l.of(j)) > 0 })
}

// awaitDone waits until nothing is left to deliver.
func (h House) awaitDone(t *testing.T) {
	t.Helper()
	eventually(t, "until no job is left", func() bool { return h.Waiting(t) == 0 })
}

// eventually looks again and again, for what tells nobody that it has changed.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit, look := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// start runs an engine until stop, or until the test ends. stop returns when Run has.
func start(t *testing.T, e Engine, handlers map[job.Kind]job.Handler) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx, handlers) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// work starts one more process that does syncs.
func (h House) work(t *testing.T, handle job.Handler) (e Engine, stop func()) {
	t.Helper()
	e = h.Process(t)
	return e, start(t, e, map[job.Kind]job.Handler{job.Sync: handle})
}
