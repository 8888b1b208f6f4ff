package alert

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// scopes are the names of switches; they say whose work is meant.
type scopes map[string]bool

func scopesOf(names []string) scopes {
	s := scopes{}
	for _, name := range names {
		s[name] = true
	}
	return s
}

// cover reports whether a tenant's work on the pipeline is among what the scopes name.
func (s scopes) cover(t tenant.ID, p connection.Pipeline) bool {
	return s[guard.All] || s["pipeline:"+string(p)] || s["tenant:"+t.String()]
}

// within returns what follows the prefix in the names that begin with it; it is never nil.
func (s scopes) within(prefix string) []string {
	found := []string{}
	for name := range s {
		if what, has := strings.CutPrefix(name, prefix); has {
			found = append(found, what)
		}
	}
	return found
}

// Beside the names of switches alert_quiet holds these two.
const (
	watched  = "watch:looked"   // until when nobody counts as away
	catching = "watch:settling" // until when what is due may catch up, since nobody looked for a while
)

// settles notes a look, of any process, and reports whether a time in which nobody looked ended lately.
func settles(ctx context.Context, tx *postgres.ServiceTx) (lately bool, err error) {
	const note = `INSERT INTO alert_quiet (scope, until) SELECT $1, memberintel_now() + $2::interval`
	const again = ` ON CONFLICT (scope) DO UPDATE SET until = excluded.until`
	if _, err = tx.Exec(ctx, note+` WHERE NOT EXISTS (SELECT FROM alert_quiet WHERE scope = $3 AND until > memberintel_now())`+again,
		catching, settleFor, watched); err == nil {
		_, err = tx.Exec(ctx, note+again, watched, awayAfter)
	}
	if err == nil {
		err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM alert_quiet WHERE scope = $1 AND until > memberintel_now())`, catching).Scan(&lately)
	}
	if err != nil {
		return false, fmt.Errorf("alert: look who has looked: %w", err)
	}
	return lately, nil
}

// keepQuiet lets the lateness of what the switches stop count for nothing for as long as they are on and overdueAfter
// beyond: nobody was late while work was stopped. It returns the scopes for which that holds at the moment.
func keepQuiet(ctx context.Context, tx *postgres.ServiceTx, thrown []string) (scopes, error) {
	_, err := tx.Exec(ctx, `
		INSERT INTO alert_quiet AS q (scope, until)
		SELECT name, memberintel_now() + $2::interval FROM unnest($1::text[]) AS name WHERE NOT starts_with(name, 'subsystem:')
		ON CONFLICT (scope) DO UPDATE SET until = greatest(q.until, excluded.until)`, thrown, overdueAfter)
	if err != nil {
		return nil, fmt.Errorf("alert: keep quiet for what is stopped: %w", err)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM alert_quiet WHERE until <= memberintel_now()`); err != nil {
		return nil, fmt.Errorf("alert: end the quiet: %w", err)
	}
	rows, err := tx.Query(ctx, `SELECT scope FROM alert_quiet`)
	if err != nil {
		return nil, fmt.Errorf("alert: read what is quiet: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("alert: read what is quiet: %w", err)
	}
	return scopesOf(names), nil
}
