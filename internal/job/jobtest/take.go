package jobtest

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"memberintel/internal/job"
)

func deliversAfterTheCommit(t *testing.T, h House) {
	seen := newLog()
	e, _ := h.work(t, seen.note)
	err := h.transact(t.Context(), e, syncs(1, 3), func() error {
		h.enqueue(t, e, numbered(4)) // commits, and shows that the engine is at work meanwhile
		seen.awaitJob(t, numbered(4))
		if n := seen.jobs(); n != 1 {
			t.Errorf("%d jobs were delivered before the commit", n-1)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range syncs(1, 3) {
		seen.awaitJob(t, j)
	}
	h.awaitDone(t)
}

func forgetsWhatIsRolledBack(t *testing.T, h House) {
	seen := newLog()
	e, _ := h.work(t, seen.note)
	for _, lost := range [][]job.Job{syncs(1, 3), syncs(1001, 2500)} {
		err := h.transact(t.Context(), e, lost, func() error { return errTakenBack })
		if !errors.Is(err, errTakenBack) {
			t.Fatal(err)
		}
	}
	if n := h.Waiting(t); n != 0 {
		t.Errorf("%d jobs are left of a transaction that was rolled back", n)
	}
	h.enqueue(t, e, numbered(4))
	seen.awaitJob(t, numbered(4))
	if n := seen.jobs(); n != 1 {
		t.Errorf("%d jobs were delivered, want one", n)
	}
	if err := h.transact(t.Context(), e, nil, nil); err != nil {
		t.Errorf("no jobs at all: %v", err)
	}
}

func takesTheSameOnce(t *testing.T, h House) {
	e, other := h.Process(t), h.Process(t)
	one := numbered(1)
	later := one
	later.NotBefore = time.Now().Add(time.Hour)
	h.enqueue(t, e, one, one, later)
	h.enqueue(t, e, one)
	h.enqueue(t, other, later)
	if n := h.Waiting(t); n != 1 {
		t.Errorf("the same job is there %d times", n)
	}
	again := one
	again.Gen++
	h.enqueue(t, e, again)
	if n := h.Waiting(t); n != 2 {
		t.Errorf("%d jobs after another generation, want 2", n)
	}

	// Several processes that enqueue the same at the same time, in different order.
	var together errgroup.Group
	for i := range 6 {
		jobs := syncs(100, 150)
		if i%2 == 1 {
			slices.Reverse(jobs)
		}
		together.Go(func() error { return h.transact(t.Context(), []Engine{e, other}[i%2], jobs, nil) })
	}
	if err := together.Wait(); err != nil {
		t.Errorf("together: %v", err)
	}
	if n := h.Waiting(t); n != 2+51 {
		t.Errorf("%d jobs, want 53", n)
	}

	// What is done is not done again.
	seen := newLog()
	start(t, e, map[job.Kind]job.Handler{job.Sync: seen.note})
	h.awaitDone(t)
	h.enqueue(t, e, one)
	h.enqueue(t, e, syncs(100, 150)...)
	if n := h.Waiting(t); n != 0 {
		t.Errorf("%d jobs are to be done that were done", n)
	}
}

func takesManyAtOnce(t *testing.T, h House) {
	e, seen := h.Process(t), newLog()
	h.enqueue(t, e, syncs(900, 1100)...)
	var together errgroup.Group
	for _, jobs := range [][]job.Job{syncs(1, 3000), syncs(2000, 7000)} {
		together.Go(func() error { return h.transact(t.Context(), e, jobs, nil) })
	}
	if err := together.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := h.Waiting(t); n != 7000 {
		t.Errorf("%d jobs, want 7000", n)
	}
	start(t, e, map[job.Kind]job.Handler{job.Sync: seen.note})
	seen.await(t, "for all", patience, func() bool { return seen.jobs() == 7000 })
	h.awaitDone(t)
}

// late is how late a job may come on a busy machine: by less than an engine's round of looking what is due.
const late = 4 * time.Second

func keepsToTheTime(t *testing.T, h House) {
	seen := newLog()
	e, _ := h.work(t, seen.note)
	due := map[int64]time.Time{}
	enqueue := func(run int64, at time.Time) {
		h.enqueue(t, e, job.Job{Kind: job.Sync, RunID: run, Gen: 1, NotBefore: at})
		due[run] = at
		if now := time.Now(); at.Before(now) {
			due[run] = now
		}
	}
	for run := range int64(2) { // one after the other, lest a lucky moment hides that an engine looks seldom
		enqueue(1+run, time.Now().Add(300*time.Millisecond))
		seen.awaitJob(t, numbered(1+run))
	}
	for run, wait := range map[int64]time.Duration{3: -time.Hour, 4: 2 * time.Second, 5: 7 * time.Second} {
		enqueue(run, time.Now().Add(wait))
	}
	seen.await(t, "for what is due soon", patience, func() bool { return seen.jobs() == len(due) })
	for run, at := range due {
		// A little early is the difference between two clocks.
		if off := seen.of(numbered(run))[0].Sub(at); off < -50*time.Millisecond || off > late {
			t.Errorf("job %d came %v after its time", run, off)
		}
	}
	tomorrow := numbered(6)
	tomorrow.NotBefore = time.Now().Add(24 * time.Hour)
	h.enqueue(t, e, tomorrow)
	h.enqueue(t, e, numbered(7))
	seen.awaitJob(t, numbered(7))
	eventually(t, "until only the job of tomorrow is left", func() bool { return h.Waiting(t) == 1 })
	if len(seen.of(numbered(6))) > 0 {
		t.Error("the job of tomorrow has come")
	}
}

func carriesNothingButNumbers(t *testing.T, h House) {
	e := h.Process(t)
	h.enqueue(t, e, job.Job{Kind: job.Sync, RunID: 7, Gen: 2})
	h.enqueue(t, e, job.Job{Kind: job.Sync, RunID: 1 << 60, Gen: 1 << 30, NotBefore: time.Now().Add(time.Hour)})
	var got []map[string]any
	for _, payload := range h.Payloads(t) {
		var one map[string]any
		decoder := json.NewDecoder(strings.NewReader(payload))
		decoder.UseNumber()
		if err := decoder.Decode(&one); err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		got = append(got, one)
	}
	want := []map[string]any{
		{"kind": "sync", "run": json.Number("7"), "gen": json.Number("2")},
		{"kind": "sync", "run": json.Number("1152921504606846976"), "gen": json.Number("1073741824")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what travels (-want +got):\n%s", diff)
	}
}

func leavesOtherKinds(t *testing.T, h House) {
	const kind = "another"
	mine, other := newLog(), newLog()
	e, _ := h.work(t, mine.note)
	foreign := job.Job{Kind: kind, RunID: 1, Gen: 1}
	h.enqueue(t, e, foreign)
	h.enqueue(t, e, numbered(1))
	mine.awaitJob(t, numbered(1))
	start(t, h.Process(t), map[job.Kind]job.Handler{kind: other.note})
	other.awaitJob(t, foreign)
	h.awaitDone(t)
	if len(mine.of(foreign))+len(other.of(numbered(1))) > 0 {
		t.Error("a process was given a kind that it does not handle")
	}
}
