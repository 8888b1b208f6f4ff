package river_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"memberintel/internal/job"
	"memberintel/internal/job/river"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
)

func enqueue(t *testing.T, db *postgres.DB, e *river.Engine, jobs ...job.Job) {
	t.Helper()
	err := db.ServiceTx(t.Context(), func(tx *postgres.ServiceTx) error {
		_, err := e.Enqueue(t.Context(), tx.Tx, jobs)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMigrateTakesTurnsAndIsDoneOnce(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	if err := river.Current(t.Context(), db); !errors.Is(err, postgres.ErrOutdated) {
		t.Errorf("without tables: %v", err)
	}
	var together errgroup.Group
	for range 5 {
		together.Go(func() error { return river.Migrate(t.Context(), db) })
	}
	if err := together.Wait(); err != nil {
		t.Fatal(err)
	}
	if err := river.Current(t.Context(), db); err != nil {
		t.Errorf("migrated: %v", err)
	}
	// A migration that was cut off before its end is taken up again.
	owner := pgtest.Owner(t, db)
	if _, err := owner.Exec(t.Context(), `COMMENT ON SCHEMA river IS NULL; REVOKE ALL ON river.river_job FROM memberintel_service`); err != nil {
		t.Fatal(err)
	}
	if err := river.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	enqueue(t, db, engine(t, db), job.Job{Kind: job.Sync, RunID: 1, Gen: 1})
}

// TestRightsAreWhatTheReviewSays: whoever upgrades River comes by here.
func TestRightsAreWhatTheReviewSays(t *testing.T) {
	t.Parallel()
	rows, err := pgtest.Superuser(t, migrated(t)).Query(t.Context(), `
		SELECT role || ' ' || object || ': ' || string_agg(privilege, ', ' ORDER BY privilege) FROM (
		    SELECT coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC') AS role, c.relname AS object, a.privilege_type AS privilege
		      FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
		     WHERE c.relnamespace = 'river'::regnamespace AND a.grantee <> c.relowner
		    UNION ALL
		    SELECT coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'), c.relname, a.privilege_type || ' (' || t.attname || ')'
		      FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN LATERAL aclexplode(t.attacl) a
		     WHERE c.relnamespace = 'river'::regnamespace AND a.grantee <> c.relowner
		    UNION ALL
		    SELECT coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'), p.proname, a.privilege_type
		      FROM pg_proc p CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		     WHERE p.pronamespace = 'river'::regnamespace AND a.grantee <> p.proowner
		    UNION ALL
		    SELECT coalesce(nullif(a.grantee, 0)::regrole::text, 'PUBLIC'), n.nspname, a.privilege_type
		      FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) a
		     WHERE n.nspname = 'river' AND a.grantee <> n.nspowner) AS g GROUP BY role, object ORDER BY role, object`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"memberintel_app river: USAGE",
		"memberintel_app river_job: DELETE, INSERT, SELECT, UPDATE",
		"memberintel_app river_job_id_seq: USAGE",
		"memberintel_app river_job_state_in_bitmask: EXECUTE",
		"memberintel_app river_leader: DELETE, INSERT, SELECT, UPDATE",
		"memberintel_app river_queue: DELETE, INSERT, SELECT, UPDATE",
		"memberintel_service river: USAGE",
		"memberintel_service river_job: INSERT, SELECT, UPDATE (kind)",
		"memberintel_service river_job_id_seq: USAGE",
		"memberintel_service river_job_state_in_bitmask: EXECUTE",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rights in the engine's schema (-reviewed +found):\n%s", diff)
	}
}

// TestLostConnectionsAreReplaced takes all of them away, as a restart of PostgreSQL does, with jobs under way.
func TestLostConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	e, super := engine(t, db), pgtest.Superuser(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	done, ended := make(chan int64, 100), make(chan error, 1)
	under, resume := make(chan struct{}), make(chan struct{})
	go func() {
		ended <- e.Run(ctx, map[job.Kind]job.Handler{job.Sync: func(_ context.Context, j job.Job) error {
			if j.RunID == 1 {
				close(under)
				<-resume
			}
			done <- j.RunID
			return nil
		}})
	}()
	enqueue(t, db, e, job.Job{Kind: job.Sync, RunID: 1, Gen: 1})
	<-under
	if _, err := super.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND usename = 'memberintel_app'`); err != nil {
		t.Fatal(err)
	}
	close(resume)
	for run := range int64(20) {
		enqueue(t, db, e, job.Job{Kind: job.Sync, RunID: 2 + run, Gen: 1})
	}
	limit := time.After(time.Minute)
	for seen := map[int64]bool{}; len(seen) < 21; {
		select {
		case run := <-done:
			seen[run] = true
		case <-limit:
			t.Fatalf("%d of 21 jobs were delivered", len(seen))
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	var open int
	if err := super.QueryRow(t.Context(), `SELECT count(*) FROM river.river_job WHERE state <> 'completed'`).Scan(&open); err != nil || open > 0 {
		t.Errorf("%d jobs are not done, %v", open, err)
	}
}

func TestRunDoesNotWaitForEverForAHandler(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	e := engine(t, db)
	ctx, cancel := context.WithCancel(t.Context())
	under, let := make(chan struct{}), make(chan struct{})
	defer close(let)
	ended := make(chan error, 1)
	go func() {
		ended <- e.Run(ctx, map[job.Kind]job.Handler{job.Sync: func(context.Context, job.Job) error {
			close(under)
			<-let
			return nil
		}})
	}()
	enqueue(t, db, e, job.Job{Kind: job.Sync, RunID: 1, Gen: 1})
	<-under
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, river.ErrAbandoned) {
			t.Errorf("Run ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Error("Run did not end")
	}
}

func TestRunThatIsToldToEndAtOnce(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := engine(t, migrated(t)).Run(ctx, map[job.Kind]job.Handler{job.Sync: func(context.Context, job.Job) error { return nil }})
	if err != nil {
		t.Error(err)
	}
}

func TestFailuresAreLoggedWithTheirRun(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	var lines lines
	e, err := river.New(db, river.Config{Log: slog.New(slog.NewTextHandler(&lines, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	again := make(chan struct{}, 10)
	failed := map[int64]bool{}
	var mu sync.Mutex
	ended := make(chan error, 1)
	go func() {
		ended <- e.Run(ctx, map[job.Kind]job.Handler{job.Sync: func(_ context.Context, j job.Job) error {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case failed[j.RunID]:
				again <- struct{}{}
				return nil
			case j.RunID == 41:
				failed[41] = true
				return errors.New("the disk is full")
			}
			failed[j.RunID] = true
			panic("a mistake")
		}})
	}()
	enqueue(t, db, e, job.Job{Kind: job.Sync, RunID: 41, Gen: 3}, job.Job{Kind: job.Sync, RunID: 42, Gen: 3})
	<-again
	<-again
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	got := lines.String()
	for _, want := range []string{
		`level=WARN msg="job failed and will be delivered again" kind=sync run_id=41 gen=3 attempt=1 error="the disk is full"`,
		`level=ERROR msg="job panicked" kind=sync run_id=42 gen=3 attempt=1 panic="a mistake" trace=`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "level=INFO") {
		t.Errorf("the log tells of daily life:\n%s", got)
	}
}

// lines is a log that several write.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A run whose delivery is sent again has the place of the first one.
func TestWhatWaitsLongestGoesFirst(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	e, err := river.New(db, river.Config{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	enqueue(t, db, e, job.Job{Kind: job.Sync, RunID: 1, Gen: 1, NotBefore: now.Add(-time.Minute)})
	enqueue(t, db, e, job.Job{Kind: job.Sync, RunID: 2, Gen: 1, NotBefore: now})
	enqueue(t, db, e, job.Job{Kind: job.Sync, RunID: 3, Gen: 2, NotBefore: now.Add(-time.Hour)})
	ctx, cancel := context.WithCancel(t.Context())
	ended, order := make(chan error, 1), make(chan int64, 3)
	go func() {
		ended <- e.Run(ctx, map[job.Kind]job.Handler{job.Sync: func(_ context.Context, j job.Job) error { order <- j.RunID; return nil }})
	}()
	if got := []int64{<-order, <-order, <-order}; !cmp.Equal(got, []int64{3, 1, 2}) {
		t.Errorf("they came as %v", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAKindThatNoQueueCanBearIsRefused(t *testing.T) {
	t.Parallel()
	db := migrated(t)
	e := engine(t, db)
	err := db.ServiceTx(t.Context(), func(tx *postgres.ServiceTx) error {
		_, err := e.Enqueue(t.Context(), tx.Tx, []job.Job{{Kind: "no kind", RunID: 1, Gen: 1}})
		return err
	})
	if err == nil {
		t.Error("taken")
	}
}
