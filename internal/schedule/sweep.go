package schedule

import (
	"context"
	"errors"
	"fmt"

	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
)

// Swept is what a sweep found.
type Swept struct {
	Resumed     int // a worker had died on them, and another goes on
	Ended       int // a worker had died on them, and nobody goes on
	Redelivered int // they had waited for too long
	Reaped      int // calls to Claude whose worker had died, and whose money is charged
}

// Sweep goes on with what was left behind: runs whose worker died, runs that wait although their time came long ago, and
// paid calls that nobody closed. Several at once are safe.
func (s *Scheduler) Sweep(ctx context.Context) (Swept, error) {
	var swept Swept
	var worn []syncrun.Dead
	err := s.inTx(ctx, func(tx *postgres.ServiceTx) (deliveries []syncrun.Delivery, err error) {
		swept, worn = Swept{}, nil
		dead, err := syncrun.FindDead(ctx, tx, atOnce)
		if err != nil {
			return nil, err
		}
		for _, d := range dead {
			after, again := afterCrash(d.Attempt, s.chance())
			switch {
			case !d.Resumable():
				swept.Ended++
				err = syncrun.Bury(ctx, tx, d)
			case !again:
				swept.Ended++
				worn = append(worn, d)
			default:
				var delivery []syncrun.Delivery
				delivery, err = syncrun.Resume(ctx, tx, d, after)
				deliveries = append(deliveries, delivery...)
				swept.Resumed++
			}
			if err != nil {
				return nil, err
			}
		}
		late, err := syncrun.Redeliver(ctx, tx, atOnce, s.lost())
		swept.Redelivered = len(late)
		return append(deliveries, late...), err
	})
	for _, d := range worn {
		err = errors.Join(err, s.Ledger.GiveUp(ctx, d))
	}
	reapErr := s.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) (err error) {
		swept.Reaped, err = guard.Reap(ctx, tx, atOnce)
		return err
	})
	err = errors.Join(err, reapErr)
	if err != nil {
		return Swept{}, fmt.Errorf("schedule: sweep: %w", err)
	}
	if swept != (Swept{}) {
		s.Log.InfoContext(ctx, "swept", "resumed", swept.Resumed, "ended", swept.Ended, "redelivered", swept.Redelivered, "reaped", swept.Reaped)
	}
	return swept, nil
}
