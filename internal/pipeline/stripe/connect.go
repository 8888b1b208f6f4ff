package stripe

import (
	"context"
	"errors"
	"strings"
	"time"

	"memberintel/internal/audit"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

const deauthorized = "account.application.deauthorized"

// ConnectRequest is how a tenant's Stripe is connected: by a key of the account itself, or by the platform's
// key and the account's id. Secrets are never logged.
type ConnectRequest struct {
	Tenant         tenant.ID
	Actor          string
	Key            string // "" for the platform's, or to keep the key that is there
	WebhookSecrets string // comma-separated; "" keeps what is there
	Account        string // the account's id; needed with the platform's key
	Livemode       bool   // with the platform's key alone
}

// Connect checks the credential against Stripe and stores it sealed. Connecting the same account again
// replaces what is given and keeps the rest; a key that may not tell its account is known by what it can read.
// The warnings are sentences for the customer.
func (p *Pipeline) Connect(ctx context.Context, r ConnectRequest) (c connection.Connection, warnings []string, err error) {
	stored := connection.Request{
		Pipeline: connection.Stripe, SourceAccountID: r.Account, Livemode: r.Livemode,
		CredentialKind: CredentialKey, Secrets: map[string]string{},
	}
	if r.WebhookSecrets != "" {
		stored.Secrets[SecretWebhook] = r.WebhookSecrets
	}
	credential := Credential{Key: r.Key}
	switch {
	case r.Key != "":
		if stored.Livemode, err = livemodeOf(r.Key); err != nil {
			return c, nil, err
		}
		if r.Livemode && !stored.Livemode {
			return c, nil, fault.New(fault.Invalid, "--livemode goes with the platform's key; this key is of test mode, as its prefix says.")
		}
		stored.Secrets[SecretKey] = r.Key
		warnings = keyWarnings(r.Key)
	case r.Account != "" && p.Config.PlatformKey != "":
		stored.CredentialKind = CredentialPlatform
		credential = Credential{Key: p.Config.PlatformKey, Account: r.Account}
	case r.WebhookSecrets != "":
		return p.replaceWebhookSecrets(ctx, r)
	default:
		return c, nil, fault.New(fault.Invalid,
			"No Stripe key: set MEMBERINTEL_STRIPE_KEY to a restricted key, or give --account with the platform's key set.")
	}
	if stored.SourceAccountID, stored.AccountConfirmed, err = p.probe(ctx, credential, r.Account); err != nil {
		return c, nil, err
	}
	if !stored.AccountConfirmed {
		if err := p.unclaimed(ctx, r.Tenant, stored); err != nil {
			return c, nil, err
		}
	}
	if stored.CredentialKind == CredentialKey {
		if err := p.recognise(ctx, applicant{tenant: r.Tenant, key: r.Key}, &stored); err != nil {
			return c, nil, err
		}
	}
	err = p.DB.TenantTx(ctx, r.Tenant, func(tx *postgres.TenantTx) error {
		created := false
		if c, created, err = p.Connections.Connect(ctx, tx, stored); err != nil {
			return err
		}
		secrets, err := p.Connections.Secret(ctx, tx, c.ID, SecretWebhook)
		if err != nil {
			return err
		}
		if secrets == "" && stored.CredentialKind == CredentialKey {
			warnings = append(warnings, "There is no webhook signing secret, so changes arrive only with each sync: add a webhook endpoint for "+
				"the URL above in Stripe, pinned to API version "+p.Config.APIVersion+", and connect again with MEMBERINTEL_STRIPE_WEBHOOK_SECRET.")
		}
		left, err := p.Connections.Leftovers(ctx, tx, c)
		if err != nil {
			return err
		}
		for _, l := range left {
			warnings = append(warnings, l.Sentence(c.Pipeline)+" They stay as they were, and queries show them beside those of the account that is "+
				"connected now: tell them apart by source_account_id and livemode, or give each account a tenant of its own.")
		}
		return audit.Record(ctx, tx, r.Actor, "connect", "stripe", map[string]any{
			"connection_id": c.ID, "account": c.SourceAccountID, "livemode": c.Livemode, "created": created,
		})
	})
	return c, warnings, err
}

// replaceWebhookSecrets changes the signing secrets of a connection that keeps its key.
func (p *Pipeline) replaceWebhookSecrets(ctx context.Context, r ConnectRequest) (c connection.Connection, warnings []string, err error) {
	err = p.DB.TenantTx(ctx, r.Tenant, func(tx *postgres.TenantTx) error {
		c, err = p.Connections.Get(ctx, tx, connection.Stripe)
		if err != nil {
			return err
		}
		c, _, err = p.Connections.Connect(ctx, tx, connection.Request{
			Pipeline: connection.Stripe, SourceAccountID: c.SourceAccountID, AccountConfirmed: c.AccountConfirmed, Livemode: c.Livemode,
			CredentialKind: c.CredentialKind, Secrets: map[string]string{SecretWebhook: r.WebhookSecrets},
		})
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, r.Actor, "replace_webhook_secret", "stripe", map[string]any{"connection_id": c.ID})
	})
	return c, nil, err
}

// livemodeOf reads the mode from the key's prefix.
func livemodeOf(key string) (bool, error) {
	for _, kind := range []string{"rk_", "sk_", "mk_", "ssk_"} {
		if strings.HasPrefix(key, kind+"live_") {
			return true, nil
		}
		if strings.HasPrefix(key, kind+"test_") {
			return false, nil
		}
	}
	if strings.HasPrefix(key, "pk_") {
		return false, fault.New(fault.Invalid, "This is a publishable key, which cannot read; make a restricted key (rk_...) with read permissions.")
	}
	return false, fault.New(fault.Invalid, "This does not look like a Stripe key: one starts with rk_live_, rk_test_, sk_live_ or sk_test_.")
}

func keyWarnings(key string) []string {
	if strings.HasPrefix(key, "rk_") {
		return nil
	}
	return []string{"This is a secret key, which can also write. memberintel only reads: make a restricted key in the Stripe dashboard " +
		"(Developers, API keys, Create restricted key), allow Read for Customers, Products, Prices, Subscriptions, Invoices, " +
		"Charges and Refunds, Disputes, PaymentIntents, Balance transactions and Events, and connect again with it."}
}

// probe asks Stripe whose the credential is. A key of an account's own that may not know goes on with the
// account that the caller named, or none; that name is not confirmed, and nothing is routed by it. The platform's
// key must reach the account, because the platform's deliveries follow the name.
func (p *Pipeline) probe(ctx context.Context, credential Credential, named string) (id string, confirmed bool, err error) {
	client, err := p.newClient(credential, "")
	if err != nil {
		return "", false, err
	}
	account, err := client.Account(ctx)
	switch refused := fault.Is(err, fault.NotPermitted) || fault.Is(err, fault.NotFound); {
	case refused && credential.Account != "":
		return "", false, fault.Wrap(fault.NotPermitted, err, "Stripe does not let the platform's key read %s; check that the account has "+
			"let the platform in, and that the key may read accounts.", credential.Account)
	case refused:
		return named, false, nil
	case fault.Is(err, fault.Unauthorized):
		return "", false, fault.Wrap(fault.Unauthorized, err, "Stripe refuses this key; copy it again from the dashboard, or make a new restricted key.")
	case err != nil:
		return "", false, err
	case named != "" && named != account.ID:
		return "", false, fault.New(fault.Conflict, "The key belongs to %s, not to %s.", account.ID, named)
	}
	return account.ID, true, nil
}

// unclaimed refuses a name that nobody has confirmed here where the account feeds another tenant.
func (p *Pipeline) unclaimed(ctx context.Context, id tenant.ID, r connection.Request) error {
	return p.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		holder, found, err := p.Connections.RouteByAccount(ctx, tx, r.Pipeline, r.SourceAccountID, r.Livemode)
		if err != nil || !found || holder.TenantID == id || holder.State == connection.Disconnected {
			return err
		}
		return connection.Taken(r.Pipeline)
	})
}

// Deauthorize acts on the message that an account has withdrawn its access. It asks Stripe once: a message
// that comes late, after the account was connected again, changes nothing. The data stays as it is.
func (p *Pipeline) Deauthorize(ctx context.Context, c connection.Connection, at time.Time) error {
	err := p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) (err error) {
		c, err = p.Connections.Get(ctx, tx, connection.Stripe) // the caller's copy may be from before a reconnect
		return err
	})
	if err != nil {
		return err
	}
	client, err := p.client(ctx, c)
	if err == nil {
		_, err = client.Account(ctx)
	}
	switch kind := fault.KindOf(err); {
	case err == nil, c.State == connection.Disconnected:
		return nil
	case c.CredentialKind == CredentialKey && (kind == fault.NotPermitted || kind == fault.NotFound):
		return nil // the key is good, and merely may not know whose it is
	case kind != fault.Unauthorized && kind != fault.NotPermitted && kind != fault.NotFound:
		return err // Stripe delivers again
	}
	return p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		p.Connections.Require(tx, c.ID, c.Generation, errOutdated)
		if err := tx.Flush(ctx); errors.Is(err, errOutdated) {
			return nil // connected again since
		} else if err != nil {
			return err
		}
		return p.disconnect(ctx, tx, c, "stripe", "The account withdrew its access at "+at.UTC().Format(time.RFC3339)+".")
	})
}

// Disconnect ends a connection at the tenant's wish. Its data stays, its key is forgotten.
func (p *Pipeline) Disconnect(ctx context.Context, id tenant.ID, actor string) (c connection.Connection, err error) {
	err = p.DB.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		if c, err = p.Connections.Get(ctx, tx, connection.Stripe); err != nil {
			return err
		}
		if err := p.disconnect(ctx, tx, c, actor, "Disconnected on request."); err != nil {
			return err
		}
		c, err = p.Connections.Get(ctx, tx, connection.Stripe)
		return err
	})
	return c, err
}

func (p *Pipeline) disconnect(ctx context.Context, tx *postgres.TenantTx, c connection.Connection, actor, reason string) error {
	changed, err := p.Connections.Disconnect(ctx, tx, c.ID, reason)
	if err != nil || !changed {
		return err
	}
	if err := p.Ledger.EndLive(ctx, tx, c); err != nil {
		return err
	}
	return audit.Record(ctx, tx, actor, "disconnect", "stripe", map[string]any{"connection_id": c.ID, "reason": reason})
}
