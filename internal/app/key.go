package app

import (
	"context"

	"memberintel/internal/identity"
	"memberintel/internal/postgres"
)

type keyCommands struct {
	Rotate keyRotateCommand `cmd:"" help:"Make a new key and seal every credential anew with it."`
}

type keyRotateCommand struct{}

// Help says what a crash leaves, with an example.
func (*keyRotateCommand) Help() string {
	return "The older keys stay in the key file, so an interrupted rotation loses nothing; run it again. Keep a copy of the file.\n\n" +
		example("memberintel key rotate")
}

// Run rotates.
func (c *keyRotateCommand) Run(ctx context.Context, p *program) error {
	return p.with(ctx, func(h *house) error {
		if err := h.vault.Rotate(); err != nil {
			return err
		}
		tenants, err := identity.List(ctx, h.db)
		if err != nil {
			return err
		}
		sealed := 0
		for _, t := range tenants {
			err := h.db.TenantTx(ctx, t.ID, func(tx *postgres.TenantTx) error {
				n, err := h.connections.Reseal(ctx, tx)
				sealed += n
				if err != nil {
					return err
				}
				return identity.ResealReader(ctx, tx, h.vault)
			})
			if err != nil {
				return err
			}
		}
		p.answer(map[string]any{"rotated": true, "resealed": sealed},
			line("Made a new key in %s and sealed %s with it. Keep a copy of the file.", p.KeyFile, plural(int64(sealed), "credential")))
		return nil
	})
}
