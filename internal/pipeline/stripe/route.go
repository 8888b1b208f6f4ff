package stripe

import (
	"context"
	"sync"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// door is what the webhook endpoint knows of a connection: whose it is, what the tenant's plan allows, and
// the secrets that sign its deliveries. It is a copy; every commit compares its generation with the row.
type door struct {
	c       connection.Connection
	plan    tenant.Plan
	secrets []string
	readAt  time.Time
}

// doors caches them. A copy is used for at most doorTTL, and dropped when a commit finds it outdated.
type doors struct {
	p         *Pipeline
	mu        sync.Mutex
	byID      map[connection.ID]*door
	byAccount map[accountKey]*door // nil: known to be nobody's
	nobody    map[accountKey]time.Time
}

type accountKey struct {
	account  string
	livemode bool
}

const (
	doorTTL   = 30 * time.Second
	nobodyTTL = 2 * time.Second
)

func newDoors(p *Pipeline) *doors {
	return &doors{p: p, byID: map[connection.ID]*door{}, byAccount: map[accountKey]*door{}, nobody: map[accountKey]time.Time{}}
}

// byConnection returns the door of a connection, or nil when there is none. fresh asks past the cache.
func (d *doors) byConnection(ctx context.Context, id connection.ID, fresh bool) (*door, error) {
	d.mu.Lock()
	known := d.byID[id]
	d.mu.Unlock()
	if known != nil && !fresh && time.Since(known.readAt) < doorTTL {
		return known, nil
	}
	var route connection.Route
	var found bool
	err := d.p.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) (err error) {
		route, found, err = d.p.Connections.RouteByID(ctx, tx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !found || route.Pipeline != connection.Stripe {
		d.forget(id)
		return nil, nil
	}
	return d.open(ctx, route)
}

// forAccount returns the door of a connected account, or nil when it is nobody's here.
func (d *doors) forAccount(ctx context.Context, account string, livemode, fresh bool) (*door, error) {
	key := accountKey{account, livemode}
	d.mu.Lock()
	known, since := d.byAccount[key], d.nobody[key]
	d.mu.Unlock()
	if !fresh && known != nil && time.Since(known.readAt) < doorTTL {
		return known, nil
	}
	if !fresh && time.Since(since) < nobodyTTL {
		return nil, nil
	}
	var route connection.Route
	var found bool
	err := d.p.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) (err error) {
		route, found, err = d.p.Connections.RouteByAccount(ctx, tx, connection.Stripe, account, livemode)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !found {
		d.mu.Lock()
		delete(d.byAccount, key)
		if len(d.nobody) > 10_000 {
			clear(d.nobody)
		}
		d.nobody[key] = time.Now()
		d.mu.Unlock()
		return nil, nil
	}
	return d.open(ctx, route)
}

// open reads what the route does not tell, in the tenant's own transaction.
func (d *doors) open(ctx context.Context, route connection.Route) (*door, error) {
	o := &door{plan: route.Plan, readAt: time.Now()}
	err := d.p.DB.TenantTx(ctx, route.TenantID, func(tx *postgres.TenantTx) error {
		var err error
		if o.c, err = d.p.Connections.Get(ctx, tx, connection.Stripe); err != nil {
			return err
		}
		secrets, err := d.p.Connections.Secret(ctx, tx, o.c.ID, SecretWebhook)
		o.secrets = secretsOf(secrets)
		return err
	})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byID[o.c.ID] = o
	if o.c.SourceAccountID != "" {
		d.byAccount[accountKey{o.c.SourceAccountID, o.c.Livemode}] = o
	}
	return o, nil
}

func (d *doors) forget(id connection.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.byID[id]; known != nil {
		delete(d.byAccount, accountKey{known.c.SourceAccountID, known.c.Livemode})
		delete(d.byID, id)
	}
}
