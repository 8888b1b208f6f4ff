package memberpress

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// Verify reads every row of the site and compares it with the warehouse. What differs is read once more, and counts
// unless the site's changes since the last sync tell of it: what the next sync brings is no drift. With repair what
// was read is written.
func (p *Pipeline) Verify(ctx context.Context, c connection.Connection, repair bool, watch func(*syncrun.Run)) (syncrun.Verdict, error) {
	verdict := syncrun.NewVerdict()
	client, err := p.client(ctx, c)
	if err != nil {
		return verdict, err
	}
	run, runCtx, err := p.Ledger.Begin(ctx, c, syncrun.Verify, 0)
	if err != nil {
		return verdict, err
	}
	if watch != nil {
		watch(run)
	}
	v := &verification{pass: pass{p: p, c: c, run: run, client: client}, repair: repair, verdict: &verdict}
	err = p.DB.Session(runCtx, c.TenantID, func(session *postgres.Session) error { return v.verify(runCtx, session) })
	outcome := syncrun.Outcome{}
	if v.unsure {
		outcome.Problem = "A full sync is running, so the columns that are computed from several records were not checked; verify again when it has ended."
	}
	if verdict.Drift() {
		outcome.ProblemKind = fault.Drift
		outcome.Problem = "The warehouse differs from the site; see `memberintel verify` for what, and repair it with --repair."
		p.Metrics.DriftFound("memberpress", len(verdict.Missing)+len(verdict.Extra)+len(verdict.Different))
	}
	report, finishErr := run.Finish(runCtx, outcome, err)
	verdict.Status, verdict.Problem = report.Status, report.ErrorMessage
	return verdict, errors.Join(err, finishErr)
}

// verification is one run of Verify.
type verification struct {
	pass
	repair  bool
	verdict *syncrun.Verdict
	pending map[[2]string]bool // rows of which the next sync will tell
	strange aside              // rows that are in quarantine
	unsure  bool               // a full pass was at work, so that derived columns could not be judged
}

func (v *verification) verify(ctx context.Context, session *postgres.Session) error {
	cursor, known, err := v.load(ctx)
	if err != nil {
		return err
	}
	h, err := v.handshake(ctx)
	if err != nil {
		return err
	}
	if !known || cursor.Epoch != h.Epoch {
		return fault.New(fault.Conflict, "This site has to be read first; run `memberintel sync --pipeline memberpress`.")
	}
	v.modes = v.before // what the site tells of its gateways by now is for the next sync
	comparison, err := v.p.Ledger.Warehouse.Compare(ctx, session, source(v.c), true)
	if err != nil {
		return err
	}
	if err := v.spool(ctx, h, comparison); err != nil {
		return err
	}
	if err := v.changedSince(ctx, cursor); err != nil {
		return err
	}
	if v.strange, err = v.quarantined(ctx); err != nil {
		return err
	}
	for _, table := range warehouse.ComparedTables() {
		if err := v.settleTable(ctx, session, comparison, table); err != nil {
			return err
		}
	}
	return v.derived(ctx, session)
}

// spool reads every page into the comparison.
func (v *verification) spool(ctx context.Context, h Handshake, comparison *warehouse.Comparison) error {
	site := siteOf(h, v.clock.reading(h.ServerTime))
	site.Source = source(v.c)
	if err := comparison.Add(ctx, &site); err != nil {
		return err
	}
	todo, expected := v.todo(h)
	v.run.Expect(expected)
	for _, entity := range todo {
		for after, more := int64(0), true; more; {
			answer, err := v.client.page(ctx, entity, after)
			if err != nil {
				return err
			}
			d := v.collect(answer.Protocol)
			at := v.clock.page(answer.ServerTime)
			for _, row := range answer.Rows {
				d.row(entity, row, at)
			}
			if err := comparison.Add(ctx, &d.batch); err != nil {
				return err
			}
			err = v.run.Commit(ctx, syncrun.Work{Quarantined: d.strange, Checkpoints: []syncrun.Checkpoint{
				{Stream: entity, Position: reached{answer.Next}, Records: len(answer.Rows)},
			}})
			if err != nil {
				return err
			}
			after, more = answer.Next, answer.More
		}
	}
	return nil
}

// changedSince lists what the next sync will tell, without moving the cursor.
func (v *verification) changedSince(ctx context.Context, cursor position) error {
	v.pending = map[[2]string]bool{}
	for since, more := cursor.Watermark, true; more; {
		answer, err := v.client.changes(ctx, since)
		if err != nil {
			return err
		}
		for _, c := range answer.Changes {
			v.pending[[2]string{c.Entity, idOf(c.Row)}] = true
		}
		for _, d := range answer.Deleted {
			v.pending[[2]string{d.Entity, strconv.FormatInt(d.ID, 10)}] = true
		}
		since, more = answer.Watermark, answer.More
	}
	return nil
}

const suspectPage = 500

// settleTable looks at what one table and the site do not agree on.
func (v *verification) settleTable(ctx context.Context, session *postgres.Session, comparison *warehouse.Comparison, table string) error {
	v.verdict.Checked, _ = v.run.Progress()
	if err := comparison.Contrast(ctx, table); err != nil {
		return err
	}
	for after := (warehouse.Suspect{}); ; {
		suspects, err := comparison.Suspects(ctx, after, suspectPage)
		if err != nil || len(suspects) == 0 {
			return err
		}
		after = suspects[len(suspects)-1]
		stream, mirrored := streamInto(table)
		if !mirrored {
			continue // the site's own row: the next handshake brings it
		}
		if err := v.confirm(ctx, session, stream, suspects); err != nil {
			return err
		}
	}
}

// confirm reads the suspects' rows once more and reports what still differs.
func (v *verification) confirm(ctx context.Context, session *postgres.Session, stream stream, suspects []warehouse.Suspect) error {
	var ids []int64
	for _, s := range suspects {
		id := rowOf(s)
		if number, err := strconv.ParseInt(id, 10, 64); err == nil && !v.pending[[2]string{stream.entity, id}] && !v.strange.holds(stream.entity, id) {
			ids = append(ids, number)
		}
	}
	return v.lookUp(ctx, stream.entity, ids, func(answer Envelope, ids []int64) error { return v.judge(ctx, session, stream, answer, ids) })
}

// rowOf names the row of the site that shows a suspect.
func rowOf(s warehouse.Suspect) string {
	if s.Table == "subscription_items" {
		return s.Parent
	}
	return s.SourceID
}

// judge holds the rows of a page against those of the warehouse, for the ids alone.
func (v *verification) judge(ctx context.Context, session *postgres.Session, stream stream, answer Envelope, ids []int64) error {
	d := v.collect(answer.Protocol)
	at := v.clock.reading(answer.ServerTime)
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = strconv.FormatInt(id, 10)
	}
	for _, row := range answer.Rows {
		if id := idOf(row); slices.Contains(names, id) {
			d.row(stream.entity, row, at)
		}
	}
	if len(d.strange) > 0 {
		return v.run.Commit(ctx, syncrun.Work{Quarantined: d.strange}) // not understood, and told there
	}
	standings, err := v.p.Ledger.Warehouse.Examine(ctx, session, &d.batch, true)
	if err != nil {
		return err
	}
	found := map[string]bool{}
	for ref, standing := range standings {
		if !standing.Present {
			v.verdict.Missing = append(v.verdict.Missing, syncrun.Named{Stream: streamName(stream, ref.Table), SourceID: ref.SourceID})
			found[ref.SourceID] = true
		}
		for _, f := range standing.Differences {
			v.verdict.Different = append(v.verdict.Different, syncrun.DifferingIn(streamName(stream, ref.Table), f))
			found[f.SourceID] = true
		}
	}
	doubtful := names
	if stream.entity != transactions { // of which one row may be several records
		living := warehouse.Living(&d.batch)
		doubtful = slices.DeleteFunc(names, func(id string) bool { return slices.Contains(living, warehouse.Ref{Table: stream.table, SourceID: id}) })
	}
	if v.strange.nameless(stream.entity, time.Time{}) > 0 {
		doubtful = nil // one of them may be the row that does not tell its id
	}
	extra, err := d.buryAbsent(ctx, map[string][]string{stream.entity: doubtful}, at)
	if err != nil {
		return err
	}
	v.verdict.Extra = append(v.verdict.Extra, extra...)
	for _, e := range extra {
		found[e.SourceID] = true
	}
	return v.mend(ctx, d, len(found))
}

func streamName(s stream, table string) string {
	if table == "subscription_items" {
		return table
	}
	return s.entity
}

// mend writes what was read, when that is asked for.
func (v *verification) mend(ctx context.Context, d *collector, found int) error {
	if !v.repair || found == 0 {
		return nil
	}
	work := d.work()
	work.Deriving = warehouse.DeriveNow
	if err := v.commit(ctx, d, work, func(context.Context, *postgres.TenantTx) error { return nil }); err != nil {
		return err
	}
	v.verdict.Repaired += found
	return nil
}

// derived checks the columns that the warehouse computes itself, after the clock has been kept.
func (v *verification) derived(ctx context.Context, session *postgres.Session) error {
	var wrong []warehouse.Difference
	err := session.TenantTx(ctx, func(tx *postgres.TenantTx) (err error) {
		if v.unsure, err = syncrun.FullPassRunning(ctx, tx, v.c.Pipeline); err != nil || v.unsure {
			return err
		}
		for more := true; more; {
			if more, err = v.p.Ledger.Warehouse.Tick(ctx, tx); err != nil {
				return err
			}
		}
		wrong, err = v.p.Ledger.Warehouse.DerivedDrift(ctx, tx, source(v.c), v.repair)
		return err
	})
	repaired := map[string]bool{}
	for _, d := range wrong {
		stream, _ := streamInto(d.Table)
		v.verdict.Different = append(v.verdict.Different, syncrun.DifferingIn(stream.entity, d))
		if v.repair && !repaired[d.Table+d.SourceID] {
			repaired[d.Table+d.SourceID] = true
			v.verdict.Repaired++
		}
	}
	return err
}
