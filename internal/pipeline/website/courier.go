package website

import (
	"context"
	"errors"
	"fmt"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
)

// Courier brings the questions of the weekly syncs to Claude in batches, and asks for a sync of each tenant whose answer has
// come. Any number may run at once. Nothing of it is in memory, so it may die at any time.
type Courier struct {
	Pipeline *Pipeline
	Every    time.Duration // between two looks at what there is to do
	// Arrived asks for a sync of a connection whose answer is there; asking twice does no harm.
	Arrived func(context.Context, connection.ID) error
}

// Run works until ctx ends. What fails is logged and tried again.
func (c Courier) Run(ctx context.Context) error {
	if c.Pipeline.carrier == nil {
		return nil
	}
	ticker := time.NewTicker(c.Every)
	defer ticker.Stop()
	for {
		if _, err := c.Step(ctx); err != nil && ctx.Err() == nil {
			c.Pipeline.Log.ErrorContext(ctx, "the batches for claude stand still", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Step does all that there is to do at this moment, and returns how many syncs were asked for.
func (c Courier) Step(ctx context.Context) (arrived int, err error) {
	for worked := true; worked; {
		if worked, err = c.Pipeline.carrier.step(ctx); err != nil {
			return 0, err
		}
	}
	const atOnce = 500
	waiting, err := answered(ctx, c.Pipeline.DB, atOnce)
	for _, of := range waiting {
		id, found, failed := c.connection(ctx, of)
		switch {
		case failed != nil:
		case found:
			failed = c.Arrived(ctx, id)
			arrived++
		default:
			failed = c.Pipeline.carrier.forget(ctx, of)
		}
		err = errors.Join(err, failed)
	}
	return arrived, err
}

// connection finds the website of the tenant that a question is of, false where there is none any more.
func (c Courier) connection(ctx context.Context, of questionRef) (id connection.ID, found bool, err error) {
	err = c.Pipeline.DB.TenantTx(ctx, of.Tenant, func(tx *postgres.TenantTx) error {
		all, err := c.Pipeline.Connections.List(ctx, tx)
		for _, one := range all {
			if one.Pipeline == connection.Website && one.State != connection.Disconnected {
				id, found = one.ID, true
			}
		}
		return err
	})
	if err != nil {
		return id, false, fmt.Errorf("website: whose answer came: %w", err)
	}
	return id, found, nil
}
