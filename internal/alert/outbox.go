package alert

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// What a mail tells of.
const (
	outage   = "outage"
	recovery = "recovery"
)

// What became of a mail.
const (
	waiting   = "waiting"
	sending   = "sending"   // handed to the mail server, which has not answered yet
	sent      = "sent"      // the mail server took it
	dropped   = "dropped"   // it is not sent any more
	uncertain = "uncertain" // it may have arrived or not, and is not sent again
)

const (
	tooOld     = 3 * 24 * time.Hour // what is older tells of a world that is gone
	leaseTTL   = 5 * time.Minute    // longer than a mail server may take
	errorLimit = 1000               // bytes of an error that are kept
)

// parcel is a mail that this process has in hand.
type parcel struct {
	ID        int64 `db:"mail_id"`
	TenantID  tenant.ID
	Pipeline  connection.Pipeline `db:"pipeline_type"`
	About     string
	Recipient string
	Subject   string
	Text      string
	HTML      string `db:"html"`
	CreatedAt time.Time
	Attempts  int
}

//go:embed outbox_claim.sql
var claimSQL string

// enqueue puts a letter in the outbox, once however often it is asked to.
func enqueue(ctx context.Context, tx *postgres.TenantTx, i Incident, about string, l letter) error {
	_, err := tx.Exec(ctx, `
		INSERT INTO alert_outbox (tenant_id, incident_id, about, recipient, subject, text, html)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (incident_id, about, recipient) DO NOTHING`,
		tx.Tenant, i.ID, about, l.recipient, l.subject, l.text, l.html)
	if err != nil {
		return fmt.Errorf("alert: put a mail in the outbox: %w", err)
	}
	return nil
}

// withdraw drops the incident's mails that have not left and returns to whom its outage mail went, or may have gone.
func withdraw(ctx context.Context, tx *postgres.TenantTx, i Incident, why string) ([]string, error) {
	_, err := tx.Exec(ctx, `UPDATE alert_outbox SET status = 'dropped', last_error = $2 WHERE incident_id = $1 AND status = 'waiting'`, i.ID, why)
	if err != nil {
		return nil, fmt.Errorf("alert: withdraw mails: %w", err)
	}
	rows, err := tx.Query(ctx, `SELECT recipient FROM alert_outbox
		WHERE incident_id = $1 AND about = 'outage' AND status IN ('sending', 'sent', 'uncertain') ORDER BY mail_id`, i.ID)
	if err != nil {
		return nil, fmt.Errorf("alert: look who was told: %w", err)
	}
	told, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("alert: look who was told: %w", err)
	}
	return told, nil
}

// tidy settles what nobody will: mails whose sender died with them in hand, and those that are too old. It returns
// how many of each.
func tidy(ctx context.Context, tx *postgres.ServiceTx) (lost, old int64, err error) {
	tag, err := tx.Exec(ctx, `
		UPDATE alert_outbox SET status = 'uncertain', last_error = 'The program ended while the mail server had the mail.'
		 WHERE status = 'sending' AND lease_expires_at < clock_timestamp()`)
	if err != nil {
		return 0, 0, fmt.Errorf("alert: look for mails that nobody answers for: %w", err)
	}
	lost = tag.RowsAffected()
	tag, err = tx.Exec(ctx, `
		UPDATE alert_outbox SET status = 'dropped', last_error = concat_ws(' ', 'It was not sent within three days.', last_error)
		 WHERE status = 'waiting' AND created_at <= memberintel_now() - $1::interval
		   AND (lease_expires_at IS NULL OR lease_expires_at < clock_timestamp())`, tooOld)
	if err != nil {
		return 0, 0, fmt.Errorf("alert: drop old mails: %w", err)
	}
	return lost, tag.RowsAffected(), nil
}

// claim takes mails that are due in hand, oldest first, leaving out what is stopped and what others have.
func claim(ctx context.Context, tx *postgres.ServiceTx, token uuid.UUID, stopped scopes, limit int) ([]parcel, error) {
	rows, err := tx.Query(ctx, claimSQL, token, leaseTTL, limit, stopped.within("tenant:"), stopped.within("pipeline:"))
	if err != nil {
		return nil, fmt.Errorf("alert: take mails in hand: %w", err)
	}
	parcels, err := pgx.CollectRows(rows, pgx.RowToStructByName[parcel])
	if err != nil {
		return nil, fmt.Errorf("alert: take mails in hand: %w", err)
	}
	slices.SortFunc(parcels, func(a, b parcel) int { return int(a.ID - b.ID) })
	return parcels, nil
}

// handOver notes that the mail is about to be given to the mail server; from then on nobody sends it again unless
// the server refuses it. It returns false when it is no longer this process's to send.
func handOver(ctx context.Context, tx *postgres.TenantTx, p parcel, token uuid.UUID) (bool, error) {
	tag, err := tx.Exec(ctx, `
		UPDATE alert_outbox SET status = 'sending', attempts = attempts + 1, lease_expires_at = clock_timestamp() + $3::interval
		 WHERE mail_id = $1 AND lease_token = $2 AND status = 'waiting'`, p.ID, token, leaseTTL)
	if err != nil {
		return false, fmt.Errorf("alert: hand mail %d over: %w", p.ID, err)
	}
	return tag.RowsAffected() == 1, nil
}

// settle writes down what became of a mail, and lets go of it. What is to be tried again waits for that long.
func settle(ctx context.Context, tx *postgres.ServiceTx, p parcel, token uuid.UUID, status string, again time.Duration, problem string) error {
	_, err := tx.Exec(ctx, `
		UPDATE alert_outbox
		   SET status = $3, lease_token = NULL, lease_expires_at = NULL, last_error = nullif($5, ''),
		       sent_at = CASE WHEN $3 = 'sent' THEN memberintel_now() END,
		       not_before = CASE WHEN $3 = 'waiting' THEN memberintel_now() + $4::interval ELSE not_before END
		 WHERE mail_id = $1 AND lease_token = $2 AND status <> 'dropped'`, p.ID, token, status, again, storable(problem))
	if err != nil {
		return fmt.Errorf("alert: write down what became of mail %d: %w", p.ID, err)
	}
	return nil
}

// postpone puts mails off that could not be tried, which counts as an attempt.
func postpone(ctx context.Context, tx *postgres.ServiceTx, parcels []parcel, token uuid.UUID, problem string) error {
	for _, p := range parcels {
		_, err := tx.Exec(ctx, `
			UPDATE alert_outbox SET attempts = attempts + 1, lease_token = NULL, lease_expires_at = NULL, last_error = $4,
			       not_before = memberintel_now() + $3::interval
			 WHERE mail_id = $1 AND lease_token = $2 AND status = 'waiting'`, p.ID, token, backoff(p.Attempts+1), storable(problem))
		if err != nil {
			return fmt.Errorf("alert: put mail %d off: %w", p.ID, err)
		}
	}
	return nil
}

// release lets go of mails that were not tried.
func release(ctx context.Context, tx *postgres.ServiceTx, token uuid.UUID) error {
	_, err := tx.Exec(ctx, `UPDATE alert_outbox SET lease_token = NULL, lease_expires_at = NULL WHERE lease_token = $1 AND status = 'waiting'`, token)
	if err != nil {
		return fmt.Errorf("alert: let go of mails: %w", err)
	}
	return nil
}

// storable returns text that PostgreSQL takes: valid UTF-8 without NUL, not too long.
func storable(text string) string {
	text = strings.ReplaceAll(text, "\x00", "")
	return strings.ToValidUTF8(text[:min(len(text), errorLimit)], "")
}
