package app

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/consent"
	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/identity"
	"memberintel/internal/job/river"
	"memberintel/internal/pipeline/memberpress"
	"memberintel/internal/pipeline/stripe"
	"memberintel/internal/pipeline/website"
	"memberintel/internal/postgres"
	"memberintel/internal/schedule"
	"memberintel/internal/syncrun"
	"memberintel/internal/telemetry"
	"memberintel/internal/warehouse"
)

// actor is who the audit names for what a command does.
const actor = "cli"

// house is the program put together on its database.
type house struct {
	db          *postgres.DB
	vault       *connection.Vault
	connections *connection.Store
	ledger      *syncrun.Ledger
	stripe      *stripe.Pipeline
	memberpress *memberpress.Pipeline
	website     *website.Pipeline
	pipelines   map[connection.Pipeline]pipeline
	flow        *consent.Flow
	engine      *river.Engine
	scheduler   *schedule.Scheduler
	metrics     *telemetry.Metrics
	log         *slog.Logger
}

// openDatabase makes the data folder, where the program's own server needs one, and connects.
func (p *program) openDatabase(ctx context.Context, fresh bool) (*postgres.DB, error) {
	if p.DatabaseURL == "" {
		// 0711 lets the server's own user pass through to its part of the folder.
		if err := os.MkdirAll(p.DataDir, 0o711); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "The data folder %s cannot be made; name another with --data-dir.", p.DataDir)
		}
	}
	db, err := postgres.Open(ctx, postgres.Config{
		URL: p.DatabaseURL, OwnerURL: p.OwnerDatabaseURL, DataDir: p.DataDir, BinDir: p.PostgresBin, Fresh: fresh, Log: p.log,
	})
	if err != nil || p.DatabaseURL != "" {
		return db, err
	}
	if err := river.Migrate(ctx, db); err != nil { // the program's own server is up to date whenever it is open
		db.Close()
		return nil, err
	}
	return db, nil
}

// current refuses a database whose schema, or the job engine's, is not this program's.
func current(ctx context.Context, db *postgres.DB) error {
	err := db.Current(ctx)
	if err == nil {
		err = river.Current(ctx, db)
	}
	if errors.Is(err, postgres.ErrOutdated) {
		return fault.New(fault.Conflict, "The database's schema is older than this program; run `memberintel migrate`.")
	}
	return err
}

// open puts the program together. A database whose schema is older than the program is refused.
func (p *program) open(ctx context.Context) (*house, error) {
	db, err := p.openDatabase(ctx, false)
	if err != nil {
		return nil, err
	}
	if err := current(ctx, db); err != nil {
		db.Close()
		return nil, err
	}
	h, err := p.furnish(db)
	if err != nil {
		db.Close()
		return nil, err
	}
	return h, nil
}

// furnish puts everything that works on the database around it.
func (p *program) furnish(db *postgres.DB) (*house, error) {
	vault, err := connection.OpenVault(p.KeyFile)
	if err != nil {
		return nil, err
	}
	h := &house{db: db, vault: vault, connections: connection.NewStore(vault), metrics: telemetry.New(), log: p.log}
	h.ledger = &syncrun.Ledger{DB: db, Warehouse: warehouse.New(), Connections: h.connections, Metrics: h.metrics, Log: p.log, MaxRuns: p.MaxSyncs, Caps: p.caps()}
	h.stripe = stripe.New(stripe.Config{
		APIURL: p.StripeAPIURL, APIVersion: p.StripeAPIVersion,
		PlatformKey: p.secrets.StripeSecretKey, Platform: commaSeparated(p.secrets.StripeWebhookSecrets),
	}, h.ledger, stripe.NewPacer(stripe.Limits{Endpoint: p.StripeEndpointRate, Account: p.StripeAccountRate}))
	sites := fetch.New(fetch.Config{UserAgent: userAgent(p.PublicURL), Allow: p.allowed})
	h.memberpress = memberpress.New(memberpress.Config{Recognise: h.recognise}, h.ledger, sites, care.New(db, sparing()))
	h.website = p.newWebsite(h, sites)
	h.pipelines = p.pipelines.furnished(h)
	h.flow = h.newFlow(sites)
	if h.engine, err = river.New(db, river.Config{Workers: p.MaxSyncs, Log: p.log}); err != nil {
		return nil, err
	}
	h.scheduler = &schedule.Scheduler{DB: db, Ledger: h.ledger, Queue: h.engine, Log: p.log, Every: p.rhythm.tick}
	return h, nil
}

func (h *house) close() { h.db.Close() }

// with opens the house for fn and closes it afterwards.
func (p *program) with(ctx context.Context, fn func(*house) error) error {
	h, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer h.close()
	return fn(h)
}

// withTenant is with for a command on one tenant.
func (p *program) withTenant(ctx context.Context, name string, fn func(*house, identity.Tenant) error) error {
	return p.with(ctx, func(h *house) error {
		t, err := identity.Find(ctx, h.db, name)
		if err != nil {
			return err
		}
		return fn(h, t)
	})
}

// withConnection is with for a command on one connection of a tenant.
func (p *program) withConnection(
	ctx context.Context, tenantName string, pipeline connection.Pipeline, fn func(*house, identity.Tenant, connection.Connection) error,
) error {
	if err := p.pipelines.served(pipeline); err != nil {
		return err
	}
	return p.withTenant(ctx, tenantName, func(h *house, t identity.Tenant) error {
		c, err := h.connection(ctx, t, pipeline)
		if err != nil {
			return err
		}
		p.about = pipeline
		return fn(h, t, c)
	})
}

func (h *house) connection(ctx context.Context, t identity.Tenant, pipeline connection.Pipeline) (c connection.Connection, err error) {
	err = h.db.TenantTx(ctx, t.ID, func(tx *postgres.TenantTx) error {
		c, err = h.connections.Get(ctx, tx, pipeline)
		return err
	})
	return c, err
}

// userAgent says who asks a site, and where its owner can learn more.
func userAgent(publicURL string) string { return "memberintel/1.0 (+" + publicURL + ")" }

// sparing is how sites with the plugin are asked: it works on one request at a time and bounds what that costs, so
// that they may follow each other.
func sparing() care.Config {
	return care.Config{PerMinute: 600, Burst: 50, PageMax: 2000, GrowAfter: 5}
}
