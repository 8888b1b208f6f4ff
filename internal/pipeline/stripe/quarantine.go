package stripe

import (
	"context"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
)

// Reread is what came of trying quarantined objects again.
type Reread = syncrun.Reread

// RereadQuarantine maps every quarantined object again, as it came, which helps after an upgrade. What is
// understood now is merged under the ordering rule: an object that has changed since stays as it is.
func (p *Pipeline) RereadQuarantine(ctx context.Context, c connection.Connection) (out Reread, err error) {
	run, runCtx, err := p.Ledger.Begin(ctx, c, syncrun.Replay, syncrun.BusyWait)
	if err != nil {
		return out, err
	}
	out.Tried, out.Released, err = p.reread(runCtx, c, run)
	report, finishErr := run.Finish(runCtx, syncrun.Outcome{NotPermitted: c.NotPermitted}, err)
	out.Report = report
	if err == nil {
		err = finishErr
	}
	return out, err
}

const rereadPage = 100

func (p *Pipeline) reread(ctx context.Context, c connection.Connection, run *syncrun.Run) (tried, released int, err error) {
	var after int64
	for {
		var held []syncrun.Held
		err := p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) (err error) {
			held, err = syncrun.ListQuarantine(ctx, tx, connection.Stripe, after, rereadPage)
			return err
		})
		if err != nil || len(held) == 0 {
			return tried, released, err
		}
		d := p.collect(c)
		d.again = true
		for _, h := range held {
			after = h.ID
			tried++
			if _, ok := StreamNamed(h.Stream); !ok {
				continue // an event that is none; there is nothing to map
			}
			env := Envelope{
				Observed:   canonical.Observation{From: h.ObservedAt.UTC(), Until: h.ObservedUntil.UTC(), Fetched: h.Fetched},
				APIVersion: h.APIVersion, EventID: h.EventID,
			}
			if mapped, ok := d.object(h.Stream, h.Raw, env); ok {
				released++
				if mapped.Incomplete != "" {
					d.want(h.Stream, h.SourceID, mapped.Incomplete, h.ObservedUntil, p.Config.RefetchAfter)
				}
			}
		}
		work := d.work()
		work.Quarantined = nil // they are there already
		work.Checkpoints = []syncrun.Checkpoint{{Stream: "quarantine", Position: after, Records: len(held)}}
		if err := run.Commit(ctx, work); err != nil {
			return tried, released, err
		}
	}
}
