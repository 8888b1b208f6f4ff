package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"memberintel/internal/postgres"
	"memberintel/internal/postgres/embedded"
)

// server is the PostgreSQL of this run: durable, in a folder of its own on disk.
type server struct {
	instance *embedded.Instance
	folder   string
	made     int
}

const template = "bench_template"

// startServer starts it, with further settings of PostgreSQL to try out.
func startServer(ctx context.Context, try map[string]string) (*server, error) {
	folder, err := os.MkdirTemp("", "memberintel-bench-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(folder, 0o755); err != nil { //nolint:gosec // PostgreSQL may run as somebody else
		return nil, err
	}
	s := &server{folder: folder}
	if s.instance, err = embedded.Start(ctx, embedded.Options{DataDir: folder, Settings: try}); err != nil {
		return nil, err
	}
	err = postgres.Bootstrap(ctx, s.superuser("postgres"), template)
	if err == nil {
		err = postgres.Migrate(ctx, s.instance.URL(postgres.OwnerRole, template))
	}
	if err != nil {
		s.close()
	}
	return s, err
}

func (s *server) close() {
	_ = s.instance.Close()
	_ = os.RemoveAll(s.folder)
}

func (s *server) superuser(database string) string { return s.instance.URL("postgres", database) }

// exec runs statements as the superuser.
func (s *server) exec(ctx context.Context, database string, statements ...string) error {
	conn, err := pgx.Connect(ctx, s.superuser(database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// fresh makes an empty database with the product's schema. drop takes it away.
func (s *server) fresh(ctx context.Context) (name string, drop func(), err error) {
	s.made++
	name = fmt.Sprintf("bench_%d", s.made)
	err = s.exec(ctx, "postgres", "CREATE DATABASE "+name+" TEMPLATE "+template+" OWNER "+postgres.OwnerRole, "CHECKPOINT")
	return name, func() {
		_ = s.exec(context.WithoutCancel(ctx), "postgres", "DROP DATABASE "+name+" WITH (FORCE)")
	}, err
}

// open connects to a database as the program does.
func (s *server) open(ctx context.Context, database string) (*postgres.DB, error) {
	return postgres.Connect(ctx, s.instance.URL(postgres.AppRole, database), s.instance.URL(postgres.OwnerRole, database), 0)
}

// describe tells what the figures stand on.
func (s *server) describe(ctx context.Context) string {
	conn, err := pgx.Connect(ctx, s.superuser("postgres"))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = conn.Close(ctx) }()
	var version, fsync, commit, toast string
	err = conn.QueryRow(ctx, `SELECT current_setting('server_version'), current_setting('fsync'),
		current_setting('synchronous_commit'), current_setting('default_toast_compression')`).Scan(&version, &fsync, &commit, &toast)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d cores (program, PostgreSQL and load together), PostgreSQL %s, fsync %s, synchronous_commit %s, toast %s, %s",
		runtime.NumCPU(), version, fsync, commit, toast, runtime.Version())
}

// cpu is the processor time in seconds that this process and PostgreSQL, children included, have used.
func (s *server) cpu() (self, database float64) {
	var use unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &use)
	self = seconds(use.Utime) + seconds(use.Stime)
	pid, err := s.postmaster()
	if err != nil {
		return self, 0
	}
	const hz = 100
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		raw, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(raw), ") ")
		f := strings.Fields(after)
		own := strings.TrimSuffix(strings.TrimPrefix(name, "/proc/"), "/stat") == pid
		if len(f) < 15 || !own && f[1] != pid {
			continue
		}
		database += (number(f[11]) + number(f[12])) / hz
		if own { // of those that have ended
			database += (number(f[13]) + number(f[14])) / hz
		}
	}
	return self, database
}

func (s *server) postmaster() (string, error) {
	found, _ := filepath.Glob(filepath.Join(s.folder, "postgres", "*", "postmaster.pid"))
	if len(found) == 0 {
		return "", errors.New("no postmaster.pid")
	}
	raw, err := os.ReadFile(found[0])
	if err != nil {
		return "", err
	}
	pid, _, _ := strings.Cut(string(raw), "\n")
	return strings.TrimSpace(pid), nil
}

func seconds(t unix.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }

func number(s string) float64 {
	n, _ := strconv.ParseFloat(s, 64)
	return n
}

// statements prints what PostgreSQL spent on each statement, an event.
func (s *server) statements(ctx context.Context, database string, events int) {
	conn, err := pgx.Connect(ctx, s.superuser(database))
	if err != nil {
		return
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `SELECT sum(calls)::bigint, sum(total_exec_time + total_plan_time) * 1000, sum(rows)::bigint, regexp_replace(left(query, 400), '\s+', ' ', 'g') AS text
		FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
		GROUP BY text ORDER BY 2 DESC LIMIT 30`) // a temporary table makes the same text another statement on each connection
	if err != nil {
		return
	}
	var calls, n int64
	var us float64
	var query string
	_, _ = pgx.ForEachRow(rows, []any{&calls, &us, &n, &query}, func() error {
		fmt.Printf("%8d calls %8.1f us an event %8.1f us a call %8d rows  %.150s\n", calls, us/float64(events), us/float64(calls), n, query)
		return nil
	})
}
