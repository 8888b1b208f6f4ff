package schedule

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/job"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

// The probe lets processes that are killed and stopped at random work off many small syncs of few tenants, and then
// looks whether two of them ever wrote for one tenant at the same time. Its job engine is a table from which
// deliveries get lost, with the process that took them, and some come twice.

var exclusiveFull = flag.Bool("exclusive.full", false, "20 tenants with 200 syncs each, leases as in production")

// probe is what a process is told.
type probe struct {
	AppURL, OwnerURL string
	TTL              time.Duration
	MaxRuns          int
	Workers          int
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
	worker := &Worker{
		Scheduler: &Scheduler{DB: db, Ledger: ledger, Queue: tableQueue{}, Log: log},
		Syncs:     map[connection.Pipeline]Sync{connection.Stripe: probeSync(ledger)},
	}
	var group sync.WaitGroup
	for range p.Workers {
		group.Go(func() {
			for ctx.Err() == nil {
				if err := (tableQueue{}).handleNext(ctx, db, worker.Handle); err != nil && ctx.Err() == nil {
					log.Warn("job failed", "error", err)
				}
			}
		})
	}
	fmt.Println("ready")
	group.Wait()
	return ctx.Err()
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

func TestNoTwoWorkersWriteForOneTenant(t *testing.T) {
	tenants, each, blows, p := 5, 16, 12, probe{TTL: time.Second, MaxRuns: 6, Workers: 4}
	if *exclusiveFull {
		tenants, each, blows, p.TTL = 20, 200, 1<<30, syncrun.LeaseTTL
	}
	w := newWorld(t)
	p.AppURL, p.OwnerURL = w.db.AppURL(), w.db.OwnerURL()
	w.ledger.TTL, w.ledger.MaxRuns, w.scheduler.Queue, w.scheduler.Lost = p.TTL, p.MaxRuns, tableQueue{}, 2*p.TTL
	w.exec(`CREATE TABLE probe_job (job_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run_id bigint, gen integer, not_before timestamptz, twice boolean)`)
	w.exec(`CREATE TABLE probe_write (tenant uuid, run_id bigint, worker uuid, last boolean, at timestamptz DEFAULT clock_timestamp())`)
	w.exec(`CREATE TABLE probe_refused (run_id bigint, worker uuid)`)
	w.exec(`GRANT ALL ON probe_job, probe_write, probe_refused TO memberintel_app, memberintel_service`)
	var connections []connection.Connection
	for range tenants {
		connections = append(connections, w.connect(connection.Stripe, tenant.Pro))
	}
	var processes []*process
	for range 3 {
		processes = append(processes, p.start(t))
	}
	defer func() {
		for _, process := range processes {
			process.kill()
		}
	}()
	killed, stopped := w.disturb(p, processes, connections, each, blows)

	t.Logf("%d kills, %d stops; %s runs, %s took more than one worker, %s late writes were refused", killed, stopped,
		w.text(`SELECT count(*)::text FROM sync_run WHERE status = 'succeeded'`),
		w.text(`SELECT count(*)::text FROM (SELECT run_id FROM probe_write GROUP BY run_id HAVING count(DISTINCT worker) > 1) s`),
		w.text(`SELECT count(*)::text FROM probe_refused`))
	t.Log("from a dead worker's last write to the next worker's first:", w.text(`
		SELECT coalesce(format('p50 %s s, max %s s, of %s', round(percentile_cont(0.5) WITHIN GROUP (ORDER BY s)::numeric, 2), round(max(s)::numeric, 2), count(*)), 'none')
		  FROM (SELECT extract(epoch FROM min(at) - lag(max(at)) OVER (PARTITION BY run_id ORDER BY min(at))) AS s
		          FROM probe_write GROUP BY run_id, worker) g WHERE s IS NOT NULL HAVING count(*) > 0 UNION ALL SELECT 'none' LIMIT 1`))
	if got := w.text(`SELECT count(*)::text FROM (
			SELECT min(at) AS began, lag(max(at)) OVER (PARTITION BY tenant ORDER BY min(at)) AS before FROM probe_write GROUP BY tenant, worker
		) s WHERE began < before`); got != "0" {
		t.Errorf("%s times a worker wrote while another one of the same tenant had not written its last", got)
	}
	if got := w.text(`SELECT max(n)::text FROM (
			SELECT (SELECT count(*) FROM (SELECT min(at) AS began, max(at) AS ended FROM probe_write GROUP BY worker) o WHERE s.at BETWEEN o.began AND o.ended) AS n
			  FROM (SELECT min(at) AS at FROM probe_write GROUP BY worker) s) m`); len(got) > 1 || got > fmt.Sprint(p.MaxRuns) {
		t.Errorf("%s ran at once, the cap is %d", got, p.MaxRuns)
	}
	if got := w.text(`SELECT count(*)::text FROM sync_run r WHERE r.status = 'succeeded'
			AND NOT EXISTS (SELECT FROM probe_write p WHERE p.run_id = r.run_id AND p.last)`); got != "0" {
		t.Errorf("%s runs succeeded without their last write", got)
	}
	if took := w.text(`SELECT (coalesce(max(s), 0) < 60)::text FROM (
			SELECT extract(epoch FROM min(at) - lag(max(at)) OVER (PARTITION BY run_id ORDER BY min(at))) AS s FROM probe_write p
			 WHERE (SELECT gen = attempt AND attempt <= 4 FROM sync_run r WHERE r.run_id = p.run_id) -- its delivery was not lost as well
			 GROUP BY run_id, worker) g`); took != "true" {
		t.Error("a takeover took more than a minute")
	}
}

// disturb kills and stops processes at random, at most so many times, until each connection has had so many syncs.
func (w *world) disturb(p probe, processes []*process, connections []connection.Connection, each, blows int) (killed, stopped int) {
	w.t.Helper()
	pause := time.NewTicker(200 * time.Millisecond)
	defer pause.Stop()
	blow, asleep, sleeper := time.Now(), time.Now(), -1
	for deadline := time.Now().Add(20 * time.Minute); ; <-pause.C {
		w.sweep()
		open := 0
		for _, c := range connections {
			var done, underWay int
			w.scan(&done, `SELECT count(*) FROM sync_run WHERE connection_id = $1 AND status = 'succeeded'`, c.ID)
			w.scan(&underWay, `SELECT count(*) FROM sync_run WHERE connection_id = $1 AND status IN ('queued', 'running')`, c.ID)
			if done < each {
				open++
			}
			if done+underWay < each && (underWay == 0 || rand.IntN(400) == 0) { // sometimes beside one that runs
				w.request(c, syncrun.Button, "")
			}
		}
		if open == 0 {
			return killed, stopped
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("not done in time: %s", w.runs())
		}
		if time.Since(blow) < time.Second+p.TTL/10 || killed+stopped >= blows {
			continue
		}
		blow = time.Now()
		i := rand.IntN(len(processes))
		if time.Now().Before(asleep) && i == sleeper {
			i = (i + 1) % len(processes) // it is to wake up
		}
		if rand.IntN(3) > 0 || time.Now().Before(asleep) {
			killed++
			processes[i].kill()
			processes[i] = p.start(w.t)
			continue
		}
		stopped++ // one at a time, for long enough that others take over, and then it wakes up
		asleep, sleeper = time.Now().Add(p.TTL*3/2+time.Second), i
		_ = processes[i].command.Process.Signal(syscall.SIGSTOP)
		process := processes[i].command.Process
		time.AfterFunc(p.TTL*3/2, func() { _ = process.Signal(syscall.SIGCONT) })
	}
}
