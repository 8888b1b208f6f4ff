package memberpress

import (
	"context"
	"errors"
	"strconv"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// Reread is what came of trying quarantined objects again.
type Reread = syncrun.Reread

// RereadQuarantine maps every quarantined row again, as it came, which helps after an upgrade. What is understood now
// is merged under the ordering rule: a row that has changed since stays as it is.
func (p *Pipeline) RereadQuarantine(ctx context.Context, c connection.Connection) (out Reread, err error) {
	run, runCtx, err := p.Ledger.Begin(ctx, c, syncrun.Replay, syncrun.BusyWait)
	if err != nil {
		return out, err
	}
	out.Tried, out.Released, err = p.reread(runCtx, c, run)
	report, finishErr := run.Finish(runCtx, syncrun.Outcome{NotPermitted: c.NotPermitted}, err)
	out.Report = report
	return out, errors.Join(err, finishErr)
}

const rereadPage = 100

func (p *Pipeline) reread(ctx context.Context, c connection.Connection, run *syncrun.Run) (tried, released int, err error) {
	var modes gateways
	err = p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		_, err := p.Ledger.Cursor(ctx, tx, c.ID, gatewayCursor, &modes)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	for after := int64(0); ; {
		var held []syncrun.Held
		err := p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) (err error) {
			held, err = syncrun.ListQuarantine(ctx, tx, connection.MemberPress, after, rereadPage)
			return err
		})
		if err != nil || len(held) == 0 {
			return tried, released, err
		}
		d := p.collect(c, Protocol)
		d.modes = modes
		for _, h := range held {
			after = h.ID
			tried++
			if d.protocol, err = strconv.Atoi(h.APIVersion); err != nil {
				continue // no version of the protocol, so there is nothing to map it by
			}
			strange := len(d.strange)
			d.row(h.Stream, h.Raw, canonical.Observation{From: h.ObservedAt.UTC(), Until: h.ObservedUntil.UTC(), Fetched: true})
			if len(d.strange) == strange {
				released++
			}
		}
		work := d.work()
		work.Quarantined = nil // they are there already
		also := work.Also
		work.Also = func(ctx context.Context, tx *postgres.TenantTx, r warehouse.Result) error {
			if err := also(ctx, tx, r); err != nil {
				return err
			}
			return p.Ledger.Warehouse.LinkOf(ctx, tx, append(r.Touched, r.Tellers...))
		}
		work.Checkpoints = []syncrun.Checkpoint{{Stream: "quarantine", Position: after, Records: len(held)}}
		if err := run.Commit(ctx, work); err != nil {
			return tried, released, err
		}
	}
}
