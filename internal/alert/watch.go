package alert

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/telemetry"
	"memberintel/internal/tenant"
)

const (
	lookEvery = time.Minute
	// settleFor is how long Run lets lateness count for nothing after a time in which nobody looked: when the
	// program was away, what is due is about to catch up, and its owners need not hear of it.
	settleFor = 6 * time.Hour
	awayAfter = 15 * time.Minute
)

// Watcher opens and closes incidents and writes the mails that tell of them. Any number may watch the same
// database. It is safe for concurrent use.
type Watcher struct {
	DB          *postgres.DB
	Connections *connection.Store
	PublicURL   string // where the pages are, for the mails; without a slash at its end
	Metrics     *telemetry.Metrics
	Log         *slog.Logger
	Every       time.Duration // between two looks; 0 means a minute
}

// Run watches until ctx ends, which is no error. It logs what goes wrong and looks again.
func (w *Watcher) Run(ctx context.Context) error {
	ticker := time.NewTicker(cmp.Or(w.Every, lookEvery))
	defer ticker.Stop()
	for {
		if err := w.look(ctx, settles); err != nil && ctx.Err() == nil {
			w.Log.ErrorContext(ctx, "connections could not be watched", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Watch looks once at the connections of all tenants. Looking again changes nothing unless they have changed. What
// fails for one connection is returned after the others were looked at.
func (w *Watcher) Watch(ctx context.Context) error { return w.look(ctx, nil) }

// look lets lateness count for nothing while settling, which may be nil, reports so.
func (w *Watcher) look(ctx context.Context, settling func(context.Context, *postgres.ServiceTx) (bool, error)) error {
	visits, err := w.visits(ctx, settling)
	if err != nil {
		return err
	}
	var problems []error
	for _, v := range visits {
		var told news
		err := w.DB.TenantTx(ctx, v.tenant, func(tx *postgres.TenantTx) (err error) {
			told, err = w.visit(ctx, tx, v)
			return err
		})
		if err != nil {
			problems = append(problems, err)
		} else {
			w.log(ctx, told)
		}
		if ctx.Err() != nil || postgres.Unavailable(err) {
			break
		}
	}
	if ctx.Err() == nil {
		problems = append(problems, w.watchBudget(ctx))
	}
	return errors.Join(problems...)
}

// news is what a visit changed, to be logged once it is committed.
type news struct {
	incident      Incident
	opened, ended bool
}

func (w *Watcher) log(ctx context.Context, n news) {
	ctx = telemetry.WithTenant(ctx, n.incident.TenantID)
	switch {
	case n.opened:
		w.Metrics.IncidentOpened(string(n.incident.Pipeline), string(n.incident.Reason))
		w.Log.WarnContext(ctx, "a connection does not work", "incident", n.incident.ID, "pipeline", n.incident.Pipeline, "reason", n.incident.Reason)
	case n.ended:
		w.Log.InfoContext(ctx, "an incident ended", "incident", n.incident.ID, "pipeline", n.incident.Pipeline)
	}
}

// visit is a connection that something may have to be done about.
type visit struct {
	tenant     tenant.ID
	connection connection.ID
	pipeline   connection.Pipeline
	quiet      bool // its lateness counts for nothing
}

// visits looks at what ails and at the incidents that are open, and returns where they do not go together.
func (w *Watcher) visits(ctx context.Context, settling func(context.Context, *postgres.ServiceTx) (bool, error)) (visits []visit, err error) {
	err = w.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		if err := forget(ctx, tx); err != nil {
			return err
		}
		thrown, err := guard.Thrown(ctx, tx)
		if err != nil {
			return err
		}
		quiet, err := keepQuiet(ctx, tx, thrown)
		if err != nil {
			return err
		}
		if settling != nil {
			lately, err := settling(ctx, tx)
			if err != nil {
				return err
			}
			quiet[guard.All] = quiet[guard.All] || lately
		}
		ailing, err := w.Connections.Ailing(ctx, tx, failuresInARow, overdueAfter)
		if err != nil {
			return err
		}
		incidents, err := openIncidents(ctx, tx)
		if err != nil {
			return err
		}
		now, err := clock(ctx, tx)
		visits = compare(ailing, incidents, scopesOf(thrown), quiet, now)
		return err
	})
	return visits, err
}

// compare finds what ails and has no incident or one that tells too little, and incidents of what ails no more.
func compare(ailing []connection.Ailing, incidents []Incident, stopped, quiet scopes, now time.Time) (visits []visit) {
	well := make(map[connection.ID]Incident, len(incidents))
	for _, i := range incidents {
		well[i.ConnectionID] = i
	}
	for _, a := range ailing {
		v := visit{a.TenantID, a.ConnectionID, a.Pipeline, quiet.cover(a.TenantID, a.Pipeline)}
		incident, open := well[a.ConnectionID]
		delete(well, a.ConnectionID)
		switch {
		case stopped.cover(a.TenantID, a.Pipeline):
		case open && (incident.tellable(now) || a.NeedsPerson && incident.Reason != Person),
			!open && (a.NeedsPerson || a.Failing || !v.quiet):
			visits = append(visits, v)
		}
	}
	for _, i := range incidents {
		if _, ends := well[i.ConnectionID]; ends && !stopped.cover(i.TenantID, i.Pipeline) {
			visits = append(visits, visit{i.TenantID, i.ConnectionID, i.Pipeline, true})
		}
	}
	return visits
}
