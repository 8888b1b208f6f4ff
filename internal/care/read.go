package care

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
)

// Condition is how a connection's source is faring, for pages and for connection.Outcome.
type Condition struct {
	ResponseMS int // how long an answer usually takes, 0 before the first
	Timeout    time.Duration
	PageSize   int
	Breaker    State
	Failures   int        // in a row
	OpenedAt   *time.Time // nil while the breaker is closed
	RetryAt    *time.Time // when the next request is let through; nil while the breaker is closed
}

// Read tells how the connection's source is faring. One that was never asked fares well.
func (c *Care) Read(ctx context.Context, tx *postgres.TenantTx, id connection.ID) (Condition, error) {
	rows, err := tx.Query(ctx, `SELECT `+sourceColumns+` FROM connection_care WHERE connection_id = $1`, id)
	if err != nil {
		return Condition{}, fmt.Errorf("care: read how it fares: %w", err)
	}
	s, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[source])
	if errors.Is(err, pgx.ErrNoRows) {
		s = source{PageSize: c.cfg.PageStart, Breaker: Closed}
	} else if err != nil {
		return Condition{}, fmt.Errorf("care: read how it fares: %w", err)
	}
	told := Condition{
		Timeout: c.cfg.timeout(s), PageSize: s.PageSize, Breaker: s.Breaker,
		Failures: s.Failures, OpenedAt: s.OpenedAt, RetryAt: s.RetryAt,
	}
	if s.SRTT != nil {
		told.ResponseMS = max(int(math.Round(*s.SRTT)), 1)
	}
	return told, nil
}

// Forgive closes the breaker, because a person says that the site works again: a new credential, or the
// button. What was learnt of response times and page sizes stays. A probe that is under way no longer counts.
func Forgive(ctx context.Context, tx *postgres.TenantTx, id connection.ID) error {
	_, err := tx.Exec(ctx, `
		UPDATE connection_care SET breaker = 'closed', failures = 0, openings = 0, opened_at = NULL, retry_at = NULL,
		       probe_token = NULL, probe_until = NULL
		 WHERE connection_id = $1`, id)
	if err != nil {
		return fmt.Errorf("care: close the breaker: %w", err)
	}
	return nil
}
