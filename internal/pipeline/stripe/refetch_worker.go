package stripe

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/telemetry"
)

// Refetcher works off the refetch lists of all connections until ctx ends. A slow or broken connection keeps
// nobody waiting but itself.
type Refetcher struct {
	Pipeline *Pipeline
	Every    time.Duration // how often it looks for what is due
}

// refetchers is how many connections are worked on at once.
const refetchers = 16

// Run looks for due lists and works them off, several connections side by side.
func (r Refetcher) Run(ctx context.Context) error {
	ticker := time.NewTicker(r.Every)
	defer ticker.Stop()
	var workers errgroup.Group
	workers.SetLimit(refetchers)
	var busy sync.Map // connections that are being worked on
	for {
		routes, err := r.Pipeline.dueRoutes(ctx)
		if err != nil && ctx.Err() == nil {
			r.Pipeline.Log.ErrorContext(ctx, "the refetch lists were not read", "error", err)
		}
		for _, route := range routes {
			if _, at := busy.LoadOrStore(route.ConnectionID, true); at {
				continue
			}
			started := workers.TryGo(func() error {
				defer busy.Delete(route.ConnectionID)
				r.Pipeline.refetchRoute(ctx, route)
				return nil
			})
			if !started {
				busy.Delete(route.ConnectionID)
				break
			}
		}
		select {
		case <-ctx.Done():
			return workers.Wait()
		case <-ticker.C:
		}
	}
}

// RefetchDue does one round over every connection whose list is due, and waits for it.
func (p *Pipeline) RefetchDue(ctx context.Context) error {
	routes, err := p.dueRoutes(ctx)
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(refetchers)
	for _, route := range routes {
		group.Go(func() error { p.refetchRoute(ctx, route); return nil })
	}
	return group.Wait()
}

func (p *Pipeline) dueRoutes(ctx context.Context) (routes []connection.Route, err error) {
	err = p.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		routes, err = p.Connections.DueRefetch(ctx, tx, 200)
		return err
	})
	return routes, err
}

// refetchRoute works off one connection's list. What goes wrong is noted at the connection, and its list is
// put off, so that it does not come up again at once.
func (p *Pipeline) refetchRoute(ctx context.Context, route connection.Route) {
	ctx = telemetry.WithTenant(ctx, route.TenantID)
	var c connection.Connection
	err := p.DB.TenantTx(ctx, route.TenantID, func(tx *postgres.TenantTx) (err error) {
		if c, err = p.Connections.Get(ctx, tx, connection.Stripe); err != nil {
			return err
		}
		return guard.Check(ctx, tx, string(connection.Stripe), guard.Webhooks)
	})
	var client *Client
	if err == nil {
		client, err = p.client(ctx, c)
	}
	if err == nil {
		_, err = p.refetch(ctx, c, client, func(ctx context.Context, w syncrun.Work) error { return p.commitLive(ctx, c, 0, w) })
	}
	if err == nil {
		err = p.eased(ctx, c)
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	p.Log.WarnContext(ctx, "the refetch list was not worked off", "error", err)
	if e := p.putOff(ctx, c, err); e != nil {
		p.Log.ErrorContext(ctx, "the refetch list was not put off", "error", e)
	}
}

// eased ends what the connection says of its refetch list, once nothing on the list has failed.
func (p *Pipeline) eased(ctx context.Context, c connection.Connection) error {
	return p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		var failing bool
		err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM stripe_refetch WHERE connection_id = $1 AND last_error IS NOT NULL)`, c.ID).Scan(&failing)
		if err != nil {
			return fmt.Errorf("stripe: look at the refetch list: %w", err)
		}
		if failing {
			return nil
		}
		return p.Connections.Eased(ctx, tx, c.ID, connection.Refetch)
	})
}

// putOff tells the connection what went wrong, unless it was a switch or the database that went away, and leaves its
// list alone for a minute.
func (p *Pipeline) putOff(ctx context.Context, c connection.Connection, problem error) error {
	if c.ID == (connection.ID{}) {
		return nil // not even the connection could be read; the next round tries again
	}
	return p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		if !fault.Is(problem, fault.Stopped) && (fault.KindOf(problem) != "" || !postgres.Interrupted(problem)) {
			if err := p.Connections.Troubled(ctx, tx, c.ID, connection.Refetch, problem); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE stripe_refetch SET due_at = memberintel_now() + interval '1 minute'
			WHERE connection_id = $1 AND due_at <= memberintel_now()`, c.ID); err != nil {
			return fmt.Errorf("stripe: put off the refetch list: %w", err)
		}
		return noteDue(ctx, tx, c, p.Connections)
	})
}

// commitLive writes work outside a run of its own, counted in the connection's live run.
func (p *Pipeline) commitLive(ctx context.Context, c connection.Connection, events int, w syncrun.Work) error {
	return postgres.Retry(5, func() error {
		return p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
			if _, err := p.Ledger.CommitLive(ctx, tx, c, w); err != nil {
				return err
			}
			p.Ledger.CountLive(tx, c, syncrun.PushOf(w, events, time.Time{}))
			return nil
		})
	})
}
