package app

import (
	"context"

	"memberintel/internal/job/river"
	"memberintel/internal/postgres"
)

type migrateCommand struct{}

// Help says as whom it works, with an example.
func (*migrateCommand) Help() string {
	return "It works as the schema's owner: MEMBERINTEL_OWNER_DATABASE_URL, else MEMBERINTEL_DATABASE_URL. The program's own server is " +
		"migrated by every command, so it needs this one never.\n\n" + example("memberintel migrate")
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
	p.answer(map[string]any{"migrated": true}, line("The database's schema is up to date."))
	return nil
}
