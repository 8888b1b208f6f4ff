package website

import (
	"context"
	"net/url"
	"strings"
	"time"

	"memberintel/internal/audit"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// connectPatience is how long the site may take when it is connected.
const connectPatience = 30 * time.Second

// ConnectRequest is which site a tenant wants to have described.
type ConnectRequest struct {
	Tenant tenant.ID
	Actor  string
	URL    string // https:// is added where there is no scheme
}

// Connect looks whether the address leads to a public site that stays at its own name, and keeps it. Connecting again brings
// the address up to date. A site that does not answer now, or lets no robot in, is connected with a warning: its first sync
// tells what helps. The warnings are sentences for the customer.
func (p *Pipeline) Connect(ctx context.Context, r ConnectRequest) (c connection.Connection, warnings []string, err error) {
	home, err := homeOf(r.URL)
	if err != nil {
		return c, nil, err
	}
	if err := p.Fetch.Reach(ctx, home.String()); err != nil && refuses(err) {
		return c, nil, err
	}
	warnings = []string{}
	answer, err := p.Crawler.Visit(p.Fetch.Within(connectPatience)).Get(ctx, home.String())
	switch {
	case err == nil:
		if at, failed := url.Parse(answer.URL); failed == nil && at.Host != "" { // with or without www., encrypted or not: as the site wants it
			home.Scheme, home.Host = at.Scheme, at.Host
		}
	case ctx.Err() != nil || refuses(err):
		return c, nil, err
	default:
		warnings = append(warnings, fault.Sentence(err))
	}
	if home.Scheme == "http" && err == nil {
		warnings = append(warnings, "The site is read without TLS, so what is read may have been changed on its way; connect again with https:// when it has that.")
	}
	err = p.DB.TenantTx(ctx, r.Tenant, func(tx *postgres.TenantTx) error {
		created := false
		c, created, err = p.Connections.Connect(ctx, tx, connection.Request{
			Pipeline: connection.Website, SourceAccountID: fetch.SiteName(home.String()), Livemode: true, Secrets: map[string]string{secretURL: home.String()},
		})
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, r.Actor, "connect", "website", map[string]any{"connection_id": c.ID, "url": home.String(), "created": created})
	})
	return c, warnings, err
}

// refuses reports whether an address can never do: it is none, is not public, or leads to another site.
func refuses(err error) bool {
	switch fetch.SymptomOf(err) {
	case fetch.PrivateAddress, fetch.WrongPort, fetch.Moved, fetch.Parked, fetch.NoSuchName:
		return true
	}
	return fault.Is(err, fault.Invalid)
}

// homeOf makes an address of what a person typed.
func homeOf(typed string) (*url.URL, error) {
	typed = strings.TrimSpace(typed)
	if !strings.Contains(typed, "://") {
		typed = "https://" + typed
	}
	home, err := url.Parse(typed)
	if err != nil || home.Hostname() == "" || home.User != nil || home.Scheme != "https" && home.Scheme != "http" {
		return nil, fault.New(fault.Invalid, "The address of a site must look like https://www.example.org.")
	}
	home.RawQuery, home.Fragment, home.RawFragment, home.ForceQuery = "", "", "", false
	if home.Path == "" {
		home.Path = "/"
	}
	return home, nil
}

// Disconnect ends a connection at the tenant's wish. Its profiles stay.
func (p *Pipeline) Disconnect(ctx context.Context, id tenant.ID, actor string) (c connection.Connection, err error) {
	err = p.DB.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		if c, err = p.Connections.Get(ctx, tx, connection.Website); err != nil {
			return err
		}
		changed, err := p.Connections.Disconnect(ctx, tx, c.ID, "Disconnected on request.")
		if err == nil && changed {
			err = audit.Record(ctx, tx, actor, "disconnect", "website", map[string]any{"connection_id": c.ID})
		}
		if err != nil {
			return err
		}
		c, err = p.Connections.Get(ctx, tx, connection.Website)
		return err
	})
	return c, err
}
