package syncrun

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// DefaultMaxRuns is how many runs there are at once, over all processes, when nothing else was said.
const DefaultMaxRuns = 100

// slot is a run's place among all that run at once. Its token is new with each taking, so that whoever lost it
// to another cannot keep that one's alive.
type slot struct {
	id    int32
	token int64
	until time.Time // as it was taken, on the database's clock
}

func (l *Ledger) maxRuns() int {
	if l.MaxRuns <= 0 {
		return DefaultMaxRuns
	}
	return l.MaxRuns
}

// takeSlot takes a place that is free or whose holder died, or gives a fault of kind Busy.
func (l *Ledger) takeSlot(ctx context.Context) (s slot, err error) {
	err = l.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		s, err = l.takeFree(ctx, tx)
		if !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		if err := l.addSlots(ctx, tx); err != nil {
			return err
		}
		if s, err = l.takeFree(ctx, tx); errors.Is(err, pgx.ErrNoRows) {
			return crowded(l.maxRuns())
		}
		return err
	})
	if err != nil && !fault.Is(err, fault.Busy) {
		return s, fmt.Errorf("syncrun: take a slot: %w", err)
	}
	return s, err
}

func (l *Ledger) takeFree(ctx context.Context, tx *postgres.ServiceTx) (s slot, err error) {
	err = tx.QueryRow(ctx, `
		UPDATE run_slot SET token = nextval('run_slot_token'), held_by = NULL, expires_at = clock_timestamp() + $2
		 WHERE slot_id = (SELECT slot_id FROM run_slot
		                   WHERE slot_id <= $1 AND (token IS NULL OR expires_at < clock_timestamp())
		                   ORDER BY slot_id LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING slot_id, token, expires_at`, l.maxRuns(), l.ttl()).Scan(&s.id, &s.token, &s.until)
	return s, err
}

// inTime gives a fault of kind Busy when half of the place's time is over: this process stood still, and a run that
// began now might be one too many before its heart beats.
func (l *Ledger) inTime(ctx context.Context, tx *postgres.TenantTx, s slot) error {
	if s == (slot{}) {
		return nil
	}
	var inTime bool
	if err := tx.QueryRow(ctx, `SELECT clock_timestamp() < $1::timestamptz - $2::interval`, s.until, l.ttl()/2).Scan(&inTime); err != nil {
		return fmt.Errorf("syncrun: look whether the slot is still there: %w", err)
	}
	if !inTime {
		return fault.New(fault.Busy, "The program stood still before the sync could begin; it is tried again.")
	}
	return nil
}

// addSlots makes the rows that are missing up to the cap, or waits while another one does.
func (l *Ledger) addSlots(ctx context.Context, tx *postgres.ServiceTx) error {
	_, err := tx.Exec(ctx, `INSERT INTO run_slot (slot_id)
		SELECT generate_series(1 + (SELECT coalesce(max(slot_id), 0) FROM run_slot), $1) ON CONFLICT DO NOTHING`, l.maxRuns())
	return err
}

// beatSlot keeps the place. One that was lost, since this process stood still for too long, is replaced by another;
// without another the run must end.
func (l *Ledger) beatSlot(ctx context.Context, s slot, run int64) (slot, error) {
	kept := false
	err := l.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		tag, err := tx.Exec(ctx, `UPDATE run_slot SET expires_at = clock_timestamp() + $3, held_by = $4 WHERE slot_id = $1 AND token = $2`,
			s.id, s.token, l.ttl(), run)
		kept = tag.RowsAffected() == 1
		return err
	})
	if err != nil {
		return s, fmt.Errorf("syncrun: keep the slot: %w", err)
	}
	if kept {
		return s, nil
	}
	another, err := l.takeSlot(ctx)
	if fault.Is(err, fault.Busy) {
		return s, fmt.Errorf("%w: the program stood still, and its place was taken by another run", errNotRenewed)
	}
	return another, err
}

// freeSlot gives the place back; one that cannot be given back runs out by itself.
func (l *Ledger) freeSlot(ctx context.Context, s slot) {
	ctx = context.WithoutCancel(ctx)
	err := l.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		_, err := tx.Exec(ctx, `UPDATE run_slot SET token = NULL, held_by = NULL, expires_at = NULL WHERE slot_id = $1 AND token = $2`, s.id, s.token)
		return err
	})
	if err != nil {
		l.Log.WarnContext(ctx, "a slot was not given back and is taken until it runs out", "error", err)
	}
}

func crowded(n int) error {
	return fault.New(fault.Busy, "All %d places for syncs are taken; this one can begin when another has ended.", n)
}
