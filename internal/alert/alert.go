// Package alert tells people what stays wrong. It reads state and not events: the Watcher looks at what the
// connections are like, opens an incident where one does not work, and closes it when it works again; the Sender
// works off the mails that come of it. A look that is missed, doubled or done by two processes at once changes
// nothing, because an outage is one row and each of its mails another, both under a unique key. It owns the tables
// alert_incident, alert_outbox and alert_quiet.
package alert

import (
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/tenant"
)

// Reason says why an incident was opened.
type Reason string

// The reasons, the most urgent first.
const (
	Person  Reason = "person"  // nothing helps but a person: the credential is refused, or the retries are spent
	Failing Reason = "failing" // several attempts in a row did not succeed
	Overdue Reason = "overdue" // a success has been due for long, however it is that none came
)

const (
	failuresInARow = 3
	overdueAfter   = 48 * time.Hour
	// calmAfter is how long after a recovery that somebody was told of the next outage waits for its mail: one that
	// is over by then is not mailed at all. What needs a person does not wait.
	calmAfter = 12 * time.Hour
	// askAgain is how long an incident waits that nobody could be told of.
	askAgain = 10 * time.Minute
	// keepFor is how long incidents that ended are kept, with their mails.
	keepFor = 90 * 24 * time.Hour
)

// Incident is an outage of one connection.
type Incident struct {
	ID            int64 `db:"incident_id"`
	TenantID      tenant.ID
	ConnectionID  connection.ID
	Pipeline      connection.Pipeline `db:"pipeline_type"`
	Reason        Reason
	Sentence      string     // what happened, for the owner
	Since         time.Time  // since when a success had been due
	LastSuccessAt *time.Time // at the opening; nil when there never was one
	OpenedAt      time.Time
	MailAfter     time.Time
	MailedAt      *time.Time // when its mail was written; nil while there is none
}

// judge applies the rules. Quiet means that lateness counts for nothing, because work was stopped until lately.
func judge(c connection.Connection, now time.Time, quiet bool) (Reason, bool) {
	due := c.DueSince()
	switch {
	case c.State == connection.Disconnected, c.State == connection.Paused: // an operator's doing
		return "", false
	case c.NeedsPerson():
		return Person, true
	case c.ConsecutiveFailures >= failuresInARow:
		return Failing, true
	case !quiet && due != nil && now.Sub(*due) >= overdueAfter:
		return Overdue, true
	default:
		return "", false
	}
}

// worksAgain reports whether the connection succeeded after the incident was opened.
func (i Incident) worksAgain(c connection.Connection) bool {
	return c.LastSuccessAt != nil && (i.LastSuccessAt == nil || c.LastSuccessAt.After(*i.LastSuccessAt))
}
