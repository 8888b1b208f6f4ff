package syncrun

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Ticket is the right to begin a run that waits. A pipeline hands it to BeginQueued and need not look into it.
type Ticket struct {
	RunID int64
	Gen   int32
	// Follow says what comes after the run when it failed or was stopped; nil: nothing does.
	Follow func(Ended) Next
}

// Ended is how a run came to an early end.
type Ended struct {
	Attempt     int
	Err         error
	Interrupted bool // by the database, which is no matter of the source's
}

// Next is what comes after a run that failed or was stopped. Its zero value leaves it at the next period.
type Next struct {
	Again     bool          // another run is queued
	After     time.Duration // how long that one waits
	Attempt   int           // of that one
	GiveUp    bool          // the connection is failed: a person should look
	DueWithin time.Duration // not 0: the schedule asks for another run by then, or as soon as no switch holds it
}

// ErrGone says that a run does not wait any more: another worker has begun it, it was delivered anew, or it ended.
// Whoever holds the ticket drops it.
var ErrGone = errors.New("syncrun: the run does not wait any more")

// BeginQueued begins the run of a ticket. It gives ErrGone for a ticket that is out of date, and a fault of kind Busy
// while another worker is at the tenant's pipeline or all slots are taken; the run waits on then. An open run whose
// worker died is closed, since this one does its work. The returned context ends when the lease is lost.
//
// Mode is what was asked for, Full or else Incremental; Become raises it.
func (l *Ledger) BeginQueued(ctx context.Context, c connection.Connection, t Ticket) (*Run, context.Context, error) {
	run := &Run{ID: t.RunID, Connection: c, ledger: l, token: uuid.New(), ticket: &t}
	err := run.inPlace(ctx, func(tx *postgres.TenantTx) error {
		if err := run.open(ctx, tx, ""); err != nil {
			return err
		}
		// An open run's row is locked before that of one that waits, as everywhere.
		dead, _, err := deadRun(ctx, tx, c.Pipeline)
		if err != nil {
			return err
		}
		if dead != 0 {
			if err := closeRun(ctx, tx, dead); err != nil {
				return err
			}
		}
		if err := run.open(ctx, tx, "FOR UPDATE"); err != nil { // which may have to read more now
			return err
		}
		return run.enter(ctx, tx)
	})
	if err != nil {
		return nil, ctx, err
	}
	return run, run.start(ctx), nil
}

// open reads the row of the ticket, and locks it if asked to.
func (r *Run) open(ctx context.Context, tx *postgres.TenantTx, lock string) error {
	err := tx.QueryRow(ctx, `
		SELECT mode, coalesce(cause, ''), attempt, lease_expires_at IS NOT NULL FROM sync_run
		 WHERE run_id = $1 AND gen = $2 AND status = 'queued' AND connection_id = $3 `+lock,
		r.ID, r.ticket.Gen, r.Connection.ID).Scan(&r.Mode, &r.Cause, &r.attempt, &r.Resumed)
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrGone
	}
	if err != nil {
		return fmt.Errorf("syncrun: open run %d: %w", r.ID, err)
	}
	return nil
}

// enter makes the run this worker's. One that is resumed keeps when it began.
func (r *Run) enter(ctx context.Context, tx *postgres.TenantTx) error {
	err := tx.QueryRow(ctx, `
		UPDATE sync_run SET status = 'running', lease_token = $2, lease_expires_at = clock_timestamp() + $3,
		       started_at = CASE WHEN $4 THEN started_at ELSE memberintel_now() END,
		       cadence = CASE (SELECT plan FROM tenant WHERE tenant_id = $5) WHEN 'free' THEN $6::interval ELSE $7::interval END
		 WHERE run_id = $1 RETURNING started_at`,
		r.ID, r.token, r.ledger.ttl(), r.Resumed, tx.Tenant,
		connection.Cadence(r.Connection.Pipeline, tenant.Free), connection.Cadence(r.Connection.Pipeline, tenant.Pro)).Scan(&r.StartedAt)
	if err != nil {
		return fmt.Errorf("syncrun: begin run %d: %w", r.ID, err)
	}
	if r.Mode != Full || r.Resumed {
		return nil
	}
	return r.goOn(ctx, tx)
}

// Become makes an incremental run a full one, when its pipeline finds that it has to read everything. It is for the
// beginning of a run; one that is full already stays so.
func (r *Run) Become(ctx context.Context, mode Mode) error {
	if mode == r.Mode || r.Mode == Full {
		return nil
	}
	err := r.ledger.DB.TenantTx(ctx, r.Connection.TenantID, func(tx *postgres.TenantTx) error {
		tag, err := tx.Exec(ctx, `UPDATE sync_run SET mode = $3 WHERE run_id = $1 AND lease_token = $2 AND status = 'running'`, r.ID, r.token, mode)
		if err != nil {
			return fmt.Errorf("syncrun: make run %d %s: %w", r.ID, mode, err)
		}
		if tag.RowsAffected() == 0 {
			return leaseLost()
		}
		return r.goOn(ctx, tx)
	})
	if err == nil {
		r.Mode = mode
	}
	return err
}
