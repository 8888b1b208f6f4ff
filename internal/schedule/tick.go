package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
)

const (
	atOnce     = 1000             // connections in one tick
	countEvery = 10 * time.Minute // the connections are counted for the pace
	forgotten  = 10 * time.Minute // after which a connection that no clock knows is due
)

// Tick asks for the syncs that are due, as many as the pace allows, and returns how many. It does nothing while
// another process ticks. Runs are queued, the next due times set and the jobs handed over in one transaction, so a
// crash anywhere repeats or leaves nothing.
func (s *Scheduler) Tick(ctx context.Context) (asked int, err error) {
	var due []connection.Due
	err = s.inTx(ctx, func(tx *postgres.ServiceTx) ([]syncrun.Delivery, error) {
		due = nil
		now, allowance, err := s.allowance(ctx, tx)
		if err != nil || allowance < 1 {
			return nil, err
		}
		due, err = s.claim(ctx, tx, min(atOnce, int(allowance)))
		if err != nil || len(due) == 0 {
			return nil, err
		}
		if err := spend(ctx, tx, allowance-float64(len(due))); err != nil {
			return nil, err
		}
		if err := s.setDue(ctx, tx, now, due); err != nil {
			return nil, err
		}
		wanted := make([]syncrun.Wanted, len(due))
		for i, d := range due {
			wanted[i] = syncrun.Wanted{
				TenantID: d.TenantID, ConnectionID: d.ConnectionID, Pipeline: d.Pipeline,
				Attempt: 1, Cause: syncrun.Scheduled, Cadence: connection.Cadence(d.Pipeline, d.Plan),
			}
		}
		return syncrun.Queue(ctx, tx, wanted)
	})
	if err != nil {
		return 0, fmt.Errorf("schedule: tick: %w", err)
	}
	for _, d := range due {
		s.Ledger.Metrics.ScheduleClaimed(string(d.Pipeline))
	}
	return len(due), nil
}

// claim takes what is due, and with what room is left, connections that no clock knows; what a switch holds up waits.
func (s *Scheduler) claim(ctx context.Context, tx *postgres.ServiceTx, limit int) ([]connection.Due, error) {
	switches, err := guard.WhatIsHeld(ctx, tx)
	if err != nil || switches.All {
		return nil, err
	}
	held := connection.Held{Pipelines: switches.Pipelines, Tenants: switches.Tenants}
	due, err := s.Ledger.Connections.ClaimDue(ctx, tx, limit, held)
	if err != nil || len(due) == limit {
		return due, err
	}
	unscheduled, err := s.Ledger.Connections.ClaimUnscheduled(ctx, tx, limit-len(due), forgotten, held)
	return append(due, unscheduled...), err
}

// allowance takes the pace's row and returns how many syncs may start now, 0 while another process holds it.
func (s *Scheduler) allowance(ctx context.Context, tx *postgres.ServiceTx) (now time.Time, allowance float64, err error) {
	var asOf, counted *time.Time
	var pace Pace
	err = tx.QueryRow(ctx, `SELECT memberintel_now(), allowance, as_of, mean, counted_at FROM schedule_pace FOR UPDATE SKIP LOCKED`).
		Scan(&now, &allowance, &asOf, &pace.Mean, &counted)
	if errors.Is(err, pgx.ErrNoRows) {
		return now, 0, nil
	}
	if err != nil {
		return now, 0, fmt.Errorf("read the pace: %w", err)
	}
	if counted == nil || now.Sub(*counted).Abs() >= countEvery {
		counts, err := s.Ledger.Connections.CountByCadence(ctx, tx)
		if err != nil {
			return now, 0, err
		}
		pace, counted = PaceOf(counts), &now
	}
	if asOf == nil {
		allowance = pace.Burst(s.every())
	} else {
		allowance = pace.Allow(allowance, now.Sub(*asOf), s.every())
	}
	_, err = tx.Exec(ctx, `UPDATE schedule_pace SET allowance = $1, as_of = $2, mean = $3, counted_at = $4`, allowance, now, pace.Mean, counted)
	if err != nil {
		return now, 0, fmt.Errorf("keep the pace: %w", err)
	}
	return now, allowance, nil
}

func spend(ctx context.Context, tx *postgres.ServiceTx, left float64) error {
	if _, err := tx.Exec(ctx, `UPDATE schedule_pace SET allowance = $1`, left); err != nil {
		return fmt.Errorf("keep the pace: %w", err)
	}
	return nil
}
