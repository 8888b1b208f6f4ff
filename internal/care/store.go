package care

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
)

// source is a row of connection_care.
type source struct {
	ConnectionID connection.ID
	SRTT         *float64 `db:"srtt_ms"`
	RTTVar       *float64 `db:"rttvar_ms"`
	Timeouts     int
	PageSize     int
	GoodAnswers  int
	Breaker      State
	Failures     int
	Openings     int
	OpenedAt     *time.Time
	RetryAt      *time.Time
	ProbeToken   *uuid.UUID
	ProbeUntil   *time.Time
}

const sourceColumns = `connection_id, srtt_ms, rttvar_ms, timeouts, page_size, good_answers, breaker, failures, openings, opened_at, retry_at, probe_token, probe_until`

// site is a row of site_pace.
type site struct {
	Site       string
	NextAt     time.Time
	QuietUntil *time.Time
	Holder     *uuid.UUID
	HeldUntil  *time.Time
}

// open locks both rows, and makes those that are missing. Everybody takes them in this order.
func (c *Care) open(ctx context.Context, tx *postgres.TenantTx, at Place) (now time.Time, s source, p site, err error) {
	tx.Queue(`INSERT INTO connection_care (tenant_id, connection_id, page_size) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		at.Tenant, at.Connection, c.cfg.PageStart)
	tx.Queue(`SELECT `+sourceColumns+` FROM connection_care WHERE connection_id = $1 FOR UPDATE`, at.Connection).
		Query(one(&s))
	tx.Queue(`INSERT INTO site_pace (site, next_at) VALUES ($1, 'epoch') ON CONFLICT DO NOTHING`, at.Site)
	tx.Queue(`SELECT site, next_at, quiet_until, holder, held_until FROM site_pace WHERE site = $1 FOR UPDATE`, at.Site).
		Query(one(&p))
	tx.Queue(`SELECT memberintel_now()`).QueryRow(func(row pgx.Row) error { return row.Scan(&now) })
	if err := tx.Flush(ctx); err != nil {
		return now, s, p, fmt.Errorf("care: read what is known of the site: %w", err)
	}
	return now, s, p, nil
}

func one[T any](into *T) func(pgx.Rows) error {
	return func(rows pgx.Rows) (err error) {
		*into, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[T])
		return err
	}
}

// save sends both rows along with the commit.
func save(tx *postgres.TenantTx, s source, p site) {
	tx.Queue(`
		UPDATE connection_care
		   SET srtt_ms = $2, rttvar_ms = $3, timeouts = $4, page_size = $5, good_answers = $6, breaker = $7,
		       failures = $8, openings = $9, opened_at = $10, retry_at = $11, probe_token = $12, probe_until = $13
		 WHERE connection_id = $1`,
		s.ConnectionID, s.SRTT, s.RTTVar, s.Timeouts, s.PageSize, s.GoodAnswers, s.Breaker,
		s.Failures, s.Openings, s.OpenedAt, s.RetryAt, s.ProbeToken, s.ProbeUntil)
	tx.Queue(`UPDATE site_pace SET next_at = $2, quiet_until = $3, holder = $4, held_until = $5 WHERE site = $1`,
		p.Site, p.NextAt, p.QuietUntil, p.Holder, p.HeldUntil)
}
