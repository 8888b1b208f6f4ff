package website

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
)

// textDays is for how long a site's text is kept after its last use, and a reading that no profile was made of. Profiles are kept
// for ever, HTML never.
const textDays = 90

//go:embed store_past.sql
var pastSQL string

//go:embed store_profile.sql
var profileSQL string

// past is what earlier runs left of a connection.
type past struct {
	Profile  *Profile    // the newest version, nil before the first
	Print    Fingerprint // of the reading that it was made of
	Shown    display     // at that reading
	Snapshot int64       // that reading
	TextHash []byte
	FreshAt  time.Time // of the last version that was written without a look at the one before
}

// pastOf reads the newest version and where it comes from. A connection to another site begins anew.
func pastOf(ctx context.Context, tx *postgres.TenantTx, id connection.ID) (past, error) {
	var k past
	var p Profile
	var facts []byte
	var simhash *int64
	var fetched *time.Time
	var remembered *remembered
	var schemaVersion *string
	err := tx.QueryRow(ctx, pastSQL, id).Scan(&p.Version, &p.CreatedAt, &p.Niche, &p.Audience, &p.Positioning, &p.PricingPatterns, &p.ContentPatterns,
		&p.Evidence, &p.Changes, &p.Model, &p.PromptVersion, &p.Grounded, &p.Fresh, &schemaVersion, &k.TextHash, &k.FreshAt,
		&k.Snapshot, &fetched, &facts, &simhash, &remembered)
	if errors.Is(err, pgx.ErrNoRows) {
		return past{}, nil
	}
	if err != nil {
		return past{}, fmt.Errorf("website: read the newest profile: %w", err)
	}
	k.Profile = &p
	if len(facts) == sha256.Size && simhash != nil && schemaVersion != nil {
		k.Print = Fingerprint{Facts: [sha256.Size]byte(facts), Body: uint64(*simhash), Version: p.PromptVersion + "/" + *schemaVersion, At: p.CreatedAt} //nolint:gosec // the bits, not the number
	}
	if remembered != nil {
		k.Shown, k.Print.Partial = remembered.Shown, remembered.Partial
	}
	return k, nil
}

// remembered is what is kept of a reading in words.
type remembered struct {
	Shown   display `json:"shown"`
	Partial bool    `json:"partial"`
}

// kept is a reading as it stands in the database.
type kept struct {
	Snapshot int64
	TextHash []byte
	Text     string
	Shown    display

	FetchedAt time.Time
}

// keep writes a reading with what the gate said of it; gate is "" for a site that was not to be read.
func keep(ctx context.Context, tx *postgres.TenantTx, c connection.ID, run int64, r Reading, gate, why string) (kept, error) {
	k := kept{Text: r.Text, Shown: showing(r), FetchedAt: r.FetchedAt}
	var facts []byte
	var simhash *int64
	if r.State == Up {
		hash := sha256.Sum256([]byte(r.Text))
		k.TextHash, facts = hash[:], r.Facts[:]
		body := int64(r.Body) //nolint:gosec // the bits, not the number
		simhash = &body
		if err := keepText(ctx, tx, k.TextHash, r.Text); err != nil {
			return k, err
		}
	}
	err := tx.QueryRow(ctx, `
		INSERT INTO fetch_snapshot (tenant_id, connection_id, run_id, fetched_at, state, detail, facts_hash, body_simhash, text_hash, fingerprint, gate, gate_reason)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, nullif($11, ''), $12) RETURNING snapshot_id`,
		tx.Tenant, c, run, r.FetchedAt, r.State, r.Detail, facts, simhash, k.TextHash, remembered{k.Shown, len(r.Missed) > 0}, gate, why).Scan(&k.Snapshot)
	if err != nil {
		return k, fmt.Errorf("website: keep a reading: %w", err)
	}
	for i, p := range r.Pages {
		_, err := tx.Exec(ctx, `INSERT INTO page_snapshot (tenant_id, snapshot_id, position, url, status, etag, bytes) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			tx.Tenant, k.Snapshot, i, p.URL, p.Status, p.ETag, p.Bytes)
		if err != nil {
			return k, fmt.Errorf("website: keep a page: %w", err)
		}
	}
	if err := dropReadings(ctx, tx, c); err != nil {
		return k, err
	}
	return k, noteStatus(ctx, tx, c, r)
}

// dropReadings drops a connection's old readings with their pages, but for those that a profile was made of.
func dropReadings(ctx context.Context, tx *postgres.TenantTx, c connection.ID) error {
	_, err := tx.Exec(ctx, `
		DELETE FROM fetch_snapshot f WHERE f.connection_id = $1 AND f.fetched_at < memberintel_now() - make_interval(days => $2)
		   AND NOT EXISTS (SELECT FROM customer_brain.site_profile p WHERE p.tenant_id = f.tenant_id AND p.snapshot_id = f.snapshot_id)`, c, textDays)
	if err != nil {
		return fmt.Errorf("website: drop old readings: %w", err)
	}
	return nil
}

// noteStatus says how the site fares. The profile is out of date from the second reading on that finds the site down, and from
// the first that finds it not to be read for another reason.
func noteStatus(ctx context.Context, tx *postgres.TenantTx, c connection.ID, r Reading) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO site_status AS s (tenant_id, connection_id, state, detail, last_up_at, stale)
		VALUES ($1, $2, $3, $4, CASE WHEN $3 = 'up' THEN memberintel_now() END, $3 NOT IN ('up', 'down'))
		ON CONFLICT (connection_id) DO UPDATE
		   SET state = excluded.state, detail = excluded.detail, checked_at = memberintel_now(),
		       since = CASE WHEN s.state = excluded.state THEN s.since ELSE memberintel_now() END,
		       last_up_at = coalesce(excluded.last_up_at, s.last_up_at),
		       stale = excluded.state <> 'up' AND (s.stale OR excluded.state <> 'down' OR s.state = 'down')`, tx.Tenant, c, r.State, r.Detail)
	if err != nil {
		return fmt.Errorf("website: note how the site fares: %w", err)
	}
	return nil
}

// keepText stores a text once, and drops those that nobody has used for long.
func keepText(ctx context.Context, tx *postgres.TenantTx, hash []byte, text string) error {
	packed, err := pack(text)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO site_text (tenant_id, text_hash, content, bytes) VALUES ($1, $2, $3, $4)
		ON CONFLICT (tenant_id, text_hash) DO UPDATE SET last_used_at = memberintel_now()`, tx.Tenant, hash, packed, len(text))
	if err == nil {
		_, err = tx.Exec(ctx, `DELETE FROM site_text WHERE last_used_at < memberintel_now() - make_interval(days => $1)`, textDays)
	}
	if err != nil {
		return fmt.Errorf("website: keep a text: %w", err)
	}
	return nil
}

// textOf reads a text, and false where it is kept no more.
func textOf(ctx context.Context, tx *postgres.TenantTx, hash []byte) (string, bool, error) {
	var packed []byte
	err := tx.QueryRow(ctx, `SELECT content FROM site_text WHERE text_hash = $1`, hash).Scan(&packed)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("website: read a text: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), MaxText+1))
	if err != nil {
		return "", false, fmt.Errorf("website: unpack a text: %w", err)
	}
	return string(text), true, nil
}

func pack(text string) ([]byte, error) {
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("website: pack a text: %w", err)
	}
	return packed.Bytes(), nil
}

// readingOf returns a reading that an earlier run kept.
func readingOf(ctx context.Context, tx *postgres.TenantTx, snapshot int64) (kept, bool, error) {
	k := kept{Snapshot: snapshot}
	var m *remembered
	err := tx.QueryRow(ctx, `SELECT text_hash, fingerprint, fetched_at FROM fetch_snapshot WHERE snapshot_id = $1 AND state = 'up'`, snapshot).
		Scan(&k.TextHash, &m, &k.FetchedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return k, false, nil
	}
	if err != nil {
		return k, false, fmt.Errorf("website: read a reading: %w", err)
	}
	if m != nil {
		k.Shown = m.Shown
	}
	var found bool
	k.Text, found, err = textOf(ctx, tx, k.TextHash)
	return k, found, err
}

// undescribed returns a reading of which an earlier try was to make a profile and did not, if it is not older than that: the site
// need not be read again for it.
func undescribed(ctx context.Context, tx *postgres.TenantTx, c connection.ID, younger time.Duration) (kept, bool, error) {
	var snapshot int64
	err := tx.QueryRow(ctx, `
		SELECT f.snapshot_id FROM fetch_snapshot f
		 WHERE f.snapshot_id = (SELECT max(l.snapshot_id) FROM fetch_snapshot l WHERE l.connection_id = $1)
		   AND f.gate = 'changed' AND f.fetched_at > memberintel_now() - $2::interval
		   AND NOT EXISTS (SELECT FROM customer_brain.site_profile p WHERE p.tenant_id = f.tenant_id AND p.snapshot_id >= f.snapshot_id)`, c, younger).Scan(&snapshot)
	if errors.Is(err, pgx.ErrNoRows) {
		return kept{}, false, nil
	}
	if err != nil {
		return kept{}, false, fmt.Errorf("website: look for a reading to go on with: %w", err)
	}
	return readingOf(ctx, tx, snapshot)
}

// partialSince returns since when each reading of a site has missed a page, the zero time where the newest was whole.
func partialSince(ctx context.Context, tx *postgres.TenantTx, c connection.ID) (time.Time, error) {
	var since *time.Time
	err := tx.QueryRow(ctx, `
		SELECT min(f.fetched_at) FROM fetch_snapshot f
		 WHERE f.connection_id = $1 AND f.state = 'up' AND f.snapshot_id > coalesce((
		     SELECT max(w.snapshot_id) FROM fetch_snapshot w
		      WHERE w.connection_id = $1 AND w.state = 'up' AND NOT coalesce((w.fingerprint->>'partial')::boolean, false)), 0)`, c).Scan(&since)
	if err != nil {
		return time.Time{}, fmt.Errorf("website: look for the last whole reading: %w", err)
	}
	if since == nil {
		return time.Time{}, nil
	}
	return *since, nil
}

// write adds a version; the database gives it its number and time.
func write(ctx context.Context, tx *postgres.TenantTx, c connection.ID, run int64, from kept, call int64, p Profile) error {
	columns := make([][]byte, 4)
	for i, list := range []any{p.PricingPatterns, p.ContentPatterns, p.Evidence, p.Changes} {
		var err error
		if columns[i], err = json.Marshal(list); err != nil {
			return fmt.Errorf("website: write a profile: %w", err)
		}
	}
	_, err := tx.Exec(ctx, profileSQL, tx.Tenant, p.Niche, p.Audience, p.Positioning, columns[0], columns[1], columns[2], columns[3], p.Model, p.PromptVersion,
		c, run, from.Snapshot, call, from.TextHash, schemaVersion(), p.Grounded, p.Fresh)
	if err != nil {
		return fmt.Errorf("website: write a profile: %w", err)
	}
	return nil
}

// answerWaits reports whether an answer that came by a batch is there to be taken.
func answerWaits(ctx context.Context, tx *postgres.TenantTx) (waits bool, err error) {
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM llm_question WHERE answer IS NOT NULL)`).Scan(&waits); err != nil {
		return false, fmt.Errorf("website: look for an answer: %w", err)
	}
	return waits, nil
}
