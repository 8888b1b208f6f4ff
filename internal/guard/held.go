package guard

import (
	"context"
	"strings"

	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Held is what the switches hold up at this moment.
type Held struct {
	All       bool
	Pipelines []string
	Tenants   []tenant.ID
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
		case kind == "tenant":
			if id, err := tenant.Parse(what); err == nil {
				held.Tenants = append(held.Tenants, id)
			}
		}
	}
	return held, nil
}
