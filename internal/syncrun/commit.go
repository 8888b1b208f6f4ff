package syncrun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/warehouse"
)

// Work is what one Commit writes, all or nothing.
type Work struct {
	Batch       *canonical.Batch // may be nil
	Quarantined []Quarantined
	Checkpoints []Checkpoint
	Deriving    warehouse.Deriving
	// First queues reads that the pipeline needs and that the merge does not change; may be nil. Their results are
	// there when Also runs.
	First func(*postgres.TenantTx)
	// Also writes what only the pipeline knows, such as its refetch list; may be nil. It runs last, knows
	// what the merge did, and may run again when the transaction is retried.
	Also func(context.Context, *postgres.TenantTx, warehouse.Result) error
}

// Checkpoint says how far a part of a stream has been read.
type Checkpoint struct {
	Stream   string
	Part     int
	Position any // JSON, the pipeline's own
	Done     bool
	Records  int // read since the last checkpoint of this part
}

// Commit writes the work in one transaction under the run's lease: a worker that lost it, or a switch that
// was thrown, stops here and nothing is half-written.
func (r *Run) Commit(ctx context.Context, w Work) error {
	err := postgres.Retry(maxTries, func() error {
		return r.ledger.DB.TenantTx(ctx, r.Connection.TenantID, func(tx *postgres.TenantTx) error {
			return r.commit(ctx, tx, w)
		})
	})
	if err != nil {
		return err
	}
	records := 0
	for _, c := range w.Checkpoints {
		records += c.Records
	}
	r.records.Add(int64(records))
	if len(w.Checkpoints) > 0 {
		r.advanced.Store(true)
	}
	r.ledger.Metrics.RecordsCommitted(string(r.Connection.Pipeline), streamOf(w), records)
	return nil
}

const maxTries = 5

func (r *Run) commit(ctx context.Context, tx *postgres.TenantTx, w Work) error {
	r.mayGoOn(tx)
	keepQuarantined(tx, r.Connection, w.Quarantined)
	if w.First != nil {
		w.First(tx)
	}
	var result warehouse.Result
	if w.Batch != nil && w.Batch.Len() > 0 {
		var err error
		if result, err = r.ledger.Warehouse.Apply(ctx, tx, w.Batch, w.Deriving); err != nil {
			return err
		}
	}
	if err := r.saveCheckpoints(tx, w.Checkpoints); err != nil {
		return err
	}
	if w.Also != nil {
		return w.Also(ctx, tx, result)
	}
	return nil
}

// mayGoOn lets the next round trip hold the run's row, so that a takeover waits for this transaction while a
// heartbeat does not, and ask the guard and whether the connection still stands.
func (r *Run) mayGoOn(tx *postgres.TenantTx) {
	tx.Queue(`SELECT 1 FROM sync_run WHERE run_id = $1 AND lease_token = $2 AND status = 'running' FOR KEY SHARE`, r.ID, r.token).
		QueryRow(func(row pgx.Row) error {
			var one int
			err := row.Scan(&one)
			if errors.Is(err, pgx.ErrNoRows) {
				return leaseLost()
			}
			if err != nil {
				return fmt.Errorf("syncrun: check the lease: %w", err)
			}
			return nil
		})
	guard.Require(tx, string(r.Connection.Pipeline))
	r.ledger.Connections.RequireStands(tx, r.Connection.ID, fault.New(fault.Stopped, "The connection was taken away while the sync ran."))
}

func (r *Run) saveCheckpoints(tx *postgres.TenantTx, checkpoints []Checkpoint) error {
	for _, c := range checkpoints {
		position, err := json.Marshal(c.Position)
		if err != nil {
			return fmt.Errorf("syncrun: checkpoint %s: %w", c.Stream, err)
		}
		tx.Queue(`
			INSERT INTO sync_checkpoint AS k (tenant_id, run_id, stream, part, position, done, records)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (run_id, stream, part) DO UPDATE
			   SET position = excluded.position, done = excluded.done, records = k.records + excluded.records`,
			tx.Tenant, r.ID, c.Stream, c.Part, position, c.Done, c.Records)
	}
	return nil
}

// Saved is a checkpoint that an earlier worker left.
type Saved struct {
	Stream   string
	Part     int
	Position json.RawMessage
	Done     bool
	Records  int64
}

// Checkpoints returns what the run has reached, by stream and part.
func (r *Run) Checkpoints(ctx context.Context) ([]Saved, error) {
	var saved []Saved
	err := r.ledger.DB.TenantTx(ctx, r.Connection.TenantID, func(tx *postgres.TenantTx) error {
		rows, err := tx.Query(ctx, `SELECT stream, part, position, done, records FROM sync_checkpoint
			WHERE run_id = $1 ORDER BY stream, part`, r.ID)
		if err != nil {
			return err
		}
		saved, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Saved])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("syncrun: read the checkpoints: %w", err)
	}
	var records int64
	for _, s := range saved {
		records += s.Records
	}
	r.records.Store(records)
	return saved, nil
}

// Cursor reads a position that outlives runs into out, and reports whether there is one.
func (l *Ledger) Cursor(ctx context.Context, tx *postgres.TenantTx, connectionID any, name string, out any) (bool, error) {
	var position []byte
	err := tx.QueryRow(ctx, `SELECT position FROM sync_cursor WHERE connection_id = $1 AND name = $2`, connectionID, name).Scan(&position)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("syncrun: read the cursor %s: %w", name, err)
	}
	return true, json.Unmarshal(position, out)
}

// SetCursor moves a position that outlives runs.
func (l *Ledger) SetCursor(ctx context.Context, tx *postgres.TenantTx, connectionID any, name string, position any) error {
	value, err := json.Marshal(position)
	if err != nil {
		return fmt.Errorf("syncrun: cursor %s: %w", name, err)
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO sync_cursor (tenant_id, connection_id, name, position) VALUES ($1, $2, $3, $4)
		ON CONFLICT (connection_id, name) DO UPDATE SET position = excluded.position, updated_at = memberintel_now()`,
		tx.Tenant, connectionID, name, value)
	if err != nil {
		return fmt.Errorf("syncrun: move the cursor %s: %w", name, err)
	}
	return nil
}

func streamOf(w Work) string {
	if len(w.Checkpoints) > 0 {
		return w.Checkpoints[0].Stream
	}
	return "other"
}
