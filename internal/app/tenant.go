package app

import (
	"context"
	"io"
	"strings"

	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

type tenantCommands struct {
	Create tenantCreateCommand `cmd:"" help:"Add a tenant."`
	List   tenantListCommand   `cmd:"" help:"List the tenants."`
	Plan   tenantPlanCommand   `cmd:"" help:"Change a tenant's plan."`

	Contact tenantContactCommand `cmd:"" help:"Say where news of a tenant's outages goes."`
}

type tenantCreateCommand struct {
	Name string `required:"" placeholder:"NAME" help:"The tenant's name; no two have the same."`
	Plan string `enum:"free,pro" default:"pro" help:"free is pulled now and then, pro follows every webhook."`
}

// Help shows an example.
func (*tenantCreateCommand) Help() string {
	return example("memberintel tenant create --name oak-hill --plan pro")
}

type tenantView struct {
	ID   tenant.ID   `json:"id"`
	Name string      `json:"name"`
	Plan tenant.Plan `json:"plan"`
}

// Run adds the tenant.
func (c *tenantCreateCommand) Run(ctx context.Context, p *program) error {
	return p.with(ctx, func(h *house) error {
		created, err := identity.CreateTenant(ctx, h.db, c.Name, tenant.Plan(c.Plan))
		if err != nil {
			return err
		}
		p.answer(tenantView{created.ID, created.Name, created.Plan},
			line("Created the tenant %s (%s), plan %s.", created.Name, created.ID, created.Plan))
		return nil
	})
}

type tenantListCommand struct{}

// Help shows an example.
func (*tenantListCommand) Help() string { return example("memberintel tenant list --json") }

// Run lists the tenants.
func (c *tenantListCommand) Run(ctx context.Context, p *program) error {
	return p.with(ctx, func(h *house) error {
		tenants, err := identity.List(ctx, h.db)
		if err != nil {
			return err
		}
		views := []tenantView{}
		for _, t := range tenants {
			views = append(views, tenantView{t.ID, t.Name, t.Plan})
		}
		p.answer(map[string]any{"tenants": views}, func(w io.Writer) {
			if len(views) == 0 {
				writef(w, "There are no tenants; add one with `memberintel tenant create --name NAME`.\n")
			}
			for _, t := range views {
				writef(w, "%s\t%s\t%s\n", t.Name, t.Plan, t.ID)
			}
		})
		return nil
	})
}

type tenantContactCommand struct {
	Tenant string `required:"" placeholder:"T" help:"The tenant's id or name."`
	Email  string `arg:"" optional:"" help:"The address. Default: the tenant's owners."`
}

// Help shows an example.
func (*tenantContactCommand) Help() string {
	return "Without an address mails go to the tenant's owners, who are made with `memberintel user create`.\n\n" +
		example("memberintel tenant contact anna@oak-hill.example --tenant oak-hill")
}

type contactView struct {
	tenantView
	Contact []string `json:"contact"` // to whom news goes; never nil
}

// Run sets the address; the same one changes nothing.
func (c *tenantContactCommand) Run(ctx context.Context, p *program) error {
	return p.withTenant(ctx, c.Tenant, func(h *house, t identity.Tenant) error {
		if _, err := identity.SetContact(ctx, h.db, t.ID, c.Email, actor); err != nil {
			return err
		}
		var told identity.Contact
		err := h.db.TenantTx(ctx, t.ID, func(tx *postgres.TenantTx) (err error) {
			told, err = identity.ContactOf(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
		to := "nowhere: it has no owner yet"
		if len(told.Emails) > 0 {
			to = "to " + strings.Join(told.Emails, ", ")
		}
		emails := append([]string{}, told.Emails...) // a list, also of nobody
		p.answer(contactView{tenantView{t.ID, t.Name, t.Plan}, emails}, line("News of %s's outages goes %s.", t.Name, to))
		return nil
	})
}

type tenantPlanCommand struct {
	Tenant string `required:"" placeholder:"T" help:"The tenant's id or name."`
	Plan   string `arg:"" enum:"free,pro" help:"free or pro."`
}

// Help shows an example.
func (*tenantPlanCommand) Help() string {
	return example("memberintel tenant plan pro --tenant oak-hill")
}

// Run changes the plan, and with it when the tenant's connections are due. The same plan changes nothing.
func (c *tenantPlanCommand) Run(ctx context.Context, p *program) error {
	return p.withTenant(ctx, c.Tenant, func(h *house, t identity.Tenant) error {
		t.Plan = tenant.Plan(c.Plan)
		changed, err := identity.SetPlan(ctx, h.db, t.ID, t.Plan, actor)
		if err != nil {
			return err
		}
		if changed {
			if err := h.reschedule(ctx, t.ID); err != nil {
				return err
			}
		}
		p.answer(tenantView{t.ID, t.Name, t.Plan}, line("%s has the plan %s.", t.Name, t.Plan))
		return nil
	})
}

// example is the text below a command's usage.
func example(lines ...string) string {
	text := "Example:\n"
	for _, l := range lines {
		text += "\n    " + l
	}
	return text
}
