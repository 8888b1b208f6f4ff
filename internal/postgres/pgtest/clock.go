package pgtest

import (
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"memberintel/internal/postgres"
)

// Clock is a database's time that is moved often: each step is one UPDATE on a connection that stays open,
// where SetNow makes a function anew on a new one. It is safe for concurrent use.
type Clock struct {
	t     testing.TB
	owner *pgxpool.Pool

	mu  sync.Mutex
	now time.Time
}

// NewClock makes memberintel_now() return at, standing still, in db alone, until the clock is moved.
func NewClock(t testing.TB, db *postgres.DB, at time.Time) *Clock {
	t.Helper()
	c := &Clock{t: t, owner: Owner(t, db), now: at}
	_, err := c.owner.Exec(t.Context(), `
		CREATE SCHEMA test_clock;
		CREATE TABLE test_clock.hand (at timestamptz NOT NULL);
		INSERT INTO test_clock.hand VALUES ('epoch');
		GRANT USAGE ON SCHEMA test_clock TO PUBLIC;
		GRANT SELECT ON test_clock.hand TO PUBLIC;
		CREATE OR REPLACE FUNCTION memberintel_now() RETURNS timestamptz LANGUAGE sql STABLE AS 'SELECT at FROM test_clock.hand'`)
	if err != nil {
		t.Fatalf("pgtest: make a clock: %v", err)
	}
	c.Advance(0)
	return c
}

// Advance moves the clock, and returns the new time.
func (c *Clock) Advance(d time.Duration) time.Time {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	if _, err := c.owner.Exec(c.t.Context(), `UPDATE test_clock.hand SET at = $1`, c.now); err != nil {
		c.t.Fatalf("pgtest: move the clock: %v", err)
	}
	return c.now
}
