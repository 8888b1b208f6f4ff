package website

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
)

// secretURL is the name under which a connection's address is kept.
const secretURL = "url"

// Models are who is asked, by the reason of the question.
type Models struct {
	First    string // the first time that a site is described
	Weekly   string // by the clock, in batches
	OnDemand string // when a person wants it now
}

// DefaultModels are cheap where it counts: the first profile sets the wording that later ones keep.
func DefaultModels() Models {
	return Models{First: "claude-sonnet-5-5", Weekly: "claude-haiku-5-5", OnDemand: "claude-haiku-5-5"}
}

// Config is what the pipeline is told from outside.
type Config struct {
	Key    string        // Claude's; without one sites are connected and not described
	URL    string        // of Claude's API; "" is Anthropic's
	Models Models        // "" is that of DefaultModels
	Gather time.Duration // how long the first question of a batch waits for others, 0 for 10 minutes
}

// Pipeline describes websites. It is safe for concurrent use.
type Pipeline struct {
	Config      Config
	DB          *postgres.DB
	Ledger      *syncrun.Ledger
	Connections *connection.Store
	Fetch       *fetch.Client
	Care        *care.Care
	Crawler     *fetch.Crawler
	Log         *slog.Logger

	claude  *claudeClient // nil without a key
	carrier *carrier
}

// New returns a pipeline that reads sites through the client, with care and the crawler's manners.
func New(cfg Config, ledger *syncrun.Ledger, through *fetch.Client, known *care.Care, manners *fetch.Crawler) *Pipeline {
	usual := DefaultModels()
	cfg.Models = Models{
		First: cmp.Or(cfg.Models.First, usual.First), Weekly: cmp.Or(cfg.Models.Weekly, usual.Weekly), OnDemand: cmp.Or(cfg.Models.OnDemand, usual.OnDemand),
	}
	cfg.Gather = cmp.Or(cfg.Gather, 10*time.Minute)
	p := &Pipeline{
		Config: cfg, DB: ledger.DB, Ledger: ledger, Connections: ledger.Connections, Fetch: through, Care: known, Crawler: manners, Log: ledger.Log,
	}
	if cfg.Key != "" {
		p.claude = newClaude(cfg.URL, cfg.Key)
		p.carrier = &carrier{db: p.DB, claude: p.claude, log: p.Log, gather: cfg.Gather}
	}
	return p
}

// home returns the address of the connection's site.
func (p *Pipeline) home(ctx context.Context, c connection.Connection) (home *url.URL, err error) {
	if err := c.Ended("website"); err != nil {
		return nil, err
	}
	var address string
	err = p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		address, err = p.Connections.Secret(ctx, tx, c.ID, secretURL)
		return err
	})
	if err != nil {
		return nil, err
	}
	if home, err = url.Parse(address); err != nil || home.Host == "" {
		return nil, fault.New(fault.Invalid, "There is no address for this website; connect it again with `memberintel connect website`.")
	}
	return home, nil
}
