package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/alert"
	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/identity"
	"memberintel/internal/job"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/schedule"
	"memberintel/internal/syncrun"
	"memberintel/internal/telemetry"
	"memberintel/internal/tenant"
)

var sickStart = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// ward is the whole program on a clock that stands still: the real schedule, ledger, health and mails, a job engine
// whose deliveries wait until a test takes them, and a pipeline that does nothing but ask sites with care.
type ward struct {
	t       *testing.T
	house   *house
	clock   *pgtest.Clock
	now     time.Time
	queue   *drawer
	worker  *schedule.Worker
	watcher *alert.Watcher
	sender  *alert.Sender
	mails   *sink
	pages   int // that a sync asks for

	mu    sync.Mutex
	clubs map[connection.ID]*patient
}

// drawer is a job engine that keeps what it is given.
type drawer struct {
	mu   sync.Mutex
	jobs []job.Job
}

// Enqueue puts them in.
func (d *drawer) Enqueue(_ context.Context, _ pgx.Tx, jobs []job.Job) (func(context.Context) error, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.jobs = append(d.jobs, jobs...)
	return nil, nil
}

// take returns the job that is due first, false when there is none.
func (d *drawer) take() (job.Job, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.jobs) == 0 {
		return job.Job{}, false
	}
	slices.SortStableFunc(d.jobs, func(a, b job.Job) int { return a.NotBefore.Compare(b.NotBefore) })
	first := d.jobs[0]
	d.jobs = d.jobs[1:]
	return first, true
}

func newWard(t *testing.T, spared care.Config) *ward {
	t.Helper()
	db := pgtest.New(t)
	w := &ward{t: t, mails: newSink(t), queue: &drawer{}, clubs: map[connection.ID]*patient{}, now: sickStart, clock: pgtest.NewClock(t, db, sickStart), pages: 1}
	w.house = w.another(db)
	w.worker = w.workerOf(w.house, spared)
	p := &program{Settings: Settings{SMTPURL: w.mails.url(), PublicURL: "https://memberintel.example.org"}}
	w.watcher = p.watcher(w.house)
	var err error
	if w.sender, err = p.sender(w.house); err != nil {
		t.Fatal(err)
	}
	return w
}

// another puts the program together as another process has it.
func (w *ward) another(db *postgres.DB) *house {
	w.t.Helper()
	p := &program{Settings: Settings{KeyFile: filepath.Join(w.t.TempDir(), "key.json"), StripeAPIVersion: "2026-08-26.dahlia"}, log: telemetry.NewLogger(io.Discard, slog.LevelError, false)}
	h, err := p.furnish(db)
	if err != nil {
		w.t.Fatal(err)
	}
	h.scheduler.Queue, h.scheduler.Chance = w.queue, func() float64 { return 0 }
	return h
}

func (w *ward) workerOf(h *house, spared care.Config) *schedule.Worker {
	if spared.Sleep == nil {
		spared.Sleep = func(_ context.Context, d time.Duration) error { w.pass(d); return nil }
	}
	known := care.New(h.db, spared)
	return &schedule.Worker{Scheduler: h.scheduler, Syncs: map[connection.Pipeline]schedule.Sync{
		connection.MemberPress: func(ctx context.Context, c connection.Connection, t syncrun.Ticket) (syncrun.Report, error) {
			run, ctx, err := h.ledger.BeginQueued(ctx, c, t)
			if err != nil {
				return syncrun.Report{}, err
			}
			return run.Finish(ctx, syncrun.Outcome{DataAsOf: run.StartedAt}, w.pull(ctx, run, known))
		},
	}}
}

// pull is the pipeline: it asks for pages one after another and commits a checkpoint for each.
func (w *ward) pull(ctx context.Context, run *syncrun.Run, known *care.Care) error {
	w.mu.Lock()
	c := w.clubs[run.Connection.ID]
	w.mu.Unlock()
	where, err := fetch.NewSite(c.client, known, c.tenant, c.connection, c.url)
	if err != nil {
		return err
	}
	for page := range w.pages {
		answer, err := where.Ask(ctx, func(care.Permit) (fetch.Request, error) { return fetch.Request{URL: c.url, JSON: true}, nil })
		if err != nil {
			return err
		}
		var said struct{ Protocol int }
		if err := json.Unmarshal(answer.Body, &said); err != nil || said.Protocol != 1 {
			return fault.Wrap(fault.Schema, err, "%s answers in a shape that this version does not understand.", sickHost)
		}
		err = run.Commit(ctx, syncrun.Work{Checkpoints: []syncrun.Checkpoint{{Stream: "members", Position: fmt.Sprint(page), Records: 1}}})
		if err != nil {
			return err
		}
	}
	return nil
}

// admit gives the club a tenant, a connection that is due each day and somebody to write to.
func (w *ward) admit(c *patient, name string) {
	w.t.Helper()
	ctx := w.t.Context()
	created, err := identity.CreateTenant(ctx, w.house.db, name, tenant.Pro)
	if err != nil {
		w.t.Fatal(err)
	}
	c.tenant, c.email = created.ID, fmt.Sprintf("owner-%d@lakeside.example", len(w.clubs))
	if _, err := identity.SetContact(ctx, w.house.db, c.tenant, c.email, "test"); err != nil {
		w.t.Fatal(err)
	}
	w.as(c, func(tx *postgres.TenantTx) error {
		made, _, err := w.house.connections.Connect(ctx, tx, connection.Request{Pipeline: connection.MemberPress, SourceAccountID: c.url})
		c.connection = made.ID
		return err
	})
	w.mu.Lock()
	w.clubs[c.connection] = c
	w.mu.Unlock()
	w.request(c, syncrun.Connecting)
}

func (w *ward) as(c *patient, fn func(*postgres.TenantTx) error) {
	w.t.Helper()
	if err := w.house.db.TenantTx(w.t.Context(), c.tenant, fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *ward) request(c *patient, cause syncrun.Cause) {
	w.t.Helper()
	if _, err := w.house.scheduler.RequestNow(w.t.Context(), schedule.Order{ConnectionID: c.connection, Cause: cause}); err != nil {
		w.t.Fatal(err)
	}
}

// pass lets time go by and returns what it is then.
func (w *ward) pass(d time.Duration) time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.clock.Advance(max(d, 0))
	return w.now
}

// next lets the time come for what waits first, has it done, and looks and writes mails as the scheduler's role does.
// It returns false when nothing waits.
func (w *ward) next(c *patient) bool {
	w.t.Helper()
	due, waits := w.queue.take()
	if !waits {
		return false
	}
	w.pass(due.NotBefore.Sub(w.now))
	if err := w.worker.Handle(w.t.Context(), due); err != nil {
		w.t.Fatal(err)
	}
	c.site.WaitIdle()
	w.tell()
	return true
}

func (w *ward) tell() {
	w.t.Helper()
	if err := w.watcher.Watch(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.sender.Send(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// turn lets the club's regular turn come, and the schedule ask for it.
func (w *ward) turn(c *patient) {
	w.t.Helper()
	w.pass(w.stored(c).NextSyncAt.Sub(w.now) + time.Second)
	if n, err := w.house.scheduler.Tick(w.t.Context()); n != 1 || err != nil {
		w.t.Fatalf("the tick asks for %d, %v", n, err)
	}
}

// stored is the club's connection as it is stored, and shown as status tells it.
func (w *ward) stored(c *patient) (found connection.Connection) {
	w.t.Helper()
	w.as(c, func(tx *postgres.TenantTx) (err error) {
		found, err = w.house.connections.Get(w.t.Context(), tx, connection.MemberPress)
		return err
	})
	return found
}

func (w *ward) shown(c *patient) connectionStatus {
	w.t.Helper()
	status, err := w.house.status(w.t.Context(), identity.Tenant{ID: c.tenant})
	if err != nil || len(status.Connections) != 1 {
		w.t.Fatalf("%d connections, %v", len(status.Connections), err)
	}
	return status.Connections[0]
}

// runs counts the club's runs that ended so.
func (w *ward) runs(c *patient, status syncrun.Status) (n int) {
	w.t.Helper()
	w.as(c, func(tx *postgres.TenantTx) error {
		return tx.QueryRow(w.t.Context(), `SELECT count(*) FROM sync_run WHERE status = $1`, status).Scan(&n)
	})
	return n
}
