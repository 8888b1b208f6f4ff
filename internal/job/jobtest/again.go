package jobtest

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"memberintel/internal/job"
)

var errAway = errors.New("the database is away")

func deliversAgainAfterFailure(t *testing.T, h House) {
	seen := newLog()
	e, _ := h.work(t, func(ctx context.Context, j job.Job) error {
		first := len(seen.of(j)) == 0
		_ = seen.note(ctx, j)
		switch {
		case first && j.RunID == 1:
			return errAway
		case first && j.RunID == 2:
			panic("a mistake")
		}
		return nil
	})
	h.enqueue(t, e, syncs(1, 3)...)
	seen.await(t, "for the jobs that failed", patience, func() bool {
		return len(seen.of(numbered(1))) == 2 && len(seen.of(numbered(2))) == 2 && len(seen.of(numbered(3))) == 1
	})
	h.awaitDone(t)
}

// deliversAgainWhatWasLeft stops a process whose handler waits for something that does not come.
func deliversAgainWhatWasLeft(t *testing.T, h House) {
	began, seen := newLog(), newLog()
	e, stop := h.work(t, func(ctx context.Context, j job.Job) error {
		_ = began.note(ctx, j)
		<-ctx.Done()
		return ctx.Err()
	})
	h.enqueue(t, e, numbered(1))
	began.awaitJob(t, numbered(1))
	stop()
	h.work(t, seen.note)
	seen.awaitJob(t, numbered(1))
	h.awaitDone(t)
}

func letsRunningJobsEnd(t *testing.T, h House) {
	began, finish, told := newLog(), make(chan struct{}), make(chan error, 1)
	e := h.Process(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- e.Run(ctx, map[job.Kind]job.Handler{job.Sync: func(ctx context.Context, j job.Job) error {
			_ = began.note(ctx, j)
			select {
			case <-finish:
			case <-time.After(patience):
			}
			told <- ctx.Err()
			return nil
		}})
	}()
	h.enqueue(t, e, numbered(1))
	began.awaitJob(t, numbered(1))
	cancel()
	select { // long enough for an end to get through
	case err := <-ended:
		t.Fatalf("Run ended under a running job: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	close(finish)
	if err := <-ended; err != nil {
		t.Errorf("Run ended with %v", err)
	}
	if err := <-told; err != nil {
		t.Errorf("the running job was cut: %v", err)
	}
	if n := h.Waiting(t); n != 0 {
		t.Errorf("%d jobs are left of one that ended well", n)
	}
}

// givesEachAShare holds as many jobs as all processes together can.
func givesEachAShare(t *testing.T, h House) {
	const processes = 3
	held, finish := make([]*log, processes), make(chan struct{})
	all := newLog()
	for i := range processes {
		held[i] = newLog()
		h.work(t, func(ctx context.Context, j job.Job) error {
			_ = held[i].note(ctx, j)
			_ = all.note(ctx, j)
			<-finish
			return nil
		})
	}
	// Run waits for handlers, and it must not for ours when the test fails.
	release := sync.OnceFunc(func() { close(finish) })
	t.Cleanup(release)
	jobs := syncs(1, int64(processes*h.Workers))
	h.enqueue(t, h.Process(t), jobs...)
	all.await(t, "for all processes to be busy", patience, func() bool { return all.jobs() == len(jobs) })
	for i, l := range held {
		if n := l.jobs(); n != h.Workers {
			t.Errorf("process %d holds %d jobs, want %d", i, n, h.Workers)
		}
	}
	release()
	h.awaitDone(t)
}

// losesNoneOfMany lets jobs fail up to twice, in every way, while processes come and go.
func losesNoneOfMany(t *testing.T, h House) {
	const count = 2_000
	began, handled := newLog(), newLog()
	handle := func(ctx context.Context, j job.Job) error {
		earlier := len(began.of(j))
		_ = began.note(ctx, j)
		if earlier < 2 {
			switch rand.IntN(10) { //nolint:gosec // no secret
			case 0, 1:
				return errAway
			case 2:
				panic("a mistake")
			case 3: // longer than it takes to stop
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(100 * time.Millisecond):
				}
			}
		}
		return handled.note(ctx, j)
	}
	e, _ := h.work(t, handle)
	_, stop := h.work(t, handle)
	jobs := syncs(1, count)
	for some := range slices.Chunk(jobs, 150) {
		h.enqueue(t, e, some...)
	}
	handled.await(t, "for a quarter", patience, func() bool { return handled.jobs() > count/4 })
	stop()
	h.work(t, handle)
	handled.await(t, "for all", redelivery, func() bool { return handled.jobs() == count })
	h.awaitDone(t)
}
