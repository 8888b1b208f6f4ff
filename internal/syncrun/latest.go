package syncrun

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
)

// Latest returns the tenant's latest runs, newest first.
func Latest(ctx context.Context, tx *postgres.TenantTx, limit int) ([]Report, error) {
	rows, err := tx.Query(ctx, `
		SELECT run_id, pipeline_type, mode, status, started_at, finished_at, records_processed, quarantined, error_message, events
		  FROM sync_run ORDER BY run_id DESC LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("syncrun: list the runs: %w", err)
	}
	reports, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Report])
	if err != nil {
		return nil, fmt.Errorf("syncrun: list the runs: %w", err)
	}
	return reports, nil
}

// FullPassRunning reports whether a living worker is at a full pass of the tenant's pipeline. Until such a pass
// ends, the columns that the warehouse derives may lag behind the records.
func FullPassRunning(ctx context.Context, tx *postgres.TenantTx, pipeline connection.Pipeline) (running bool, err error) {
	err = tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM sync_run
		                WHERE tenant_id = $1 AND pipeline_type = $2 AND status = 'running' AND mode = 'full'
		                  AND lease_expires_at >= clock_timestamp())`, tx.Tenant, pipeline).Scan(&running)
	if err != nil {
		return false, fmt.Errorf("syncrun: look for a full pass: %w", err)
	}
	return running, nil
}

// Freshness says how old a pipeline's data is.
type Freshness struct {
	TenantID      string
	PipelineType  string
	DataAsOf      *time.Time
	LastSuccessAt *time.Time
	LastStatus    *string
	Stale         bool
}

// FreshnessOf returns the tenant's freshness, one entry a pipeline that ever ran.
func FreshnessOf(ctx context.Context, tx *postgres.TenantTx) ([]Freshness, error) {
	rows, err := tx.Query(ctx, `SELECT tenant_id::text, pipeline_type, data_as_of, last_success_at, last_status, stale FROM tenant_data_freshness`)
	if err != nil {
		return nil, fmt.Errorf("syncrun: read the freshness: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Freshness])
	if err != nil {
		return nil, fmt.Errorf("syncrun: read the freshness: %w", err)
	}
	return found, nil
}
