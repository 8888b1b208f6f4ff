// Package pgtest gives each test a migrated database of its own, on a real
// PostgreSQL, connected as the application role: a test that worked as a
// superuser would never meet row-level security.
//
// All test processes of a user share one server, which keeps its data between
// runs and stops when the last of them ends. It trades every durability for
// speed; see cluster.go. The schema is migrated once into a template, and a
// test's database is a copy of that; see template.go.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/postgres"
)

// New returns a fresh, migrated, empty database, connected as memberintel_app.
// It is dropped when t ends, with the logins of the readers made in it.
func New(t testing.TB) *postgres.DB {
	t.Helper()
	ctx := t.Context()
	c, err := shared()
	if err != nil {
		t.Fatalf("pgtest: the test server: %v", err)
	}
	name, err := c.clone(ctx)
	if err != nil {
		t.Fatalf("pgtest: a database for this test: %v", err)
	}
	t.Cleanup(func() {
		if err := c.drop(context.WithoutCancel(ctx), name); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	db, err := postgres.Connect(ctx, c.instance.URL(postgres.AppRole, name), c.instance.URL(postgres.OwnerRole, name), 0)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(db.Close)
	return db
}

// Owner returns connections of the schema's owner, whom no policy hides rows from.
func Owner(t testing.TB, db *postgres.DB) *pgxpool.Pool {
	t.Helper()
	return Login(t, db, postgres.OwnerRole)
}

// Superuser returns connections of the server's superuser, for what even the
// owner may not do, such as reading every role of the catalogue.
func Superuser(t testing.TB, db *postgres.DB) *pgxpool.Pool {
	t.Helper()
	return Login(t, db, "postgres")
}

// Login returns connections of any role that may log in, such as a tenant's
// reader, to db's database. The pool is closed when t ends.
func Login(t testing.TB, db *postgres.DB, role string) *pgxpool.Pool {
	t.Helper()
	target, err := url.Parse(db.OwnerURL())
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	target.User = url.User(role)
	pool, err := pgxpool.New(t.Context(), target.String())
	if err != nil {
		t.Fatalf("pgtest: log in as %s: %v", role, err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// SetNow makes memberintel_now() return now, standing still, in db alone, for
// every statement that begins afterwards. The zero time gives the database's
// own clock back. Only the owner can do it; the application role cannot.
func SetNow(t testing.TB, db *postgres.DB, now time.Time) {
	t.Helper()
	body := "SELECT now()"
	if !now.IsZero() {
		body = fmt.Sprintf("SELECT timestamptz '%s'", now.UTC().Format("2006-01-02 15:04:05.999999Z"))
	}
	pool := Owner(t, db)
	defer pool.Close()
	if _, err := pool.Exec(t.Context(), "CREATE OR REPLACE FUNCTION memberintel_now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ "+body+" $$"); err != nil {
		t.Fatalf("pgtest: set the clock: %v", err)
	}
}
