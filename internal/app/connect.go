package app

import (
	"context"
	"io"
	"strings"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/pipeline/memberpress"
	"memberintel/internal/pipeline/stripe"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

type connectCommands struct {
	Stripe      connectStripeCommand      `cmd:"" help:"Connect a Stripe account."`
	MemberPress connectMemberPressCommand `cmd:"" name:"memberpress" help:"Connect a MemberPress site."`
	Website     connectWebsiteCommand     `cmd:"" help:"Connect a public website."`
}

type connectStripeCommand struct {
	Tenant   string `required:"" placeholder:"T" help:"The tenant's id or name."`
	Account  string `placeholder:"ACCT" help:"The account's id: with the platform's key, or where a key may not tell it."`
	Livemode bool   `help:"With the platform's key: the account's live mode."`
}

// Help says where the secrets come from, with an example.
func (*connectStripeCommand) Help() string {
	return "The key is MEMBERINTEL_STRIPE_KEY and the endpoint's signing secret MEMBERINTEL_STRIPE_WEBHOOK_SECRET, " +
		"from the environment or from stdin, one NAME=value a line. Connecting again replaces what is given and keeps the rest.\n\n" +
		example("memberintel connect stripe --tenant oak-hill < stripe.env")
}

type connectView struct {
	ConnectionID connection.ID       `json:"connection_id"`
	TenantID     tenant.ID           `json:"tenant_id"`
	Pipeline     connection.Pipeline `json:"pipeline"`
	State        connection.State    `json:"state"`
	WebhookURL   string              `json:"webhook_url"`
	Warnings     []string            `json:"warnings"` // never nil
}

// Run checks the key against Stripe and stores it sealed.
func (c *connectStripeCommand) Run(ctx context.Context, p *program) error {
	if err := p.readSecrets(true); err != nil {
		return err
	}
	return p.withTenant(ctx, c.Tenant, func(h *house, t identity.Tenant) error {
		p.about = connection.Stripe
		view, err := p.connectStripe(ctx, h, stripe.ConnectRequest{
			Tenant: t.ID, Actor: actor, Key: p.secrets.StripeKey, WebhookSecrets: p.secrets.StripeWebhookSecret,
			Account: c.Account, Livemode: c.Livemode,
		})
		if err != nil {
			return err
		}
		again := view.State != connection.Connected // what did not work is to be tried with what is new
		return p.connected(ctx, h, t, view, again, func(w io.Writer) {
			writef(w, "Connected Stripe to %s, as %s.\n", t.Name, view.State)
			writef(w, "Webhook address: %s\n", view.WebhookURL)
		})
	})
}

// connected asks for a sync where one is due at once, and answers with what was made: a line or two of the source's own, what
// is to be looked at, and how it is read.
func (p *program) connected(ctx context.Context, h *house, t identity.Tenant, view connectView, due bool, first func(io.Writer)) error {
	if due {
		if err := h.request(ctx, view.ConnectionID, syncrun.Connecting); err != nil {
			return err
		}
	}
	p.answer(view, func(w io.Writer) {
		first(w)
		writeNotes(w, view.Warnings)
		if view.State == connection.Pending {
			writef(w, "A running `memberintel serve` reads it now; to read it here: memberintel sync --tenant %s --pipeline %s\n", t.Name, view.Pipeline)
		}
	})
	return nil
}

func writeNotes(w io.Writer, warnings []string) {
	for _, warning := range warnings {
		writef(w, "Note: %s\n", warning)
	}
}

// connectStripe is the part of it that the demo shares.
func (p *program) connectStripe(ctx context.Context, h *house, r stripe.ConnectRequest) (connectView, error) {
	c, warnings, err := h.stripe.Connect(ctx, r)
	if err != nil {
		return connectView{}, err
	}
	if warnings == nil {
		warnings = []string{}
	}
	return connectView{c.ID, c.TenantID, c.Pipeline, c.State, p.webhookURL(c.ID), warnings}, nil
}

// webhookURL is where Stripe delivers a connection's events; the route is that of stripe.Webhooks.
func (p *program) webhookURL(id connection.ID) string {
	return p.PublicURL + "/webhooks/stripe/" + id.String()
}

type connectMemberPressCommand struct {
	Tenant string `required:"" placeholder:"T" help:"The tenant's id or name."`
	Site   string `required:"" placeholder:"URL" help:"The site's address."`
	KeyID  string `name:"key-id" required:"" placeholder:"K" help:"Which of the site's keys."`
}

// Help says where the key comes from, with an example.
func (*connectMemberPressCommand) Help() string {
	return "In WordPress open MemberPress, MemberIntel, \"Connect with a key\": it shows a key id and its secret, once. The secret is " +
		"MEMBERINTEL_MEMBERPRESS_SECRET, from the environment or from stdin, one NAME=value a line. Connecting again replaces the key.\n\n" +
		example("memberintel connect memberpress --tenant oak-hill --site https://oak-hill.example --key-id mik_7Q2fXb9ZtR4c < site.env")
}

// Run asks the site to prove that it has the key, and stores it sealed.
func (c *connectMemberPressCommand) Run(ctx context.Context, p *program) error {
	if err := p.readSecrets(true); err != nil {
		return err
	}
	if p.secrets.MemberPressSecret == "" {
		return fault.New(fault.Invalid, "No secret: set MEMBERINTEL_MEMBERPRESS_SECRET to the one that the plugin showed with the key.")
	}
	return p.withTenant(ctx, c.Tenant, func(h *house, t identity.Tenant) error {
		p.about = connection.MemberPress
		view, err := p.connectMemberPress(ctx, h, memberpress.ConnectRequest{
			Tenant: t.ID, Actor: actor, Site: c.Site, KeyID: c.KeyID, Secret: p.secrets.MemberPressSecret,
		})
		if err != nil {
			return err
		}
		return p.connected(ctx, h, t, view, view.State == connection.Pending, func(w io.Writer) {
			writef(w, "Connected MemberPress to %s, as %s.\n", t.Name, view.State)
			writef(w, "A site that is connected with a key does not know where to knock: it is read by the clock, and by `memberintel sync`.\n")
		})
	})
}

// connectMemberPress is the part of it that the demo shares. Whoever names a site here vouches for where it is. The route
// of the address is that of memberpress.Knocks.
func (p *program) connectMemberPress(ctx context.Context, h *house, r memberpress.ConnectRequest) (connectView, error) {
	c, warnings, err := h.memberpress.Connect(ctx, r)
	if err == nil {
		err = h.flow.Vouch(ctx, c)
	}
	if err != nil {
		return connectView{}, err
	}
	return connectView{c.ID, c.TenantID, c.Pipeline, c.State, p.PublicURL + "/knock/memberpress/" + c.ID.String(), warnings}, nil
}

type disconnectCommand struct {
	Pipeline connection.Pipeline `arg:"" enum:"${pipelines}" help:"${pipeline_words}."`
	Tenant   string              `required:"" placeholder:"T" help:"The tenant's id or name."`
}

// Help shows an example.
func (*disconnectCommand) Help() string {
	return example("memberintel disconnect stripe --tenant oak-hill")
}

// Run ends the connection; doing it again changes nothing.
func (c *disconnectCommand) Run(ctx context.Context, p *program) error {
	return p.withConnection(ctx, c.Tenant, c.Pipeline, func(h *house, t identity.Tenant, _ connection.Connection) error {
		ended, warnings, err := h.disconnect(ctx, t.ID, c.Pipeline)
		if err != nil {
			return err
		}
		p.answer(map[string]any{
			"connection_id": ended.ID, "tenant_id": ended.TenantID, "pipeline": ended.Pipeline, "state": ended.State, "warnings": warnings,
		}, func(w io.Writer) {
			writef(w, "Disconnected %s from %s. Its data stays.\n", ended.Pipeline.Label(), t.Name)
			writeNotes(w, warnings)
		})
		return nil
	})
}

// disconnect ends a connection. The warnings are never nil.
func (h *house) disconnect(ctx context.Context, id tenant.ID, pipeline connection.Pipeline) (c connection.Connection, warnings []string, err error) {
	warnings = []string{}
	of, err := h.pipeline(pipeline)
	if err != nil {
		return c, warnings, err
	}
	c, warning, err := of.end(ctx, id, actor)
	if warning != "" {
		warnings = append(warnings, warning)
	}
	return c, warnings, err
}

func commaSeparated(text string) (parts []string) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}
