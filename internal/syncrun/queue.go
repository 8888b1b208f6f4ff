package syncrun

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Cause says who asked for a run.
type Cause string

// The causes of a run. One that is asked for again after a failure keeps its cause.
const (
	Scheduled  Cause = "schedule" // it was due
	Button     Cause = "button"   // a person, on a page or by a command
	Connecting Cause = "connect"  // a new connection or credential
	PlanChange Cause = "plan"     // the tenant is served differently from now on
	Knock      Cause = "knock"    // the source says that something changed
)

// byPeople are the causes that start a new count of attempts.
func byPeople() []string { return []string{string(Button), string(Connecting), string(PlanChange)} }

// Wanted is a run that is asked for.
type Wanted struct {
	TenantID     tenant.ID
	ConnectionID connection.ID
	Pipeline     connection.Pipeline
	Mode         Mode // Full; anything else lets the pipeline decide
	Attempt      int
	After        time.Duration // how long it waits
	Cause        Cause
	Cadence      time.Duration // how often the connection is meant to succeed
}

// Delivery is what a job engine carries: a run that waits, the generation that it has now, and from when on it may
// begin.
type Delivery struct {
	RunID     int64
	Gen       int32
	NotBefore time.Time
}

//go:embed queue.sql
var queueSQL string

type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// Queue makes runs that wait, and returns what is to be delivered, in no order. Where one waits already it is
// brought forward and not doubled, and its delivery returned; to send that once more does no harm.
func Queue(ctx context.Context, tx *postgres.ServiceTx, wanted []Wanted) ([]Delivery, error) {
	return queue(ctx, tx, wanted)
}

func queue(ctx context.Context, tx querier, wanted []Wanted) ([]Delivery, error) {
	n := len(wanted)
	tenants, connections := make([]tenant.ID, n), make([]connection.ID, n)
	pipelines, modes, causes := make([]string, n), make([]string, n), make([]string, n)
	attempts, after, cadence := make([]int, n), make([]time.Duration, n), make([]time.Duration, n)
	for i, w := range wanted {
		tenants[i], connections[i], pipelines[i] = w.TenantID, w.ConnectionID, string(w.Pipeline)
		modes[i], attempts[i], after[i] = string(Incremental), w.Attempt, w.After
		causes[i], cadence[i] = string(w.Cause), w.Cadence
		if w.Mode == Full {
			modes[i] = string(Full)
		}
	}
	rows, err := tx.Query(ctx, queueSQL, tenants, connections, pipelines, modes, attempts, after, causes, byPeople(), cadence)
	return collectDeliveries("queue runs", rows, err)
}

func collectDeliveries(what string, rows pgx.Rows, err error) ([]Delivery, error) {
	if err != nil {
		return nil, fmt.Errorf("syncrun: %s: %w", what, err)
	}
	deliveries, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Delivery])
	if err != nil {
		return nil, fmt.Errorf("syncrun: %s: %w", what, err)
	}
	return deliveries, nil
}

// Waiting is a run that waits for a worker.
type Waiting struct {
	RunID        int64
	Gen          int32
	TenantID     tenant.ID
	ConnectionID connection.ID
	Pipeline     connection.Pipeline `db:"pipeline_type"`
	Attempt      int
	Early        time.Duration // until it may begin; not positive when it may
}

// FindWaiting returns the run, and false when it does not wait any more or has another generation.
func FindWaiting(ctx context.Context, tx *postgres.ServiceTx, id int64, gen int32) (Waiting, bool, error) {
	rows, err := tx.Query(ctx, `
		SELECT run_id, gen, tenant_id, connection_id, pipeline_type, attempt, not_before - memberintel_now() AS early
		  FROM sync_run WHERE run_id = $1 AND gen = $2 AND status = 'queued'`, id, gen)
	if err != nil {
		return Waiting{}, false, fmt.Errorf("syncrun: find run %d: %w", id, err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Waiting])
	if errors.Is(err, pgx.ErrNoRows) {
		return Waiting{}, false, nil
	}
	if err != nil {
		return Waiting{}, false, fmt.Errorf("syncrun: find run %d: %w", id, err)
	}
	return found, true, nil
}

// Postpone lets a run wait longer, under a new generation, and spends no attempt. It returns nothing when the run
// does not wait any more.
func Postpone(ctx context.Context, tx *postgres.ServiceTx, w Waiting, after time.Duration) ([]Delivery, error) {
	rows, err := tx.Query(ctx, `
		UPDATE sync_run SET gen = gen + 1, not_before = memberintel_now() + $3::interval
		 WHERE run_id = $1 AND gen = $2 AND status = 'queued' RETURNING run_id, gen, not_before`, w.RunID, w.Gen, after)
	return collectDeliveries("postpone a run", rows, err)
}

// Discard ends a run that waits and cannot begin. Why is a sentence for the customer.
func Discard(ctx context.Context, tx *postgres.TenantTx, w Waiting, why string) error {
	_, err := tx.Exec(ctx, `
		UPDATE sync_run SET status = 'stopped', finished_at = memberintel_now(), error_message = $3
		 WHERE run_id = $1 AND gen = $2 AND status = 'queued'`, w.RunID, w.Gen, why)
	if err != nil {
		return fmt.Errorf("syncrun: discard run %d: %w", w.RunID, err)
	}
	return nil
}
