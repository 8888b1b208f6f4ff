package memberpress

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/tidwall/gjson"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// collector gathers what an answer says, for one Commit.
type collector struct {
	p          *Pipeline
	c          connection.Connection
	protocol   int
	modes      gateways
	batch      canonical.Batch
	strange    []syncrun.Quarantined
	understood []syncrun.Understood
	unheld     bool // nothing of the connection is in quarantine, so nothing of it is released
	ties       int  // records that could not be put in order
}

func (p *Pipeline) collect(c connection.Connection, protocol int) *collector {
	return &collector{p: p, c: c, protocol: protocol, batch: canonical.Batch{Source: source(c)}}
}

// collect gathers an answer of the site that the pass reads.
func (s *pass) collect(protocol int) *collector {
	d := s.p.collect(s.c, protocol)
	d.modes = s.modes
	return d
}

// unnamed begins the name in quarantine of a row that does not tell its id.
const unnamed = "unnamed-"

// row maps a row, or sets it aside as it came.
func (d *collector) row(entity string, raw json.RawMessage, at canonical.Observation) {
	mapped, err := Map(d.protocol, entity, raw, at)
	var wrong *SchemaError
	if errors.As(err, &wrong) {
		id := wrong.ID
		if id == "" {
			sum := sha256.Sum256(raw)
			id = unnamed + hex.EncodeToString(sum[:8])
		}
		d.strange = append(d.strange, syncrun.Quarantined{
			Stream: entity, SourceID: id, Reason: err.Error(), Raw: raw, APIVersion: strconv.Itoa(d.protocol), Observed: at,
		})
		return
	}
	d.modes.mark(&mapped)
	if mapped.Len() > 0 {
		d.batch.Append(&mapped)
		if d.unheld {
			return
		}
		d.understood = append(d.understood, syncrun.Understood{Stream: entity, SourceID: firstID(&mapped), Settles: at.Until})
	}
}

// firstID is the id of the row that a batch was mapped from.
func firstID(b *canonical.Batch) string {
	switch {
	case len(b.Members) > 0:
		return b.Members[0].SourceID
	case len(b.Transactions) > 0:
		return b.Transactions[0].SourceID
	case len(b.Subscriptions) > 0:
		return b.Subscriptions[0].SourceID
	case len(b.Plans) > 0:
		return b.Plans[0].SourceID
	case len(b.Orders) > 0:
		return b.Orders[0].SourceID
	case len(b.Rules) > 0:
		return b.Rules[0].SourceID
	default:
		return ""
	}
}

// idOf returns the id of a row as the warehouse writes it, "" where there is none.
func idOf(raw json.RawMessage) string {
	id, err := strconv.ParseInt(gjson.GetBytes(raw, "id").Raw, 10, 64)
	if err != nil || id <= 0 {
		return ""
	}
	return strconv.FormatInt(id, 10)
}

// told is one change or deletion.
type told struct {
	entity, id string
	seq        int64
	row        json.RawMessage // nil: it is gone
}

// changes takes an answer of changes. Of several that are about one row, that of the highest number counts.
func (d *collector) changes(ctx context.Context, e Envelope, at canonical.Observation) error {
	latest := map[[2]string]told{}
	note := func(t told) {
		if _, mirrored := streamOf(t.entity); !mirrored {
			return
		}
		key := [2]string{t.entity, t.id}
		if before, twice := latest[key]; !twice || t.seq >= before.seq {
			latest[key] = t
		}
	}
	for _, c := range e.Changes {
		id := idOf(c.Row)
		if id == "" {
			d.row(c.Entity, c.Row, at) // into quarantine
			continue
		}
		note(told{c.Entity, id, c.Seq, c.Row})
	}
	for _, x := range e.Deleted {
		note(told{x.Entity, strconv.FormatInt(x.ID, 10), x.Seq, nil})
	}
	gone := map[string][]string{} // by entity: ids whose rows may have records that are no more
	for _, t := range latest {
		if t.row == nil {
			d.understood = append(d.understood, syncrun.Understood{Stream: t.entity, SourceID: t.id, Settles: at.Until})
			gone[t.entity] = append(gone[t.entity], t.id)
			continue
		}
		quarantined := len(d.strange)
		d.row(t.entity, t.row, at)
		if t.entity == transactions && len(d.strange) == quarantined {
			gone[t.entity] = append(gone[t.entity], t.id) // a refund may have been taken back
		}
	}
	_, err := d.buryAbsent(ctx, gone, at)
	return err
}

// buryAbsent adds tombstones for the records of the rows that the batch does not show and the warehouse holds alive, and
// returns whose they are.
func (d *collector) buryAbsent(ctx context.Context, gone map[string][]string, at canonical.Observation) (buried []syncrun.Named, err error) {
	if len(gone) == 0 {
		return nil, nil
	}
	shown := map[warehouse.Named]bool{}
	for _, t := range d.batch.Transactions {
		shown[warehouse.Named{SourceID: t.SourceID, Variant: t.Kind}] = true
	}
	err = d.p.DB.TenantTx(ctx, d.c.TenantID, func(tx *postgres.TenantTx) error {
		for entity, ids := range gone {
			s, _ := streamOf(entity)
			alive, err := d.p.Ledger.Warehouse.Alive(ctx, tx, d.batch.Source, s.table, ids)
			if err != nil {
				return err
			}
			for _, n := range alive {
				if entity != transactions || !shown[n] {
					bury(&d.batch, s.table, n.Variant, n.SourceID, at, canonical.DeletedByMissing)
					buried = append(buried, syncrun.Named{Stream: entity, SourceID: n.SourceID})
				}
			}
		}
		return nil
	})
	return buried, err
}

// work is what was gathered.
func (d *collector) work() syncrun.Work {
	return syncrun.Work{
		Batch: &d.batch, Quarantined: d.strange,
		Also: func(_ context.Context, tx *postgres.TenantTx, r warehouse.Result) error {
			d.ties = len(r.Ties)
			if len(d.understood) > 0 {
				syncrun.ReleaseQuarantine(tx, d.c.ID, d.understood, func(int, []syncrun.Understood) {})
			}
			return nil
		},
	}
}
