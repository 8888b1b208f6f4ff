package schedule

import (
	"context"
	"fmt"
	"time"

	"memberintel/internal/postgres"
)

// observeEvery is how often Run tells the metrics how the schedule stands.
const observeEvery = 15 * time.Second

// observe tells the metrics what is due, waits and runs.
func (s *Scheduler) observe(ctx context.Context) error {
	err := s.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		backlog, err := s.Ledger.Backlog(ctx, tx, s.lost())
		if err != nil {
			return err
		}
		due, longest, err := s.Ledger.Connections.CountDue(ctx, tx)
		if err != nil {
			return err
		}
		m := s.Ledger.Metrics
		m.RunsWaiting(backlog.Ready, backlog.Later, backlog.Late)
		m.RunSlots(backlog.Taken, backlog.Cap)
		m.ConnectionsDue(due, longest)
		return nil
	})
	if err != nil {
		return fmt.Errorf("schedule: observe: %w", err)
	}
	return nil
}
