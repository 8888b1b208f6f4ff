package app

import (
	"context"
	"strings"
	"time"

	"memberintel/internal/alert"
	"memberintel/internal/connection"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// supportView is what the operator's support team is to know: what does not work, of all tenants, and whether its
// owners were told.
type supportView struct {
	Support []troubleStatus `json:"support"` // the longest outage first, never nil
	Mails   backlogStatus   `json:"mails"`
	Budget  []alarmStatus   `json:"budget_alarms"` // of the last seven days, the newest first, never nil
}

type alarmStatus struct {
	Alarm    string    `json:"alarm"` // spend, skip_rate, unsettled, unanswered or price
	Subject  string    `json:"subject"`
	Detail   string    `json:"detail"`
	RaisedAt time.Time `json:"raised_at"`
}

type troubleStatus struct {
	TenantID            tenant.ID           `json:"tenant_id"`
	Name                string              `json:"name"`
	Plan                tenant.Plan         `json:"plan"`
	ConnectionID        connection.ID       `json:"connection_id"`
	PipelineType        connection.Pipeline `json:"pipeline_type"`
	Reason              alert.Reason        `json:"reason"`
	Since               time.Time           `json:"since"`
	Sentence            string              `json:"sentence"`
	Cause               *string             `json:"cause"` // for the operator; null where the sentence says it all
	ConsecutiveFailures int                 `json:"consecutive_failures"`
	LastSuccessAt       *time.Time          `json:"last_success_at"`
	Mails               []mailStatus        `json:"mails"` // never nil; empty while nobody was told
}

type mailStatus struct {
	About     string     `json:"about"` // outage or recovery
	Recipient string     `json:"recipient"`
	Status    string     `json:"status"` // waiting, sending, sent, dropped or uncertain
	Attempts  int        `json:"attempts"`
	SentAt    *time.Time `json:"sent_at"`
	LastError *string    `json:"last_error"`
}

type backlogStatus struct {
	Waiting int        `json:"waiting"`
	Oldest  *time.Time `json:"oldest"` // null while none waits
}

func (h *house) support(ctx context.Context) (*supportView, error) {
	view := &supportView{Support: []troubleStatus{}, Budget: []alarmStatus{}}
	err := h.db.OperatorTx(ctx, func(tx *postgres.OperatorTx) error {
		list, err := alert.SupportList(ctx, tx, h.connections)
		if err != nil {
			return err
		}
		for _, t := range list {
			view.Support = append(view.Support, troubleOf(t))
		}
		backlog, err := alert.BacklogOf(ctx, tx)
		if err != nil {
			return err
		}
		view.Mails = backlogStatus{backlog.Waiting, backlog.Oldest}
		alarms, err := guard.Alarms(ctx, tx)
		for _, a := range alarms {
			view.Budget = append(view.Budget, alarmStatus{a.Kind, a.Subject, a.Detail, a.RaisedAt})
		}
		return err
	})
	return view, err
}

func troubleOf(t alert.Trouble) troubleStatus {
	s := troubleStatus{
		TenantID: t.Incident.TenantID, Name: t.Tenant, Plan: t.Plan, ConnectionID: t.Incident.ConnectionID, PipelineType: t.Incident.Pipeline,
		Reason: t.Incident.Reason, Since: t.Incident.Since, Sentence: t.Incident.Sentence, Cause: t.Connection.LastErrorCause,
		ConsecutiveFailures: t.Connection.ConsecutiveFailures, LastSuccessAt: t.Connection.LastSuccessAt, Mails: []mailStatus{},
	}
	if t.Connection.LastError != nil {
		s.Sentence = *t.Connection.LastError
	}
	s.Cause = beyond(s.Cause, s.Sentence)
	for _, m := range t.Mails {
		s.Mails = append(s.Mails, mailStatus{m.About, m.Recipient, m.Status, m.Attempts, m.SentAt, m.LastError})
	}
	return s
}

// beyond is what a cause says beside the sentence that it begins with; nil when that is nothing.
func beyond(cause *string, sentence string) *string {
	if cause == nil {
		return nil
	}
	more, repeats := strings.CutPrefix(*cause, sentence)
	if more = strings.TrimSpace(more); repeats {
		more = strings.TrimSuffix(strings.TrimPrefix(more, "("), ")")
	}
	if more == "" {
		return nil
	}
	return &more
}
