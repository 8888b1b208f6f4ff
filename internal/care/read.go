package care

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
)

// Standing is how a connection's source is faring, for pages and for connection.Outcome.
type Standing struct {
	ResponseMS int // how long an answer usually takes, 0 before the first
	Breaker    State
	Failures   int        // in a row
	OpenedAt   *time.Time // nil while the breaker is closed
	RetryAt    *time.Time // when the next request is let through; nil while the breaker is closed
}

// Resting reports whether the source is left in peace: the breaker is open, and its rest is not over.
func (s Standing) Resting(now time.Time) bool {
	return s.Breaker == Open && s.RetryAt != nil && s.RetryAt.After(now)
}

// Sentence tells the owner why a source that is resting is not asked.
func (s Standing) Sentence() string {
	return fmt.Sprintf("The site did not work %s, so it is left in peace until %s.", times(s.Failures), s.RetryAt.UTC().Format("15:04:05 UTC"))
}

// Condition is a Standing with what the next request will be given.
type Condition struct {
	Standing
	Timeout  time.Duration
	PageSize int
}

// Read tells how the connection's source is faring. One that was never asked fares well.
func (c *Care) Read(ctx context.Context, tx *postgres.TenantTx, id connection.ID) (Condition, error) {
	s, found, err := read(ctx, tx, id)
	if !found {
		s.PageSize = c.cfg.PageStart
	}
	return Condition{Standing: s.standing(), Timeout: c.cfg.timeout(s), PageSize: s.PageSize}, err
}

// StandingOf is Read without what depends on a Config. One that nobody cares for, as Stripe, fares well.
func StandingOf(ctx context.Context, tx *postgres.TenantTx, id connection.ID) (Standing, error) {
	s, _, err := read(ctx, tx, id)
	return s.standing(), err
}

func read(ctx context.Context, tx *postgres.TenantTx, id connection.ID) (s source, found bool, err error) {
	rows, err := tx.Query(ctx, `SELECT `+sourceColumns+` FROM connection_care WHERE connection_id = $1`, id)
	if err == nil {
		s, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[source])
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return source{Breaker: Closed}, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("care: read how it fares: %w", err)
	}
	return s, true, nil
}

func (s source) standing() Standing {
	told := Standing{Breaker: s.Breaker, Failures: s.Failures, OpenedAt: s.OpenedAt, RetryAt: s.RetryAt}
	if s.SRTT != nil {
		told.ResponseMS = max(int(math.Round(*s.SRTT)), 1)
	}
	return told
}

// Forgive closes the breaker, because a person says that the site works again: a new credential, or the
// button. What was learnt of response times and page sizes stays, and so does the pace: a site that asked for
// patience gets it. A probe that is under way no longer counts.
func Forgive(ctx context.Context, tx interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}, id connection.ID,
) error {
	_, err := tx.Exec(ctx, `
		UPDATE connection_care SET breaker = 'closed', failures = 0, openings = 0, opened_at = NULL, retry_at = NULL,
		       probe_token = NULL, probe_until = NULL
		 WHERE connection_id = $1`, id)
	if err != nil {
		return fmt.Errorf("care: close the breaker: %w", err)
	}
	return nil
}
