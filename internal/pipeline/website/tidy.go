package website

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Tidier drops the words of sites that were not read for as long as texts are kept: those that a tenant has disconnected, and
// those that nothing reaches any more. A site that is read is tidied by its readings. Any number may run at once.
type Tidier struct {
	Pipeline *Pipeline
	Every    time.Duration // between two looks
}

// Run tidies until ctx ends. What fails is logged and tried again the next time.
func (t Tidier) Run(ctx context.Context) error {
	ticker := time.NewTicker(t.Every)
	defer ticker.Stop()
	for {
		if _, err := t.Tidy(ctx); err != nil && ctx.Err() == nil {
			t.Pipeline.Log.ErrorContext(ctx, "old texts of websites were not dropped", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Tidy drops all that is due at this moment, and returns of how many tenants.
func (t Tidier) Tidy(ctx context.Context) (tenants int, err error) {
	const atOnce = 100
	for {
		due, err := t.due(ctx, atOnce)
		if err != nil {
			return tenants, err
		}
		for _, id := range due {
			err = errors.Join(err, t.drop(ctx, id))
		}
		tenants += len(due)
		if err != nil || len(due) < atOnce { // what fails is found again
			return tenants, err
		}
	}
}

func (t Tidier) due(ctx context.Context, most int) (due []tenant.ID, err error) {
	err = t.Pipeline.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		rows, err := tx.Query(ctx, `
			SELECT tenant_id FROM site_text WHERE last_used_at < memberintel_now() - make_interval(days => $1)
			UNION SELECT tenant_id FROM llm_question WHERE answered_at < memberintel_now() - make_interval(days => $1)
			UNION SELECT s.tenant_id FROM site_status s
			       WHERE s.checked_at < memberintel_now() - make_interval(days => $1)
			         AND EXISTS (SELECT FROM fetch_snapshot f WHERE f.connection_id = s.connection_id)
			 LIMIT $2`, textDays, most)
		if err != nil {
			return err
		}
		due, err = pgx.CollectRows(rows, pgx.RowTo[tenant.ID])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("website: look for old texts: %w", err)
	}
	return due, nil
}

// drop takes old texts, answers that nobody has taken with their questions, and all readings of a site that was not read since.
// Profiles stay, and how the site fared.
func (t Tidier) drop(ctx context.Context, id tenant.ID) error {
	err := t.Pipeline.DB.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		_, err := tx.Exec(ctx, `
			WITH bound AS (SELECT memberintel_now() - make_interval(days => $1) AS at),
			     texts AS (DELETE FROM site_text WHERE last_used_at < (SELECT at FROM bound)),
			     questions AS (DELETE FROM llm_question WHERE answered_at < (SELECT at FROM bound))
			DELETE FROM fetch_snapshot f USING site_status s WHERE s.connection_id = f.connection_id AND s.checked_at < (SELECT at FROM bound)`, textDays)
		return err
	})
	if err != nil {
		return fmt.Errorf("website: drop old texts: %w", err)
	}
	return nil
}
