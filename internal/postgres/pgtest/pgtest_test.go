package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"memberintel/internal/postgres"
)

// processVariable makes the test binary one more process that uses the server.
const processVariable = "MEMBERINTEL_PGTEST_PROCESS"

func TestMain(m *testing.M) {
	if dir := os.Getenv(processVariable); dir != "" {
		c, err := open(context.Background(), dir)
		if err == nil {
			_, err = c.clone(context.Background()) // left behind, as by a killed test
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Fprintln(os.Stderr, "template", c.template)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	one, other := New(t), New(t)
	for _, db := range []*postgres.DB{one, other} {
		owner := Owner(t, db)
		if _, err := owner.Exec(t.Context(), "INSERT INTO tenant (name, plan) VALUES ('club', 'pro')"); err != nil {
			t.Fatal(err)
		}
		var count int
		if err := owner.QueryRow(t.Context(), "SELECT count(*) FROM tenant").Scan(&count); err != nil || count != 1 {
			t.Errorf("%d tenants, %v", count, err)
		}
	}
}

func TestConnectedAsTheApplicationRole(t *testing.T) {
	db := New(t)
	if _, err := Owner(t, db).Exec(t.Context(), "INSERT INTO tenant (name, plan) VALUES ('club', 'pro')"); err != nil {
		t.Fatal(err)
	}
	app := Login(t, db, postgres.AppRole)
	var role string
	var count int
	if err := app.QueryRow(t.Context(), "SELECT current_user, (SELECT count(*) FROM tenant)").Scan(&role, &count); err != nil {
		t.Fatal(err)
	}
	if role != postgres.AppRole || count != 0 {
		t.Errorf("%s sees %d tenants outside a tenant's transaction", role, count)
	}
	if !strings.Contains(db.AppURL(), postgres.AppRole) {
		t.Errorf("the database connects to %s", db.AppURL())
	}
}

func TestDatabaseIsDroppedAtTheEnd(t *testing.T) {
	var name string
	t.Run("inner", func(t *testing.T) {
		db := New(t)
		owner := Owner(t, db)
		if err := owner.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
			t.Fatal(err)
		}
	})
	var left int
	if err := Superuser(t, New(t)).QueryRow(t.Context(), "SELECT count(*) FROM pg_database WHERE datname = $1", name).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Errorf("%s is still there", name)
	}
}

func TestSetNow(t *testing.T) {
	db := New(t)
	app := Login(t, db, postgres.AppRole)
	read := func() (now time.Time) {
		t.Helper()
		if err := app.QueryRow(t.Context(), "SELECT memberintel_now()").Scan(&now); err != nil {
			t.Fatal(err)
		}
		return now
	}
	for _, want := range []time.Time{
		time.Date(2031, 2, 3, 4, 5, 6, 789_000_000, time.UTC),
		time.Date(2001, 1, 1, 12, 0, 0, 0, time.FixedZone("", 3600)),
	} {
		SetNow(t, db, want)
		if got := read(); !got.Equal(want) {
			t.Errorf("the clock says %v, want %v", got, want)
		}
	}
	SetNow(t, db, time.Time{})
	if off := time.Since(read()).Abs(); off > time.Minute {
		t.Errorf("the database's own clock is off by %v", off)
	}
	_, err := app.Exec(t.Context(), "CREATE OR REPLACE FUNCTION memberintel_now() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'")
	if pg := new(pgconn.PgError); !errors.As(err, &pg) || pg.Code != "42501" {
		t.Errorf("the application role sets the clock: %v", err)
	}
}

// clusterForTest is a folder that the server's user can reach.
func clusterForTest(t *testing.T) string {
	t.Helper()
	shared, err := clusterDir()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(filepath.Dir(shared), "memberintel-pgtest-") //nolint:usetesting // another user must reach it
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func TestManyProcessesShareOneTemplate(t *testing.T) {
	dir := clusterForTest(t)
	var processes []*exec.Cmd
	var said []*strings.Builder
	for range 6 {
		process, output := exec.Command(os.Args[0]), new(strings.Builder)
		process.Env = append(os.Environ(), processVariable+"="+dir)
		process.Stderr = output
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		processes, said = append(processes, process), append(said, output)
	}
	for i, process := range processes {
		if err := process.Wait(); err != nil || !strings.HasPrefix(said[i].String(), "template ") {
			t.Errorf("process %d: %v %s", i, err, said[i])
		}
	}
	c, err := open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.close(); err != nil {
			t.Error(err)
		}
	}()
	var templates, left int
	if err := c.admin.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE starts_with(datname, 'template_') AND datistemplate),
		count(*) FILTER (WHERE starts_with(datname, 'test_')) FROM pg_database`).Scan(&templates, &left); err != nil {
		t.Fatal(err)
	}
	if templates != 1 || left != 0 {
		t.Errorf("%d templates, %d databases of ended processes", templates, left)
	}
	if _, err := c.admin.Exec(t.Context(), `ALTER DATABASE `+c.template+` WITH IS_TEMPLATE false`); err != nil {
		t.Fatal(err)
	}
	if _, err := c.admin.Exec(t.Context(), `DROP DATABASE `+c.template); err != nil { // as others with newer schemas do
		t.Fatal(err)
	}
	if _, err := c.clone(t.Context()); err != nil {
		t.Errorf("without its template: %v", err)
	}
}

func TestBrokenClusterIsRebuilt(t *testing.T) {
	dir := clusterForTest(t)
	first, err := open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "postgres", "data", "global", "pg_control"), 10); err != nil {
		t.Fatal(err)
	}
	second, err := open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := second.close(); err != nil {
			t.Error(err)
		}
	}()
	if _, err := second.clone(t.Context()); err != nil {
		t.Error(err)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		c, err := shared()
		if err != nil {
			b.Fatal(err)
		}
		name, err := c.clone(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if err := c.drop(b.Context(), name); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTheClockIsMoved(t *testing.T) {
	db := New(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	clock := NewClock(t, db, at)
	for _, step := range []time.Duration{0, time.Hour} {
		want := clock.Advance(step)
		var got time.Time
		err := db.ServiceTx(t.Context(), func(tx *postgres.ServiceTx) error {
			return tx.QueryRow(t.Context(), `SELECT memberintel_now()`).Scan(&got)
		})
		if err != nil || !got.Equal(want) || !want.Equal(at.Add(step)) {
			t.Errorf("got %v, want %v, %v", got, want, err)
		}
	}
}
