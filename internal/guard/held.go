package guard

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Held is what the switches hold up at this moment.
type Held struct {
	All        bool
	Pipelines  []string
	Subsystems []string // by their switches' names, such as Claude
	Tenants    []tenant.ID
}

// Holds reports whether the pipeline's work is held for all tenants, or one of the subsystems is that it needs.
func (h Held) Holds(pipeline string, subsystems ...string) bool {
	return h.All || slices.Contains(h.Pipelines, pipeline) ||
		slices.ContainsFunc(subsystems, func(name string) bool { return slices.Contains(h.Subsystems, name) })
}

// everyTenant names the lock of whoever works for many tenants at once, beside those of their switches.
const everyTenant = "tenant:"

// Hold is WhatIsHeld for a transaction that writes for many tenants at once: until it ends, Throw of all, the pipeline, one of
// the subsystems or any tenant waits for it.
func Hold(ctx context.Context, tx *postgres.ServiceTx, pipeline string, subsystems ...string) (Held, error) {
	names := append([]string{All, "pipeline:" + pipeline, everyTenant}, subsystems...)
	if _, err := tx.Exec(ctx, holdSQL, switchLock, names); err != nil {
		return Held{}, fmt.Errorf("guard: hold the switches: %w", err)
	}
	return WhatIsHeld(ctx, tx)
}

// WhatIsHeld lets whoever starts work leave out what would be stopped at its first Commit.
func WhatIsHeld(ctx context.Context, tx *postgres.ServiceTx) (Held, error) {
	names, err := Thrown(ctx, tx)
	if err != nil {
		return Held{}, err
	}
	var held Held
	for _, name := range names {
		kind, what, _ := strings.Cut(name, ":")
		switch {
		case name == All:
			held.All = true
		case kind == "pipeline":
			held.Pipelines = append(held.Pipelines, what)
		case kind == "subsystem":
			held.Subsystems = append(held.Subsystems, name)
		case kind == "tenant":
			if id, err := tenant.Parse(what); err == nil {
				held.Tenants = append(held.Tenants, id)
			}
		}
	}
	return held, nil
}
