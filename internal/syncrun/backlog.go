package syncrun

import (
	"context"
	"fmt"
	"time"

	"memberintel/internal/postgres"
)

// Backlog is how the queue of runs stands, over all processes.
type Backlog struct {
	Ready int // they wait, and their time has come
	Later int // it has not
	Late  int // of those that are ready: it came so long ago that their delivery counts as lost
	Taken int // places that runs hold
	Cap   int // places that there are
}

// Backlog counts the runs that wait and the places that are taken. Late says after what time a run is late. It reads
// what is open and no more.
func (l *Ledger) Backlog(ctx context.Context, tx *postgres.ServiceTx, late time.Duration) (Backlog, error) {
	b := Backlog{Cap: l.maxRuns()}
	err := tx.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE not_before <= memberintel_now()), count(*) FILTER (WHERE not_before > memberintel_now()),
		       count(*) FILTER (WHERE not_before < memberintel_now() - $1::interval),
		       (SELECT count(*) FROM run_slot WHERE token IS NOT NULL AND expires_at >= clock_timestamp())
		  FROM sync_run WHERE status = 'queued' AND mode <> 'live'`, late).Scan(&b.Ready, &b.Later, &b.Late, &b.Taken)
	if err != nil {
		return b, fmt.Errorf("syncrun: count what waits: %w", err)
	}
	return b, nil
}
