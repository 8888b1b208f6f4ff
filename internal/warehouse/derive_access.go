package warehouse

import (
	_ "embed"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

//go:embed derive_access.sql
var deriveAccessSQL string

// deriveAccess fills until when the members' subscriptions give access, and their status.
func (m *merging) deriveAccess(members []string) {
	var changed []turned
	m.query("subscriptions", narrowed(deriveAccessSQL)+turnedSQL, append(m.ids[:4:4], members), func(rows pgx.Rows) (err error) {
		changed, err = pgx.CollectRows(rows, pgx.RowToStructByPos[turned])
		return err
	})
	m.then(func() {
		if ids := turnedIDs(changed); len(ids) > 0 {
			m.tx.Queue(itemHistoryNow(), append(m.ids[:4:4], ids)...)
		}
		if slices.ContainsFunc(changed, func(t turned) bool { return t.Timed }) {
			windClock(m.tx)
		}
	})
}

// turned is a subscription of which something derived has changed.
type turned struct {
	ID     string
	Status bool // its status has
	Timed  bool // it will by the clock
}

// turnedSQL makes derive_access.sql tell what it wrote.
const turnedSQL = `
RETURNING t.source_id, t.status IS DISTINCT FROM d.was, t.status_until IS NOT NULL`

// itemHistoryNow is item_history.sql for a status that was derived: it changes by the warehouse's clock.
func itemHistoryNow() string {
	return strings.Replace(itemHistorySQL, "s.observed_at", "greatest(s.observed_at, memberintel_now()) AS observed_at", 1)
}

// turnedIDs are the subscriptions with another status.
func turnedIDs(all []turned) []string {
	var ids []string
	for _, t := range all {
		if t.Status {
			ids = append(ids, t.ID)
		}
	}
	return ids
}
