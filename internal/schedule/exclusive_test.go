package schedule

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/job/river"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// The probe lets processes that are killed and stopped at random work off many small syncs of few tenants, and then
// looks whether two of them ever wrote for one tenant at the same time. Its job engine is River, as the program's is, or
// a table from which deliveries get lost, with the process that took them, and some come twice.

var exclusiveFull = flag.Bool("exclusive.full", false, "20 tenants with 200 syncs each, leases as in production")

func TestNoTwoWorkersWriteForOneTenant(t *testing.T) {
	tenants, each, blows, p := 5, 16, 12, probe{TTL: time.Second, Busy: time.Second, MaxRuns: 6, Workers: 4}
	if *exclusiveFull {
		tenants, each, blows, p.TTL, p.Busy = 20, 200, 1<<30, syncrun.LeaseTTL, DefaultBusy
	}
	w := newWorld(t)
	w.scheduler.Queue = tableQueue{}
	w.exec(`CREATE TABLE probe_job (job_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run_id bigint, gen integer, not_before timestamptz, twice boolean)`)
	w.exec(`GRANT ALL ON probe_job TO memberintel_app, memberintel_service`)
	w.probe(p, tenants, each, blows)
}

func TestNoTwoWorkersOfRiverWriteForOneTenant(t *testing.T) {
	tenants, each, blows, p := 5, 10, 6, probe{TTL: time.Second, Busy: time.Second, MaxRuns: 6, Workers: 4, River: true}
	if *exclusiveFull {
		tenants, each, blows, p.TTL, p.Busy = 20, 200, 1<<30, syncrun.LeaseTTL, DefaultBusy
	}
	w := newWorld(t)
	if err := river.Migrate(t.Context(), w.db); err != nil {
		t.Fatal(err)
	}
	engine, err := river.New(w.db, river.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w.scheduler.Queue = engine
	w.probe(p, tenants, each, blows)
}

// probe lets three processes work off so many syncs of each tenant.
func (w *world) probe(p probe, tenants, each, blows int) {
	t := w.t
	t.Helper()
	p.AppURL, p.OwnerURL = w.db.AppURL(), w.db.OwnerURL()
	w.ledger.TTL, w.ledger.MaxRuns, w.scheduler.Lost = p.TTL, p.MaxRuns, 2*p.TTL
	w.exec(`CREATE TABLE probe_write (tenant uuid, run_id bigint, worker uuid, last boolean, at timestamptz DEFAULT clock_timestamp())`)
	w.exec(`CREATE TABLE probe_refused (run_id bigint, worker uuid)`)
	w.exec(`GRANT ALL ON probe_write, probe_refused TO memberintel_app, memberintel_service`)
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
		if worn := w.text(`SELECT (coalesce(max(attempt), 0) > $1)::text FROM sync_run WHERE status IN ('queued', 'running')`, crashesAtOnce); worn == "true" && !*exclusiveFull {
			continue // one more, and the run waits for a minute
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
