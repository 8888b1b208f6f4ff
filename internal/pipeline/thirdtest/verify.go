package thirdtest

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// Verify reads every row and tells where the warehouse differs. With repair what was read is written, and what the source
// does not show is buried. watch may be nil.
func (p *Pipeline) Verify(ctx context.Context, c connection.Connection, repair bool, watch func(*syncrun.Run)) (v syncrun.Verdict, err error) {
	v = syncrun.NewVerdict()
	run, ctx, err := p.Ledger.Begin(ctx, c, syncrun.Verify, 0)
	if err != nil {
		return v, err
	}
	if watch != nil {
		watch(run)
	}
	s := &pass{p: p, c: c, run: run}
	err = p.Ledger.DB.Session(ctx, c.TenantID, func(session *postgres.Session) error { return s.verify(ctx, session, repair, &v) })
	outcome := syncrun.Outcome{}
	if v.Drift() {
		outcome.Problem, outcome.ProblemKind = "The warehouse differs from the site; see `memberintel verify` for what, and repair it with --repair.", fault.Drift
	}
	v.Checked, _ = run.Progress()
	report, finishErr := run.Finish(ctx, outcome, err)
	v.Status, v.Problem = report.Status, report.ErrorMessage
	return v, errors.Join(err, finishErr)
}

func (s *pass) verify(ctx context.Context, session *postgres.Session, repair bool, v *syncrun.Verdict) (err error) {
	if s.ask, err = s.p.client(ctx, s.c); err != nil {
		return err
	}
	comparison, err := s.p.Ledger.Warehouse.Compare(ctx, session, source(s.c), true)
	if err != nil {
		return err
	}
	var all canonical.Batch
	all.Source = source(s.c)
	err = session.TenantTx(ctx, func(tx *postgres.TenantTx) error {
		_, err := s.p.Ledger.Cursor(ctx, tx, s.c.ID, clockCursor, &s.last)
		return err
	})
	if err != nil {
		return err
	}
	for _, k := range kinds() {
		for after, more := int64(0), true; more; {
			page, err := s.ask.page(ctx, k.name, after, time.Time{})
			if err != nil {
				return err
			}
			work := s.p.work(s.c, k, page.Rows, s.stamp(page.Now))
			if err := comparison.Add(ctx, work.Batch); err != nil {
				return err
			}
			all.Append(work.Batch) // a small platform; a large one reads its suspects again
			after, more = page.Next, page.Next != 0
			err = s.run.Commit(ctx, syncrun.Work{Quarantined: work.Quarantined, Checkpoints: []syncrun.Checkpoint{{Stream: k.name, Position: after, Records: len(page.Rows)}}})
			if err != nil {
				return err
			}
		}
	}
	for _, k := range kinds() {
		if err := s.settle(ctx, session, comparison, k, &all, repair, v); err != nil {
			return err
		}
	}
	return nil
}

// settle tells, and mends, what a table and the pages do not agree on.
func (s *pass) settle(ctx context.Context, session *postgres.Session, comparison *warehouse.Comparison, k kind, all *canonical.Batch, repair bool, v *syncrun.Verdict) error {
	if err := comparison.Contrast(ctx, k.table); err != nil {
		return err
	}
	suspects, err := comparison.Suspects(ctx, warehouse.Suspect{}, sweepBatch)
	if err != nil || len(suspects) == 0 {
		return err
	}
	at, mending := s.stamp(s.last), canonical.Batch{Source: source(s.c)}
	standings, err := s.p.Ledger.Warehouse.Examine(ctx, session, all, true)
	if err != nil {
		return err
	}
	for _, suspect := range suspects {
		name := syncrun.Named{Stream: k.name, SourceID: suspect.SourceID}
		standing := standings[warehouse.Ref{Table: k.table, SourceID: suspect.SourceID}]
		switch {
		case suspect.Missing:
			v.Missing = append(v.Missing, name)
		case suspect.Extra:
			v.Extra = append(v.Extra, name)
			k.bury(&mending, canonical.Head{SourceID: suspect.SourceID, Observed: at, Deleted: canonical.DeletedByMissing})
			continue
		}
		for _, d := range standing.Differences {
			v.Different = append(v.Different, syncrun.DifferingIn(k.name, d))
		}
		k.pick(all, suspect.SourceID, &mending)
	}
	if !repair {
		return nil
	}
	v.Repaired += mending.Len()
	return s.run.Commit(ctx, syncrun.Work{Batch: &mending, Deriving: warehouse.DeriveNow, Also: s.keepClock})
}

// pick takes one record over.
func (k kind) pick(from *canonical.Batch, id string, into *canonical.Batch) {
	switch k.table {
	case "plans":
		into.Plans = append(into.Plans, of(from.Plans, func(r canonical.Plan) bool { return r.SourceID == id })...)
	case "members":
		into.Members = append(into.Members, of(from.Members, func(r canonical.Member) bool { return r.SourceID == id })...)
	case "subscriptions":
		into.Subscriptions = append(into.Subscriptions, of(from.Subscriptions, func(r canonical.Subscription) bool { return r.SourceID == id })...)
	case "transactions":
		into.Transactions = append(into.Transactions, of(from.Transactions, func(r canonical.Transaction) bool { return r.SourceID == id })...)
	}
}

func of[T any](rows []T, is func(T) bool) []T {
	i := slices.IndexFunc(rows, is)
	if i < 0 {
		return nil
	}
	return rows[i : i+1 : i+1]
}

// RereadQuarantine maps what was set aside again, as it came.
func (p *Pipeline) RereadQuarantine(ctx context.Context, c connection.Connection) (out syncrun.Reread, err error) {
	run, ctx, err := p.Ledger.Begin(ctx, c, syncrun.Replay, syncrun.LeaseTTL)
	if err != nil {
		return out, err
	}
	err = p.reread(ctx, c, run, &out)
	report, finishErr := run.Finish(ctx, syncrun.Outcome{}, err)
	out.Report = report
	return out, errors.Join(err, finishErr)
}

func (p *Pipeline) reread(ctx context.Context, c connection.Connection, run *syncrun.Run, out *syncrun.Reread) error {
	var held []syncrun.Held
	err := p.Ledger.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) (err error) {
		held, err = syncrun.ListQuarantine(ctx, tx, Name, 0, sweepBatch)
		return err
	})
	if err != nil {
		return err
	}
	for _, o := range held {
		i := slices.IndexFunc(kinds(), func(k kind) bool { return k.name == o.Stream })
		if out.Tried++; i < 0 {
			continue
		}
		work := p.work(c, kinds()[i], []json.RawMessage{o.Raw}, canonical.Observation{From: o.ObservedAt.UTC(), Until: o.ObservedUntil.UTC(), Fetched: true})
		if len(work.Quarantined) > 0 {
			continue
		}
		if err := run.Commit(ctx, work); err != nil {
			return err
		}
		out.Released++
	}
	return nil
}

// quarantined lists what is held of a kind.
func (p *Pipeline) quarantined(ctx context.Context, tx *postgres.TenantTx, kind string) (map[string]bool, error) {
	held, err := syncrun.ListQuarantine(ctx, tx, Name, 0, sweepBatch)
	ids := map[string]bool{}
	for _, o := range held {
		if o.Stream == kind {
			ids[o.SourceID] = true
		}
	}
	return ids, err
}
