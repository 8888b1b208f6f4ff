package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
)

const incidentColumns = `incident_id, tenant_id, connection_id, pipeline_type, reason, sentence, since, last_success_at, opened_at,
	mail_after, mailed_at`

// openIncidents returns the incidents of all tenants that have not ended.
func openIncidents(ctx context.Context, tx *postgres.ServiceTx) ([]Incident, error) {
	rows, err := tx.Query(ctx, `SELECT `+incidentColumns+` FROM alert_incident WHERE ended_at IS NULL ORDER BY incident_id`)
	if err != nil {
		return nil, fmt.Errorf("alert: list the incidents: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[Incident])
	if err != nil {
		return nil, fmt.Errorf("alert: list the incidents: %w", err)
	}
	return list, nil
}

// openOf returns the connection's open incident, false when there is none.
func openOf(ctx context.Context, tx *postgres.TenantTx, id connection.ID) (Incident, bool, error) {
	return oneIncident(ctx, tx, `SELECT `+incidentColumns+` FROM alert_incident WHERE connection_id = $1 AND ended_at IS NULL`, id)
}

// begin opens an incident for the connection. It returns false when somebody else was quicker.
func begin(ctx context.Context, tx *postgres.TenantTx, c connection.Connection, reason Reason, now time.Time) (Incident, bool, error) {
	since := now
	if due := c.DueSince(); due != nil && due.Before(now) {
		since = *due
	}
	return oneIncident(ctx, tx, `
		INSERT INTO alert_incident (tenant_id, connection_id, pipeline_type, reason, sentence, since, last_success_at, mail_after)
		VALUES ($1, $2, $3, $4, $5, $6, $7, CASE WHEN $4 = 'person' THEN memberintel_now() ELSE greatest(memberintel_now(),
		    (SELECT max(ended_at) + $8::interval FROM alert_incident WHERE connection_id = $2 AND mailed_at IS NOT NULL AND outcome = 'recovered')) END)
		ON CONFLICT (connection_id) WHERE ended_at IS NULL DO NOTHING
		RETURNING `+incidentColumns,
		tx.Tenant, c.ID, c.Pipeline, reason, happened(c, reason), since, c.LastSuccessAt, calmAfter)
}

// end closes the incident. When nobody was told of it, it holds up no mail about the next one.
func (i Incident) end(ctx context.Context, tx *postgres.TenantTx, outcome string, told bool) error {
	_, err := tx.Exec(ctx, `
		UPDATE alert_incident SET ended_at = memberintel_now(), outcome = $2, mailed_at = CASE WHEN $3 THEN mailed_at END
		 WHERE incident_id = $1 AND ended_at IS NULL`, i.ID, outcome, told)
	return i.noted(err)
}

// escalate notes that by now nothing helps but a person; what was not mailed yet waits no longer.
func (i Incident) escalate(ctx context.Context, tx *postgres.TenantTx, sentence string) (Incident, error) {
	err := tx.QueryRow(ctx, `
		UPDATE alert_incident SET reason = 'person', sentence = $2, mail_after = memberintel_now()
		 WHERE incident_id = $1 RETURNING reason, mail_after`, i.ID, sentence).Scan(&i.Reason, &i.MailAfter)
	return i, i.noted(err)
}

// told notes that the incident's mails are in the outbox, with what they say happened.
func (i Incident) told(ctx context.Context, tx *postgres.TenantTx, sentence string) error {
	_, err := tx.Exec(ctx, `UPDATE alert_incident SET mailed_at = memberintel_now(), sentence = $2 WHERE incident_id = $1`, i.ID, sentence)
	return i.noted(err)
}

// wait puts the question whom to tell off for a while.
func (i Incident) wait(ctx context.Context, tx *postgres.TenantTx, d time.Duration) error {
	_, err := tx.Exec(ctx, `UPDATE alert_incident SET mail_after = memberintel_now() + $2::interval WHERE incident_id = $1`, i.ID, d)
	return i.noted(err)
}

func (i Incident) noted(err error) error {
	if err != nil {
		return fmt.Errorf("alert: note on incident %d: %w", i.ID, err)
	}
	return nil
}

// forget deletes incidents that ended long ago; their mails go with them.
func forget(ctx context.Context, tx *postgres.ServiceTx) error {
	if _, err := tx.Exec(ctx, `DELETE FROM alert_incident WHERE ended_at <= memberintel_now() - $1::interval`, keepFor); err != nil {
		return fmt.Errorf("alert: forget old incidents: %w", err)
	}
	return nil
}

func oneIncident(ctx context.Context, tx *postgres.TenantTx, sql string, args ...any) (Incident, bool, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return Incident{}, false, fmt.Errorf("alert: read or open an incident: %w", err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Incident])
	if errors.Is(err, pgx.ErrNoRows) {
		return Incident{}, false, nil
	}
	if err != nil {
		return Incident{}, false, fmt.Errorf("alert: read or open an incident: %w", err)
	}
	return found, true, nil
}
