package alert

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Trouble is an outage as support sees it.
type Trouble struct {
	Incident   Incident
	Tenant     string // its name
	Plan       tenant.Plan
	Connection connection.Connection // as it is now, with the operator's cause
	Mails      []MailState           // empty while nobody was told: too early, or no address is known
}

// MailState is what became of a mail.
type MailState struct {
	IncidentID int64
	About      string // outage or recovery
	Recipient  string
	Status     string // waiting, sending, sent, dropped or uncertain
	Attempts   int
	CreatedAt  time.Time
	SentAt     *time.Time
	LastError  *string // why it has not left
}

// Backlog is how many mails are waiting.
type Backlog struct {
	Waiting int
	Oldest  *time.Time // nil when none waits
}

// SupportList returns the connections of all tenants that do not work, the longest outage first. It is never nil.
func SupportList(ctx context.Context, tx *postgres.OperatorTx, connections *connection.Store) ([]Trouble, error) {
	list, err := troubles(ctx, tx)
	if err != nil {
		return nil, err
	}
	ids := make([]connection.ID, 0, len(list))
	for _, t := range list {
		ids = append(ids, t.Incident.ConnectionID)
	}
	now, err := connections.Across(ctx, tx, ids)
	if err != nil {
		return nil, err
	}
	mails, err := mailsOfOpen(ctx, tx)
	if err != nil {
		return nil, err
	}
	for i, t := range list {
		list[i].Connection, list[i].Mails = now[t.Incident.ConnectionID], mails[t.Incident.ID]
	}
	return list, nil
}

// BacklogOf returns how many mails wait for a mail server, a switch or their time.
func BacklogOf(ctx context.Context, tx *postgres.OperatorTx) (b Backlog, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*), min(created_at) FROM alert_outbox WHERE status IN ('waiting', 'sending')`).Scan(&b.Waiting, &b.Oldest)
	if err != nil {
		return b, fmt.Errorf("alert: count what waits: %w", err)
	}
	return b, nil
}

func troubles(ctx context.Context, tx *postgres.OperatorTx) ([]Trouble, error) {
	rows, err := tx.Query(ctx, `
		SELECT `+incidentColumns+`, name, plan FROM alert_incident JOIN tenant USING (tenant_id)
		 WHERE ended_at IS NULL ORDER BY since, incident_id`)
	if err != nil {
		return nil, fmt.Errorf("alert: list what does not work: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[struct {
		Incident
		Name string
		Plan tenant.Plan
	}])
	if err != nil {
		return nil, fmt.Errorf("alert: list what does not work: %w", err)
	}
	list := make([]Trouble, 0, len(found))
	for _, f := range found {
		list = append(list, Trouble{Incident: f.Incident, Tenant: f.Name, Plan: f.Plan})
	}
	return list, nil
}

func mailsOfOpen(ctx context.Context, tx *postgres.OperatorTx) (map[int64][]MailState, error) {
	rows, err := tx.Query(ctx, `
		SELECT incident_id, about, recipient, status, attempts, o.created_at, sent_at, last_error
		  FROM alert_outbox o JOIN alert_incident i USING (tenant_id, incident_id)
		 WHERE i.ended_at IS NULL ORDER BY mail_id`)
	if err != nil {
		return nil, fmt.Errorf("alert: list the mails: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[MailState])
	if err != nil {
		return nil, fmt.Errorf("alert: list the mails: %w", err)
	}
	mails := map[int64][]MailState{}
	for _, m := range list {
		mails[m.IncidentID] = append(mails[m.IncidentID], m)
	}
	return mails, nil
}
