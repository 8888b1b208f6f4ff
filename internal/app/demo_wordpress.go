package app

import (
	"context"

	"memberintel/internal/fault"
)

func (p *program) findWordPress(*demoFolder) (func(context.Context, *demoWorld) (demoSite, error), error) {
	return nil, fault.New(fault.Invalid, "not yet")
}
