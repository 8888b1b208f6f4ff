// Package syncrun is the ledger of sync runs and the one way into the warehouse. Every pipeline begins a
// run, commits batches with the checkpoint that they cover, sweeps after a full pass and finishes; freshness
// and health are read from what that leaves behind.
package syncrun

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/telemetry"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

// Mode says what a run does.
type Mode string

// The modes of a run.
const (
	Full        Mode = "full"        // reads everything, then sweeps
	Incremental Mode = "incremental" // reads what changed since the cursor
	Live        Mode = "live"        // what the source pushes; takes no lease
	Replay      Mode = "replay"      // reads what may have been missed
	Verify      Mode = "verify"      // compares, and writes only on request
)

// Status says how a run stands or ended.
type Status string

// The states of a run.
const (
	Queued    Status = "queued" // waits for a worker
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Partial   Status = "partial" // went through, but not everything could be read or understood
	Failed    Status = "failed"
	Stopped   Status = "stopped" // by a switch, since its site is left in peace, or because the connection was taken away
)

// LeaseTTL is how long a run belongs to a worker that no longer says so.
const LeaseTTL = 15 * time.Second

// BusyWait is for how long a sync that a person waits for lets another end, or a dead one's lease run out.
const BusyWait = LeaseTTL + 5*time.Second

// Ledger begins runs. It is safe for concurrent use.
type Ledger struct {
	DB          *postgres.DB
	Warehouse   *warehouse.Warehouse
	Connections *connection.Store
	Metrics     *telemetry.Metrics
	Log         *slog.Logger
	MaxRuns     int           // at once, over all processes on the database; 0 means DefaultMaxRuns
	TTL         time.Duration // of leases and slots; 0 means LeaseTTL
	Caps        guard.Caps    // of what Claude may cost; what is 0 has the database's cap alone
}

func (l *Ledger) ttl() time.Duration {
	if l.TTL <= 0 {
		return LeaseTTL
	}
	return l.TTL
}

// Run is one unit of sync work. Only the worker that holds its lease can commit.
type Run struct {
	ID         int64
	Connection connection.Connection
	Mode       Mode
	Cause      Cause // who asked for it; "" where nobody queued it
	Resumed    bool  // an earlier worker died on it; its checkpoints stand
	StartedAt  time.Time

	ledger   *Ledger
	token    uuid.UUID
	attempt  int
	ticket   *Ticket // nil: nobody queued it
	slot     slot    // zero for a verification, which takes none
	cancel   context.CancelCauseFunc
	beating  chan struct{}
	records  atomic.Int64
	advanced atomic.Bool // this worker has committed a checkpoint
	expected atomic.Int64
}

// Begin starts a run that nobody queued, or resumes one of the same mode whose worker died. While another worker is
// at the tenant's pipeline, or all slots are taken, it waits for at most wait, then gives a fault of kind Busy. The run's
// connection knows of a full pass that ended meanwhile. The returned context ends when the lease is lost.
func (l *Ledger) Begin(ctx context.Context, c connection.Connection, mode Mode, wait time.Duration) (*Run, context.Context, error) {
	deadline := time.Now().Add(wait)
	for {
		run, err := l.tryBegin(ctx, c, mode)
		if err == nil {
			return run, run.start(ctx), nil
		}
		if !fault.Is(err, fault.Busy) || time.Now().After(deadline) {
			return nil, ctx, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx, ctx.Err()
		case <-time.After(250 * time.Millisecond):
		}
		if c, err = l.since(ctx, c); err != nil {
			return nil, ctx, err
		}
	}
}

// since returns the connection with what another worker's full pass may have changed about it meanwhile.
func (l *Ledger) since(ctx context.Context, c connection.Connection) (connection.Connection, error) {
	err := l.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		now, err := l.Connections.Get(ctx, tx, c.Pipeline)
		if err == nil && now.ID == c.ID {
			c.MappingVersion = now.MappingVersion
		}
		return err
	})
	return c, err
}

func (l *Ledger) tryBegin(ctx context.Context, c connection.Connection, mode Mode) (*Run, error) {
	run := &Run{Connection: c, Mode: mode, ledger: l, token: uuid.New(), attempt: 1}
	err := run.inPlace(ctx, func(tx *postgres.TenantTx) error {
		if mode == Verify {
			if err := run.closeDead(ctx, tx); err != nil {
				return err
			}
		} else {
			found, err := run.takeOver(ctx, tx)
			if err != nil || found {
				return err
			}
		}
		return run.insert(ctx, tx)
	})
	if err != nil {
		return nil, err
	}
	return run, nil
}

// inPlace runs fn, which makes the run this worker's, with a slot taken before it.
func (r *Run) inPlace(ctx context.Context, fn func(*postgres.TenantTx) error) (err error) {
	if r.Mode != Verify {
		if r.slot, err = r.ledger.takeSlot(ctx); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				r.ledger.freeSlot(ctx, r.slot)
			}
		}()
	}
	err = r.ledger.DB.TenantTx(ctx, r.Connection.TenantID, func(tx *postgres.TenantTx) error {
		if err := fn(tx); err != nil {
			return err
		}
		return r.ledger.inTime(ctx, tx, r.slot)
	})
	if postgres.Violates(err, "sync_run_in_flight") {
		return busy()
	}
	return err
}

// start lets the lease be kept alive, and returns the context that ends with it.
func (r *Run) start(ctx context.Context) context.Context {
	ctx, r.cancel = context.WithCancelCause(telemetry.WithRun(telemetry.WithTenant(ctx, r.Connection.TenantID), r.ID))
	r.beating = make(chan struct{})
	go r.heartbeat(ctx)
	return ctx
}

func busy() error {
	return fault.New(fault.Busy, "A sync of this tenant is already running; wait for it to end, or look at `memberintel status`.")
}

func (r *Run) insert(ctx context.Context, tx *postgres.TenantTx) error {
	err := tx.QueryRow(ctx, `
		INSERT INTO sync_run (tenant_id, connection_id, pipeline_type, mode, lease_token, lease_expires_at, cadence)
		VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6,
		        CASE (SELECT plan FROM tenant WHERE tenant_id = $1) WHEN 'free' THEN $7::interval ELSE $8::interval END)
		RETURNING run_id, started_at`,
		tx.Tenant, r.Connection.ID, r.Connection.Pipeline, r.Mode, r.token, r.ledger.ttl(),
		connection.Cadence(r.Connection.Pipeline, tenant.Free), connection.Cadence(r.Connection.Pipeline, tenant.Pro)).
		Scan(&r.ID, &r.StartedAt)
	if err != nil {
		return fmt.Errorf("syncrun: begin: %w", err)
	}
	if r.Mode != Full {
		return nil
	}
	return r.goOn(ctx, tx)
}

// StartOver forgets what the run has reached, when its checkpoints are of no use any more.
func (r *Run) StartOver(ctx context.Context) error {
	err := r.Commit(ctx, Work{Also: func(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) error {
		_, err := tx.Exec(ctx, `DELETE FROM sync_checkpoint WHERE run_id = $1`, r.ID)
		return err
	}})
	if err != nil {
		return fmt.Errorf("syncrun: start over: %w", err)
	}
	r.records.Store(0)
	return nil
}

// Tenant returns whose run it is.
func (r *Run) Tenant() tenant.ID { return r.Connection.TenantID }

// Expect tells how many records the run will probably process, for the estimate; 0 means unknown.
func (r *Run) Expect(records int64) { r.expected.Store(records) }

// Progress returns the records processed by this worker, and the expected number or 0.
func (r *Run) Progress() (records, expected int64) { return r.records.Load(), r.expected.Load() }
