package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"memberintel/internal/postgres"
	"memberintel/internal/postgres/embedded"
	"memberintel/internal/schedule"
	sim "memberintel/internal/sim/stripe"
	"memberintel/internal/syncrun"
)

var (
	restartTimes = flag.Int("restart.times", 4, "how often PostgreSQL is crashed under load")
	restartAway  = flag.Duration("restart.away", 0, "for how long it stays away each time")
)

// server is a PostgreSQL of the test's own, which it may crash.
type server struct {
	t       *testing.T
	options embedded.Options
}

func newServer(t *testing.T) *server {
	t.Helper()
	dir := filepath.Dir(demoFolderForTest(t))
	return &server{t: t, options: embedded.Options{DataDir: dir, BinDir: os.Getenv("MEMBERINTEL_POSTGRES_BIN"), Fast: true, Settings: map[string]string{
		"synchronous_commit": "on", // what was committed outlives the server, though not the machine
	}}}
}

// start starts the server, which then lives to the end of the test unless it is crashed.
func (s *server) start() *embedded.Instance {
	s.t.Helper()
	instance, err := embedded.Start(s.t.Context(), s.options)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = instance.Close() })
	return instance
}

// crash is pg_ctl stop -m immediate: all sessions are cut, and nothing is written any more.
func (s *server) crash() {
	s.t.Helper()
	file := filepath.Join(s.options.DataDir, "postgres", "data", "postmaster.pid")
	raw, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(raw), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGQUIT); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "PostgreSQL is gone", func() bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) })
}

// eventually looks again and again, for what tells nobody that it has changed.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit, look := time.After(time.Minute), time.NewTicker(10*time.Millisecond)
	defer look.Stop()
	for !holds() {
		select {
		case <-look.C:
		case <-limit:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// TestARestartOfPostgreSQLUnderLoad crashes PostgreSQL again and again while a server takes webhooks, syncs and ticks.
// Afterwards everything is there once, and nobody is told of anything.
func TestARestartOfPostgreSQLUnderLoad(t *testing.T) {
	const clubs, between = 8, 60
	crashes := *restartTimes
	postgreSQL := newServer(t)
	postgreSQL.start()
	db, err := postgres.Open(t.Context(), postgres.Config{DataDir: postgreSQL.options.DataDir, BinDir: postgreSQL.options.BinDir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	d := newDeskOn(t, db)
	path := "/webhooks/stripe/" + fmt.Sprint(d.connected().at("connection_id"))
	d.sync(exitDone)
	endpoint := d.account.AddEndpoint(sim.EndpointParams{Secrets: []string{deskSecret}, APIVersion: sim.VersionDahlia, Manual: true})
	for i := range 2 * crashes * between {
		d.account.CreateCustomer(sim.CustomerParams{Name: fmt.Sprintf("Member %d", i)})
	}
	bag := fill(t, endpoint)
	all := len(bag.left)

	p, h := d.house()
	fleet := d.fleet(p, h, clubs)
	d.exec(`CREATE TABLE blamed (state text, why text)`)
	d.exec(`CREATE FUNCTION note_blame() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
		BEGIN INSERT INTO blamed VALUES (NEW.state, NEW.last_error_cause); RETURN NULL; END $$`)
	d.exec(`CREATE TRIGGER note_blame AFTER UPDATE ON connection FOR EACH ROW WHEN (NEW.last_error IS NOT NULL) EXECUTE FUNCTION note_blame()`)
	_, own := d.house()
	own.ledger.TTL, own.scheduler.Every, own.scheduler.Lost, own.scheduler.Busy = 3*time.Second, time.Second, 6*time.Second, time.Second
	address, end := d.serve(p, own, roleWeb, roleWorker, roleScheduler)
	bag.address = address
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute+time.Duration(crashes)*(*restartAway+10*time.Second))
	defer cancel()
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() { bag.deliver(ctx, path) })
	}
	feeding, fed := context.WithCancel(ctx)
	var feeder sync.WaitGroup
	feeder.Go(func() { d.feed(feeding, h, fleet) })
	watcher := p.watcher(h)
	for range crashes {
		bag.mu.Lock()
		seen := len(bag.acked)
		bag.mu.Unlock()
		if err := bag.waitFor(ctx, min(seen+between, all-1)); err != nil {
			t.Fatal(err)
		}
		d.holds(time.Minute, "syncs run", `SELECT count(*) > 1 FROM sync_run WHERE status = 'running' AND lease_expires_at > clock_timestamp()`)
		postgreSQL.crash()
		eventually(t, "it says that it is not ready", func() bool { return d.status(address, "/readyz") == http.StatusServiceUnavailable })
		if got := d.status(address, "/healthz"); got != http.StatusOK {
			t.Errorf("/healthz answers %d while PostgreSQL is away", got)
		}
		if err := watcher.Watch(ctx); err == nil {
			t.Error("the watcher saw something where nothing is")
		}
		<-time.After(*restartAway)
		postgreSQL.start()
		eventually(t, "it is ready again", func() bool { return d.status(address, "/readyz") == http.StatusOK })
		if err := watcher.Watch(ctx); err != nil {
			t.Error(err)
		}
	}
	fed()
	feeder.Wait()
	senders.Wait()
	d.holds(time.Minute, "all runs have ended", `SELECT NOT EXISTS (SELECT FROM sync_run WHERE status IN ('queued', 'running') AND mode <> 'live')`)
	if err := watcher.Watch(ctx); err != nil {
		t.Error(err)
	}
	end()

	t.Logf("answers %v; runs: %s", bag.answers, d.text(`SELECT string_agg(format('%s %s', n, what), ', ') FROM (
		SELECT count(*) AS n, concat_ws(' ', status, mode, error_message) AS what FROM sync_run GROUP BY 2) s`))
	d.mustHold(bag)
	for answer := range bag.answers {
		if answer != "200" && answer != "503 30" {
			t.Errorf("%d deliveries were answered %q", bag.answers[answer], answer)
		}
	}
	if len(bag.acked) != all {
		t.Errorf("%d of %d events were answered 200 in the end", len(bag.acked), all)
	}
	if got := d.text(`SELECT (SELECT count(*) FROM alert_incident) || ' incidents, ' || (SELECT count(*) FROM alert_outbox) || ' mails'`); got != "0 incidents, 0 mails" {
		t.Error(got)
	}
	if got := d.text(`SELECT coalesce(string_agg(DISTINCT format('%s: %s', state, why), '; '), '') FROM blamed`); got != "" {
		t.Errorf("a source was blamed: %s", got)
	}
	if got := d.text(`SELECT string_agg(DISTINCT format('%s, %s failures', state, consecutive_failures), '; ') FROM connection`); got != "connected, 0 failures" {
		t.Errorf("the connections are %s", got)
	}
	d.json(exitDone, "status")
	for _, name := range append([]string{"club"}, names(fleet)...) {
		d.must(d.json(exitDone, "sync", "--tenant", name, "--pipeline", "stripe"), map[string]any{"status": "succeeded"})
		d.must(d.json(exitDone, "verify", "--tenant", name, "--pipeline", "stripe"), map[string]any{"status": "succeeded"})
	}
}

// Without a database of its operator's the program has one of its own, which nobody else looks after.
func TestServeStartsItsOwnPostgreSQLAgain(t *testing.T) {
	folder := filepath.Dir(demoFolderForTest(t))
	d := &desk{t: t, env: append(demoEnv(), "MEMBERINTEL_DATA_DIR="+folder)}
	address, end := d.serving("--roles", "web,scheduler")
	own := &server{t: t, options: embedded.Options{DataDir: folder}}
	own.crash()
	eventually(t, "it says that it is not ready", func() bool { return d.status(address, "/readyz") == http.StatusServiceUnavailable })
	eventually(t, "it is ready again", func() bool { return d.status(address, "/readyz") == http.StatusOK })
	if code := end(); code != exitDone {
		t.Errorf("serve ended with %d", code)
	}
}

// feed lets the clubs change and asks for syncs of them, one after the other, until ctx ends. An order that
// PostgreSQL does not take is given up.
func (d *desk) feed(ctx context.Context, h *house, fleet []club) {
	pause := time.NewTicker(20 * time.Millisecond)
	defer pause.Stop()
	for i := 0; ; i++ {
		c := fleet[i%len(fleet)]
		c.account.CreateCustomer(sim.CustomerParams{Name: fmt.Sprint("Member ", i)})
		order := schedule.Order{ConnectionID: c.connection, Cause: syncrun.Button}
		if i%3 == 0 {
			order.Mode = syncrun.Full
		}
		if _, err := h.scheduler.RequestNow(ctx, order); err != nil && ctx.Err() == nil && !postgres.Unavailable(err) {
			d.t.Errorf("a sync was asked for: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
	}
}

func names(fleet []club) (all []string) {
	for _, c := range fleet {
		all = append(all, c.name)
	}
	return all
}

// status asks a server and returns the answer's status.
func (d *desk) status(address, path string) int {
	d.t.Helper()
	code, _ := get(d.t, "http://"+address+path, "")
	return code
}
