// Package stripe brings a Stripe account into the warehouse and keeps it there. Webhooks push, polling of
// events fills what they missed, a full pass repairs and sweeps, and verify proves the result.
//
// Quirks of the source. Identity: ids are unique within an account and mode; product, plan and coupon ids are
// chosen by people and collide between accounts. Order: events come in any order, more than once, and are
// stamped to the second; see warehouse for the rule, and refetch.go for what cannot be ordered. Mutability:
// everything changes, and only products say when. Deletes: lists leave deleted objects out, a look-up shows a
// stub. Limits: 25 requests a second an endpoint and 100 an account. Clock: the Date header of every answer.
// Version: a list speaks the version that was asked for, an event that of its day.
package stripe

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/telemetry"
)

// The names under which a connection's secrets are sealed.
const (
	SecretKey     = "api_key"
	SecretWebhook = connection.WebhookSecret // comma-separated, all of them valid
)

// The kinds of credential.
const (
	CredentialKey      = "key"      // a restricted or secret key of the account itself
	CredentialPlatform = "platform" // the platform's key and the account's id
)

// Config is what the pipeline is told from outside.
type Config struct {
	APIURL       string
	APIVersion   string        // the version whose events are mapped and which is asked for
	PlatformKey  string        // for connections of kind platform
	Platform     []string      // signing secrets of the platform's webhook endpoint
	InFlight     int           // requests at once in a pass, default 8
	RefetchAfter time.Duration // how long a doubtful object waits before it is fetched, default 2 s
	// Now is the clock that signatures are held against; nil is the machine's.
	Now func() time.Time
	// Sleep paces retries; nil is a real timer.
	Sleep func(context.Context, time.Duration) error
}

// Pipeline syncs Stripe connections. It is safe for concurrent use.
type Pipeline struct {
	Config      Config
	DB          *postgres.DB
	Ledger      *syncrun.Ledger
	Connections *connection.Store
	Pacer       *Pacer
	HTTP        *http.Client
	Metrics     *telemetry.Metrics
	Log         *slog.Logger
}

// New returns a pipeline with the config's gaps filled.
func New(cfg Config, ledger *syncrun.Ledger, pacer *Pacer) *Pipeline {
	if cfg.InFlight <= 0 {
		cfg.InFlight = 8
	}
	if cfg.RefetchAfter <= 0 {
		cfg.RefetchAfter = 2 * time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sleep == nil {
		cfg.Sleep = sleep
	}
	return &Pipeline{
		Config: cfg, DB: ledger.DB, Ledger: ledger, Connections: ledger.Connections, Pacer: pacer,
		HTTP: NewHTTP(), Metrics: ledger.Metrics, Log: ledger.Log,
	}
}

// source is whose records a connection's are.
func source(c connection.Connection) canonical.Source {
	return canonical.Source{Platform: "stripe", AccountID: c.SourceAccountID, Livemode: c.Livemode}
}

// client makes a client with the connection's own credential.
func (p *Pipeline) client(ctx context.Context, c connection.Connection) (*Client, error) {
	if err := c.Ended("Stripe account"); err != nil {
		return nil, err
	}
	credential := Credential{Key: p.Config.PlatformKey, Account: c.SourceAccountID}
	if c.CredentialKind != CredentialPlatform {
		err := p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) (err error) {
			credential = Credential{}
			credential.Key, err = p.Connections.Secret(ctx, tx, c.ID, SecretKey)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if credential.Key == "" {
		return nil, fault.New(fault.Unauthorized, "There is no Stripe key for this connection; connect it again with `memberintel connect stripe`.")
	}
	if !c.AccountConfirmed {
		return p.newClient(credential, "") // paced by itself: the account that it names may be somebody else's
	}
	return p.newClient(credential, c.SourceAccountID)
}

func (p *Pipeline) newClient(credential Credential, accountKey string) (*Client, error) {
	return NewClient(ClientConfig{
		BaseURL: p.Config.APIURL, APIVersion: p.Config.APIVersion, Credential: credential, AccountKey: accountKey,
		Pacer: p.Pacer, HTTP: p.HTTP, Sleep: p.Config.Sleep, InFlight: p.Config.InFlight,
		OnRequest: func(endpoint string, status int, took time.Duration) {
			p.Metrics.APIRequest("stripe", endpoint, status, took)
		},
		OnLimited: func(scope Scope) { p.Metrics.RateLimited("stripe", string(scope)) },
	})
}
