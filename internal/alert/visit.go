package alert

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
)

// tellable reports whether it is time for the mail.
func (i Incident) tellable(now time.Time) bool { return i.MailedAt == nil && !i.MailAfter.After(now) }

// visit brings the connection's incident up to date, under the connection's lock, so that of several who come at
// the same time only the first finds something to do.
func (w *Watcher) visit(ctx context.Context, tx *postgres.TenantTx, v visit) (news, error) {
	// The switches are asked before the row is locked, in the order of every commit.
	if err := guard.Check(ctx, tx, string(v.pipeline)); err != nil {
		if fault.Is(err, fault.Stopped) {
			return news{}, nil // the operator knows, and the owner has nothing to do
		}
		return news{}, err
	}
	stands, err := w.Connections.Lock(ctx, tx, v.connection)
	if err != nil {
		return news{}, err
	}
	incident, open, err := openOf(ctx, tx, v.connection)
	switch {
	case err != nil, !stands && !open:
		return news{}, err
	case !stands:
		return news{incident: incident, ended: true}, w.abandon(ctx, tx, incident)
	}
	c, err := w.Connections.Get(ctx, tx, v.pipeline)
	if err != nil {
		return news{}, err
	}
	now, err := clock(ctx, tx)
	if err != nil {
		return news{}, err
	}
	reason, ails := judge(c, now, v.quiet)
	opened := false
	switch {
	case open && !ails && incident.worksAgain(c):
		return news{incident: incident, ended: true}, w.recovered(ctx, tx, incident, c)
	case !open && ails:
		incident, opened, err = begin(ctx, tx, c, reason, now)
	case open && ails && reason == Person && incident.Reason != Person:
		incident, err = incident.escalate(ctx, tx, happened(c, reason))
	}
	if err == nil && (open || opened) && ails && incident.tellable(now) {
		err = w.tell(ctx, tx, incident, c)
	}
	return news{incident: incident, opened: opened}, err
}

// tell writes the outage's mails. While there is nobody to tell, the incident is in the support list alone.
func (w *Watcher) tell(ctx context.Context, tx *postgres.TenantTx, incident Incident, c connection.Connection) error {
	contact, err := identity.ContactOf(ctx, tx)
	if err != nil {
		return err
	}
	if len(contact.Emails) == 0 {
		return incident.wait(ctx, tx, askAgain)
	}
	for _, email := range contact.Emails {
		letter, err := outageLetter(incident, c, contact.Tenant, email, w.PublicURL)
		if err != nil {
			return err
		}
		if err := enqueue(ctx, tx, incident, outage, letter); err != nil {
			return err
		}
	}
	return incident.told(ctx, tx, happened(c, incident.Reason))
}

// recovered closes the incident. Who was told of the outage is told of its end; a mail that has not left yet is
// withdrawn, because it would tell of something that is over.
func (w *Watcher) recovered(ctx context.Context, tx *postgres.TenantTx, incident Incident, c connection.Connection) error {
	told, err := withdraw(ctx, tx, incident, "It worked again before the mail left.")
	if err != nil {
		return err
	}
	if err := incident.end(ctx, tx, "recovered", len(told) > 0); err != nil {
		return err
	}
	if len(told) == 0 {
		return nil
	}
	contact, err := identity.ContactOf(ctx, tx)
	if err != nil {
		return err
	}
	for _, email := range told {
		letter, err := recoveryLetter(incident, c, contact.Tenant, email, w.PublicURL)
		if err != nil {
			return err
		}
		if err := enqueue(ctx, tx, incident, recovery, letter); err != nil {
			return err
		}
	}
	return nil
}

// abandon closes the incident of a connection that was ended: nothing is to be told any more.
func (w *Watcher) abandon(ctx context.Context, tx *postgres.TenantTx, incident Incident) error {
	told, err := withdraw(ctx, tx, incident, "The connection was ended before the mail left.")
	if err != nil {
		return err
	}
	return incident.end(ctx, tx, "disconnected", len(told) > 0)
}

// clock returns the time that SQL goes by.
func clock(ctx context.Context, tx interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (now time.Time, err error) {
	if err := tx.QueryRow(ctx, `SELECT memberintel_now()`).Scan(&now); err != nil {
		return now, fmt.Errorf("alert: read the clock: %w", err)
	}
	return now, nil
}
