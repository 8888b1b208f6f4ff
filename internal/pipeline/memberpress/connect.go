package memberpress

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"memberintel/internal/audit"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// ConnectRequest is how a tenant's site is connected: by a key that the plugin showed. The secret is never logged.
type ConnectRequest struct {
	Tenant tenant.ID
	Actor  string
	Site   string // the home address
	KeyID  string
	Secret string // as the plugin writes it
}

// Connect asks the site for a signed handshake, and keeps the key, sealed, once the site has proved that it has the
// same one; before that nothing counts as connected. Connecting the same site again replaces key and address. The
// warnings are sentences for the customer.
func (p *Pipeline) Connect(ctx context.Context, r ConnectRequest) (c connection.Connection, warnings []string, err error) {
	secret, err := ParseSecret(r.Secret)
	if err != nil {
		return c, nil, err
	}
	r.Site = strings.TrimRight(strings.TrimSpace(r.Site), "/")
	place, made, err := p.room(ctx, r.Tenant)
	if err != nil {
		return c, nil, err
	}
	h, err := p.challenge(ctx, r, place, secret)
	if err == nil {
		c, warnings, err = p.keep(ctx, r, h)
	}
	if err != nil && made {
		return c, nil, errors.Join(err, p.abandon(context.WithoutCancel(ctx), r.Tenant, place))
	}
	return c, warnings, err
}

// room returns the connection in whose name the site is asked: what is learned of how it answers is kept with that.
// Where there is none, one is made that has no key.
func (p *Pipeline) room(ctx context.Context, id tenant.ID) (place connection.ID, made bool, err error) {
	err = p.DB.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		c, err := p.Connections.Get(ctx, tx, connection.MemberPress)
		if fault.Is(err, fault.NotFound) {
			made = true
			c, _, err = p.Connections.Connect(ctx, tx, connection.Request{Pipeline: connection.MemberPress, Livemode: true, CredentialKind: credentialKey})
		}
		place = c.ID
		return err
	})
	return place, made, err
}

// abandon takes away a connection that never came about: who was refused is told why, and has no connection that ended.
func (p *Pipeline) abandon(ctx context.Context, id tenant.ID, place connection.ID) error {
	return p.DB.TenantTx(ctx, id, func(tx *postgres.TenantTx) error { return p.Connections.Abandon(ctx, tx, place) })
}

func (p *Pipeline) challenge(ctx context.Context, r ConnectRequest, place connection.ID, secret []byte) (Handshake, error) {
	client, err := newClient(p.Fetch, p.Care, r.Tenant, place, Site{URL: r.Site, KeyID: r.KeyID, Secret: secret}, p.Config.Now)
	if err != nil {
		return Handshake{}, err
	}
	return client.handshake(ctx)
}

// keep stores the key of a site that has proved who it is.
func (p *Pipeline) keep(ctx context.Context, r ConnectRequest, h Handshake) (c connection.Connection, warnings []string, err error) {
	warnings = doubts(r, h)
	err = p.DB.TenantTx(ctx, r.Tenant, func(tx *postgres.TenantTx) error {
		created := false
		c, created, err = p.Connections.Connect(ctx, tx, connection.Request{
			Pipeline: connection.MemberPress, SourceAccountID: h.SiteID, AccountConfirmed: true, Livemode: true, CredentialKind: credentialKey,
			Secrets: map[string]string{secretSite: r.Site, secretKeyID: r.KeyID, secretKey: r.Secret},
		})
		if err != nil {
			return err
		}
		left, err := p.Connections.Leftovers(ctx, tx, c)
		if err != nil {
			return err
		}
		for _, l := range left {
			warnings = append(warnings, l.Sentence(c.Pipeline)+" They stay as they were, and queries show them beside those of the site that is "+
				"connected now: tell them apart by source_account_id, or give each site a tenant of its own.")
		}
		return audit.Record(ctx, tx, r.Actor, "connect", "memberpress", map[string]any{
			"connection_id": c.ID, "site": h.SiteID, "home_url": h.Site.HomeURL, "created": created,
		})
	})
	return c, warnings, err
}

// doubts are what the customer should know of the site.
func doubts(r ConnectRequest, h Handshake) []string {
	warnings := []string{}
	if u, err := url.Parse(r.Site); err == nil && u.Scheme == "http" {
		warnings = append(warnings, "The site is asked without TLS, so members' data can be read on its way; connect again with https://.")
	}
	if h.Site.Multisite {
		warnings = append(warnings, "The site is one of a WordPress network: its own members are read, and not those of the others.")
	}
	return warnings
}

// Disconnect ends a connection at the tenant's wish, at the site too. Its data stays, its key is forgotten. A site that
// does not answer is no hindrance, and then the warning says what is left to do there.
func (p *Pipeline) Disconnect(ctx context.Context, id tenant.ID, actor string) (c connection.Connection, warning string, err error) {
	err = p.DB.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		c, err = p.Connections.Get(ctx, tx, connection.MemberPress)
		return err
	})
	if err != nil || c.State == connection.Disconnected {
		return c, "", err
	}
	if client, err := p.client(ctx, c); err == nil {
		if err := client.disconnect(ctx); err != nil {
			p.Log.WarnContext(ctx, "the site was not told that it is disconnected", "tenant_id", id, "error", err)
			warning = "The site could not be told. Its key is forgotten here and cannot be used again; to end the connection there, in WordPress open MemberPress, MemberIntel, and disconnect."
		}
	}
	err = p.DB.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		changed, err := p.Connections.Disconnect(ctx, tx, c.ID, "Disconnected on request.")
		if err != nil {
			return err
		}
		if changed {
			if err := audit.Record(ctx, tx, actor, "disconnect", "memberpress", map[string]any{"connection_id": c.ID}); err != nil {
				return err
			}
		}
		c, err = p.Connections.Get(ctx, tx, connection.MemberPress)
		return err
	})
	return c, warning, err
}
