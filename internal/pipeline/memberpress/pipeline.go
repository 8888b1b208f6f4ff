package memberpress

import (
	"context"
	"log/slog"
	"time"

	"memberintel/internal/canonical"
	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/telemetry"
)

// The names under which a connection's secrets are sealed. All three are needed to ask the site.
const (
	secretSite  = "site"   // the home address
	secretKeyID = "key_id" // which of the site's keys
	secretKey   = "secret" // as the plugin writes it
)

// credentialKey is the kind of credential that the plugin makes.
const credentialKey = "key"

// Config is what the pipeline is told from outside.
type Config struct {
	// Now is the clock with which requests are stamped and knocks are held against; nil is the machine's.
	Now func() time.Time
	// Recognise is asked with each handshake of a sync, before anything else is read, whether this is the site that the
	// tenant connected, where it was connected; an error ends the sync. Nil asks nobody.
	Recognise func(ctx context.Context, c connection.Connection, siteID, homeURL string) error
}

// Pipeline syncs MemberPress sites. It is safe for concurrent use.
type Pipeline struct {
	Config      Config
	DB          *postgres.DB
	Ledger      *syncrun.Ledger
	Connections *connection.Store
	Fetch       *fetch.Client
	Care        *care.Care
	Metrics     *telemetry.Metrics
	Log         *slog.Logger
}

// New returns a pipeline that asks sites through the client, with care.
func New(cfg Config, ledger *syncrun.Ledger, through *fetch.Client, known *care.Care) *Pipeline {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Pipeline{
		Config: cfg, DB: ledger.DB, Ledger: ledger, Connections: ledger.Connections, Fetch: through, Care: known,
		Metrics: ledger.Metrics, Log: ledger.Log,
	}
}

// source is whose records a connection's are. A site has no test mode of its own.
func source(c connection.Connection) canonical.Source {
	return canonical.Source{Platform: "memberpress", AccountID: c.SourceAccountID, Livemode: c.Livemode}
}

// client makes a client with the connection's own key.
func (p *Pipeline) client(ctx context.Context, c connection.Connection) (*client, error) {
	if err := c.Ended("MemberPress site"); err != nil {
		return nil, err
	}
	at, err := p.site(ctx, c)
	if err != nil {
		return nil, err
	}
	return newClient(p.Fetch, p.Care, c.TenantID, c.ID, at, p.Config.Now)
}

// site opens what is sealed of the connection.
func (p *Pipeline) site(ctx context.Context, c connection.Connection) (Site, error) {
	found := map[string]string{}
	err := p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) (err error) {
		for _, name := range []string{secretSite, secretKeyID, secretKey} {
			if found[name], err = p.Connections.Secret(ctx, tx, c.ID, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Site{}, err
	}
	secret, err := ParseSecret(found[secretKey])
	if err != nil || found[secretSite] == "" || found[secretKeyID] == "" {
		return Site{}, fault.New(fault.Unauthorized, "There is no key for this site; connect it again with `memberintel connect memberpress`.")
	}
	return Site{URL: found[secretSite], KeyID: found[secretKeyID], Secret: secret, ID: c.SourceAccountID}, nil
}
