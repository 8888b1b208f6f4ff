package app

import (
	"context"

	"memberintel/internal/guard"
	"memberintel/internal/job/river"
	"memberintel/internal/postgres"
)

type migrateCommand struct{}

// Help says as whom it works, with an example.
func (*migrateCommand) Help() string {
	return "It works as the schema's owner: MEMBERINTEL_OWNER_DATABASE_URL, else MEMBERINTEL_DATABASE_URL. The program's own server is " +
		"migrated by every command, so it needs this one only for the budgets.\n\n" +
		"What the analysis of websites may cost is set in the database by this command alone, so that nothing which holds the program's own login can raise it: " +
		"serve spends the least of what its own settings and the database say.\n\n" + example("memberintel migrate")
}

// Run migrates; a schema that is up to date stays as it is.
func (c *migrateCommand) Run(ctx context.Context, p *program) error {
	db, err := p.openDatabase(ctx, false) // the program's own server is migrated by this
	if err != nil {
		return err
	}
	defer db.Close()
	if p.DatabaseURL != "" {
		if err := postgres.Migrate(ctx, db.OwnerURL()); err != nil {
			return err
		}
		if err := river.Migrate(ctx, db); err != nil {
			return err
		}
	}
	before, err := guard.SetCaps(ctx, db, p.caps())
	if err != nil {
		return err
	}
	if before != p.caps() {
		p.log.InfoContext(ctx, "the budgets in the database were changed", "before", before.String(), "now", p.caps().String())
	}
	p.answer(map[string]any{"migrated": true}, line("The database's schema is up to date."))
	return nil
}
