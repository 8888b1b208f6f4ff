package stripe

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
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

// usable reports whether a copy may be used as it is. One that is disconnected may not: an answer that is
// without effect must not outlive a reconnect.
func (o *door) usable() bool {
	return o != nil && time.Since(o.readAt) < doorTTL && o.c.State != connection.Disconnected
}

// errSealed is a connection whose secrets cannot be opened, which is the operator's to mend.
var errSealed = errors.New("stripe: the connection's secrets cannot be opened")

// sealed hides what a vault says from whoever delivers.
func sealed(err error) error {
	if fault.Is(err, fault.Invalid) {
		return fmt.Errorf("%w: %w", errSealed, err)
	}
	return err
}

// byConnection returns the door of a connection, or nil when there is none. fresh asks past the cache.
func (d *doors) byConnection(ctx context.Context, id connection.ID, fresh bool) (*door, error) {
	d.mu.Lock()
	known := d.byID[id]
	d.mu.Unlock()
	if !fresh && known.usable() {
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

// forAccount returns the door of an account that the platform's key reads, or nil when it is nobody's here. A
// connection by a key does not count: its deliveries come to an endpoint of its own.
func (d *doors) forAccount(ctx context.Context, account string, livemode, fresh bool) (*door, error) {
	key := accountKey{account, livemode}
	d.mu.Lock()
	known, since := d.byAccount[key], d.nobody[key]
	d.mu.Unlock()
	if !fresh && known.usable() {
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
	var o *door
	if found {
		if o, err = d.open(ctx, route); err != nil {
			return nil, err
		}
	}
	if o == nil || !o.ofPlatform() || o.key() != key {
		d.mu.Lock()
		delete(d.byAccount, key)
		if len(d.nobody) > 10_000 {
			clear(d.nobody)
		}
		d.nobody[key] = time.Now()
		d.mu.Unlock()
		return nil, nil
	}
	return o, nil
}

func (o *door) ofPlatform() bool { return o.c.CredentialKind == CredentialPlatform }

func (o *door) key() accountKey { return accountKey{o.c.SourceAccountID, o.c.Livemode} }

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
		return sealed(err)
	})
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.byID[o.c.ID] = o
	if o.ofPlatform() {
		d.byAccount[o.key()] = o
	}
	return o, nil
}

func (d *doors) forget(id connection.ID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.byID[id]
	if known == nil {
		return
	}
	delete(d.byID, id)
	if of := d.byAccount[known.key()]; of != nil && of.c.ID == id {
		delete(d.byAccount, known.key())
	}
}
