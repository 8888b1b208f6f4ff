package app

import (
	"context"

	"memberintel/internal/identity"
)

type dbCommands struct {
	URL dbURLCommand `cmd:"" name:"url" help:"Print the address of a database login."`
}

type dbURLCommand struct {
	Role   string `enum:"app,reader,operator,owner" default:"reader" help:"app, reader, operator or owner."`
	Tenant string `placeholder:"T" help:"With reader: whose rows it reads."`
}

// Help shows an example.
func (*dbURLCommand) Help() string {
	return "The reader's login sees its tenant's rows and no others, and is made where it is missing. The address may hold a password.\n\n" +
		example(`psql "$(memberintel db url --tenant oak-hill)"`)
}

// Run finds the address, and makes the login where it is missing.
func (c *dbURLCommand) Run(ctx context.Context, p *program) error {
	if c.Role == "reader" && c.Tenant == "" {
		return usage("--tenant is missing: a reader reads one tenant's rows.")
	}
	return p.with(ctx, func(h *house) error {
		url, err := c.url(ctx, h)
		if err != nil {
			return err
		}
		p.answer(map[string]any{"url": url}, line("%s", url))
		return nil
	})
}

func (c *dbURLCommand) url(ctx context.Context, h *house) (string, error) {
	switch c.Role {
	case "app":
		return h.db.AppURL(), nil
	case "owner":
		return h.db.OwnerURL(), nil
	case "operator":
		return identity.EnsureOperator(ctx, h.db, h.vault)
	default:
		return h.readerURL(ctx, c.Tenant)
	}
}

func (h *house) readerURL(ctx context.Context, tenantName string) (string, error) {
	t, err := identity.Find(ctx, h.db, tenantName)
	if err != nil {
		return "", err
	}
	return identity.EnsureReader(ctx, h.db, h.vault, t.ID)
}
