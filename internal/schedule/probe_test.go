package schedule

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/job"
	"memberintel/internal/job/river"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// probe is what a process is told.
type probe struct {
	AppURL, OwnerURL string
	TTL, Busy        time.Duration
	MaxRuns          int
	Workers          int
	River            bool // the job engine is River; else the table of tableQueue
}

const probeVariable = "MEMBERINTEL_SCHEDULE_PROBE"

func TestMain(m *testing.M) {
	if told := os.Getenv(probeVariable); told != "" {
		var p probe
		err := json.Unmarshal([]byte(told), &p)
		if err == nil {
			err = p.run()
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// run works until the test ends, which closes stdin, or until it is killed.
func (p probe) run() error {
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	db, err := postgres.Connect(ctx, p.AppURL, p.OwnerURL, 0)
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "probe")
	if err != nil {
		return err
	}
	vault, err := connection.OpenVault(filepath.Join(folder, "key"))
	if err = errors.Join(err, os.RemoveAll(folder)); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	ledger := &syncrun.Ledger{
		DB: db, Warehouse: warehouse.New(), Connections: connection.NewStore(vault), Log: log, TTL: p.TTL, MaxRuns: p.MaxRuns,
	}
	scheduler := &Scheduler{DB: db, Ledger: ledger, Log: log, Busy: p.Busy}
	worker := &Worker{Scheduler: scheduler, Syncs: map[connection.Pipeline]Sync{connection.Stripe: probeSync(ledger)}}
	if !p.River {
		scheduler.Queue = tableQueue{}
		fmt.Println("ready")
		p.workOnTable(ctx, db, worker.Handle, log)
		return ctx.Err()
	}
	engine, err := river.New(db, river.Config{Workers: p.Workers, Log: log})
	if err != nil {
		return err
	}
	scheduler.Queue = engine
	fmt.Println("ready")
	return engine.Run(ctx, map[job.Kind]job.Handler{job.Sync: worker.Handle})
}

func (p probe) workOnTable(ctx context.Context, db *postgres.DB, handle job.Handler, log *slog.Logger) {
	var group sync.WaitGroup
	for range p.Workers {
		group.Go(func() {
			for ctx.Err() == nil {
				if err := (tableQueue{}).handleNext(ctx, db, handle); err != nil && ctx.Err() == nil {
					log.Warn("job failed", "error", err)
				}
			}
		})
	}
	group.Wait()
}

// tableQueue is a job engine that delivers at most once, and some jobs twice.
type tableQueue struct{}

func (tableQueue) Enqueue(ctx context.Context, tx pgx.Tx, jobs []job.Job) (func(context.Context) error, error) {
	for _, j := range jobs {
		_, err := tx.Exec(ctx, `INSERT INTO probe_job (run_id, gen, not_before, twice) VALUES ($1, $2, $3, random() < 0.2)`, j.RunID, j.Gen, j.NotBefore)
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (tableQueue) handleNext(ctx context.Context, db *postgres.DB, handle job.Handler) error {
	j, found := job.Job{Kind: job.Sync}, true
	err := db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		var id int64
		var twice bool
		err := tx.QueryRow(ctx, `SELECT job_id, run_id, gen, twice FROM probe_job WHERE not_before <= now() ORDER BY job_id LIMIT 1
			FOR UPDATE SKIP LOCKED`).Scan(&id, &j.RunID, &j.Gen, &twice)
		if errors.Is(err, pgx.ErrNoRows) {
			found = false
			return nil
		}
		if err == nil && twice {
			_, err = tx.Exec(ctx, `UPDATE probe_job SET twice = false WHERE job_id = $1`, id)
		} else if err == nil {
			_, err = tx.Exec(ctx, `DELETE FROM probe_job WHERE job_id = $1`, id)
		}
		return err
	})
	if err == nil && found {
		return handle(ctx, j)
	}
	select {
	case <-ctx.Done():
	case <-time.After(20 * time.Millisecond):
	}
	return err
}

// probeSync is a sync of a few small commits. Each writes, in its transaction, who made it and when.
func probeSync(ledger *syncrun.Ledger) Sync {
	return func(ctx context.Context, c connection.Connection, ticket syncrun.Ticket) (syncrun.Report, error) {
		run, runCtx, err := ledger.BeginQueued(ctx, c, ticket)
		if err != nil {
			return syncrun.Report{}, err
		}
		me := uuid.New()
		for i := 0; i < 6 && err == nil; i++ {
			work := member(fmt.Sprint("cus_", i), i)
			work.Also = func(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) error {
				_, err := tx.Exec(ctx, `INSERT INTO probe_write (tenant, run_id, worker, last) VALUES ($1, $2, $3, $4)`, c.TenantID, run.ID, me, i == 5)
				return err
			}
			err = run.Commit(context.WithoutCancel(runCtx), work) // a worker that does not know that it is dead
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(rand.IntN(100)) * time.Millisecond):
			}
		}
		if fault.Is(err, fault.Busy) {
			_ = ledger.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
				_, err := tx.Exec(ctx, `INSERT INTO probe_refused (run_id, worker) VALUES ($1, $2)`, run.ID, me)
				return err
			})
		}
		return run.Finish(runCtx, syncrun.Outcome{}, err)
	}
}

// process is one of the probe's processes.
type process struct {
	command *exec.Cmd
	stdin   io.Closer
}

func (p probe) start(t *testing.T) *process {
	t.Helper()
	told, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self) //nolint:gosec // this very program
	command.Env = append(os.Environ(), probeVariable+"="+string(told))
	command.Stderr = os.Stderr
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	if !bufio.NewScanner(stdout).Scan() {
		t.Fatal("a process did not come up")
	}
	return &process{command, stdin}
}

func (p *process) kill() {
	_ = p.command.Process.Kill()
	_ = p.stdin.Close()
	_ = p.command.Wait()
}
