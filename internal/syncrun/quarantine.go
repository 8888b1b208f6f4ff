package syncrun

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/postgres"
)

// Quarantined is an object whose shape was not understood, as it came.
type Quarantined struct {
	Stream     string
	SourceID   string // of the object, or "" when not even that could be read
	Reason     string
	Raw        []byte
	APIVersion string
	EventID    string
	Observed   canonical.Observation
}

// keepQuarantined stores objects that were not understood. A later look at the same object replaces an
// earlier one, since only the latest is worth another try.
func keepQuarantined(tx *postgres.TenantTx, c connection.Connection, objects []Quarantined) {
	for _, q := range objects {
		tx.Queue(`
			INSERT INTO quarantine AS k (tenant_id, connection_id, pipeline_type, stream, source_id, reason, raw,
			                             api_version, event_id, fetched, observed_at, observed_until)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			ON CONFLICT (connection_id, stream, source_id) DO UPDATE
			   SET reason = excluded.reason, raw = excluded.raw, api_version = excluded.api_version,
			       event_id = excluded.event_id, fetched = excluded.fetched, observed_at = excluded.observed_at,
			       observed_until = excluded.observed_until, seen_at = excluded.seen_at
			 WHERE excluded.observed_until >= k.observed_until`,
			tx.Tenant, c.ID, c.Pipeline, q.Stream, q.SourceID, q.Reason, q.Raw, q.APIVersion, q.EventID,
			q.Observed.Fetched, q.Observed.From, q.Observed.Until)
	}
}

// Held is an object in quarantine.
type Held struct {
	ID            int64
	Stream        string
	SourceID      string
	Reason        string
	Raw           []byte
	APIVersion    string
	EventID       string
	Fetched       bool
	ObservedAt    time.Time
	ObservedUntil time.Time
	SeenAt        time.Time
}

// ListQuarantine returns up to limit objects after the id after, oldest first.
func ListQuarantine(ctx context.Context, tx *postgres.TenantTx, pipeline connection.Pipeline, after int64, limit int) ([]Held, error) {
	rows, err := tx.Query(ctx, `
		SELECT quarantine_id, stream, source_id, reason, raw, api_version, event_id, fetched, observed_at, observed_until, seen_at
		  FROM quarantine WHERE pipeline_type = $1 AND quarantine_id > $2 ORDER BY quarantine_id LIMIT $3`, pipeline, after, limit)
	if err != nil {
		return nil, fmt.Errorf("syncrun: list the quarantine: %w", err)
	}
	held, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Held])
	if err != nil {
		return nil, fmt.Errorf("syncrun: list the quarantine: %w", err)
	}
	return held, nil
}

// Understood names an object that was read well, and up to which time, on the source's clock, that settles
// what was not understood before.
type Understood struct {
	Stream, SourceID string
	Settles          time.Time
}

// ReleaseQuarantine forgets, with the transaction's next round trip, the objects that have since been read
// well. Then it calls done with how many that were, and with those that stay, because the good reading may be the
// older one: what is read after Settles of theirs will tell.
func ReleaseQuarantine(tx *postgres.TenantTx, id connection.ID, objects []Understood, done func(released int, stay []Understood)) {
	streams, ids, until := make([]string, len(objects)), make([]string, len(objects)), make([]time.Time, len(objects))
	for i, o := range objects {
		streams[i], ids[i], until[i] = o.Stream, o.SourceID, o.Settles
	}
	tx.Queue(`
		WITH s AS (
		    SELECT * FROM unnest($2::text[], $3::text[], $4::timestamptz[]) AS s (stream, source_id, until)
		     WHERE EXISTS (SELECT FROM quarantine WHERE connection_id = $1)
		), released AS (
		    DELETE FROM quarantine q USING s
		     WHERE q.connection_id = $1 AND q.stream = s.stream AND q.source_id = s.source_id AND q.observed_until <= s.until
		    RETURNING q.stream, q.source_id, q.observed_until
		)
		SELECT q.stream, q.source_id, q.observed_until, false AS released FROM quarantine q JOIN s USING (stream, source_id)
		 WHERE q.connection_id = $1 AND q.observed_until > s.until
		UNION ALL SELECT stream, source_id, observed_until, true FROM released`,
		id, streams, ids, until).Query(func(rows pgx.Rows) error {
		var held []Understood
		var one Understood
		var out bool
		released := 0
		_, err := pgx.ForEachRow(rows, []any{&one.Stream, &one.SourceID, &one.Settles, &out}, func() error {
			if out {
				released++
			} else {
				held = append(held, one)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("syncrun: release from quarantine: %w", err)
		}
		done(released, held)
		return nil
	})
}

// Eased ends what a push said of its quarantined objects, once none is held any more. It belongs behind what released
// some.
func (l *Ledger) Eased(ctx context.Context, tx *postgres.TenantTx, id connection.ID) error {
	held, err := CountQuarantine(ctx, tx, id)
	if err != nil || held > 0 {
		return err
	}
	return l.Connections.Eased(ctx, tx, id, connection.Push)
}

// CountQuarantine returns how many objects of a connection are held.
func CountQuarantine(ctx context.Context, tx *postgres.TenantTx, id connection.ID) (int64, error) {
	var n int64
	err := tx.QueryRow(ctx, `SELECT count(*) FROM quarantine WHERE connection_id = $1`, id).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("syncrun: count the quarantine: %w", err)
	}
	return n, nil
}
