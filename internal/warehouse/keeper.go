package warehouse

import (
	"context"
	"log/slog"
	"time"

	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// KeepEvery is how often a Keeper looks for statuses that changed by the clock.
const KeepEvery = time.Minute

// Keeper brings statuses up to date that change by the clock. Any number of processes may keep it.
type Keeper struct {
	DB        *postgres.DB
	Warehouse *Warehouse
	Log       *slog.Logger
	Every     time.Duration // 0 means KeepEvery
}

// Run keeps the clock until ctx ends. What fails is logged and tried again the next time.
func (k Keeper) Run(ctx context.Context) error {
	every := k.Every
	if every <= 0 {
		every = KeepEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := k.Keep(ctx); err != nil && ctx.Err() == nil {
			k.Log.ErrorContext(ctx, "statuses that changed by the clock were not brought up to date", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// keepAtOnce is how many tenants are looked up at once.
const keepAtOnce = 100

// Keep brings everything up to date that has changed by now.
func (k Keeper) Keep(ctx context.Context) error {
	for {
		var due []tenant.ID
		err := k.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) (err error) {
			due, err = ClockDue(ctx, tx, keepAtOnce)
			return err
		})
		if err != nil || len(due) == 0 {
			return err
		}
		for _, id := range due {
			for more := true; more; {
				err := postgres.Retry(3, func() error {
					return k.DB.TenantTx(ctx, id, func(tx *postgres.TenantTx) (err error) {
						more, err = k.Warehouse.Tick(ctx, tx)
						return err
					})
				})
				if err != nil {
					return err
				}
			}
		}
	}
}
