package guard_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"

	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
)

// Each of many workers commits one transaction after the other, so that at any moment some are under way. A switch
// must come through between them, and nothing that asked before it may be written after it.
func TestAThrowIsNotStarvedAndNothingIsWrittenAfterIt(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	var written, atThrow atomic.Int64
	var workers sync.WaitGroup
	warm := make(chan struct{})
	var once sync.Once
	for range 8 {
		workers.Go(func() {
			for {
				err := w.db.TenantTx(ctx, w.tenant, func(tx *postgres.TenantTx) error {
					guard.Require(tx, "stripe")
					_, err := tx.Exec(ctx, `SELECT pg_sleep(0.01)`) // work between the question and the commit
					return err
				})
				if fault.Is(err, fault.Stopped) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				if written.Add(1) > 40 {
					once.Do(func() { close(warm) })
				}
			}
		})
	}
	<-warm
	if err := guard.Throw(ctx, w.db, "pipeline:stripe", "stop", "olga", 0); err != nil {
		t.Fatal(err)
	}
	atThrow.Store(written.Load())
	workers.Wait()
	// A worker may have committed before the throw returned and counted after it: at most one each.
	if late := written.Load() - atThrow.Load(); late > 8 {
		t.Errorf("%d commits came after the throw", late)
	}
}

func TestAThrowWaitsForTheCommitUnderWay(t *testing.T) {
	w := newWorld(t)
	asked, proceed, thrown := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var committed atomic.Bool
	var worker sync.WaitGroup
	worker.Go(func() {
		err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) error {
			if err := guard.Check(t.Context(), tx, "stripe"); err != nil {
				return err
			}
			close(asked)
			<-proceed
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-asked
	go func() {
		err := guard.Throw(context.WithoutCancel(t.Context()), w.db, "tenant:"+w.tenant.String(), "stop", "olga", 0)
		if !committed.Load() {
			t.Error("the throw returned while a commit that had asked before was under way")
		}
		thrown <- err
	}()
	for !w.waiting() && t.Context().Err() == nil {
	}
	committed.Store(true)
	close(proceed)
	worker.Wait()
	if err := <-thrown; err != nil {
		t.Error(err)
	}
	if err := w.check("stripe"); !fault.Is(err, fault.Stopped) {
		t.Errorf("after it: %v", err)
	}
}

// waiting reports whether somebody waits for an advisory lock.
func (w *world) waiting() (waits bool) {
	w.t.Helper()
	err := pgtest.Superuser(w.t, w.db).QueryRow(w.t.Context(), `SELECT EXISTS (SELECT FROM pg_locks
		WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`).Scan(&waits)
	if err != nil {
		w.t.Fatal(err)
	}
	return waits
}
