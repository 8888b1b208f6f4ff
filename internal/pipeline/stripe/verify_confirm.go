package stripe

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"memberintel/internal/canonical"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// confirm looks suspects up, side by side, until the reading of each lies past the margin of its stored row,
// and then believes it. All wait together between two looks. Of what the key may not read nobody can say.
func (v *verification) confirm(ctx context.Context, session *postgres.Session, suspects []warehouse.Suspect) error {
	suspects = slices.DeleteFunc(suspects, func(s warehouse.Suspect) bool {
		stream, _ := objectOf(s)
		return v.refused[stream]
	})
	for attempt := 0; ; attempt++ {
		looks, err := v.lookUpSuspects(ctx, suspects)
		if err != nil {
			return err
		}
		var doubtful []warehouse.Suspect
		for i, s := range suspects {
			if fault.Is(looks[i].err, fault.NotPermitted) {
				v.forbid(looks[i].stream)
				continue
			}
			settled, err := v.judge(ctx, session, s, looks[i], attempt)
			if err != nil {
				return err
			}
			if !settled {
				doubtful = append(doubtful, s)
			}
		}
		if len(doubtful) == 0 {
			return nil
		}
		suspects = doubtful
		if err := v.p.Config.Sleep(ctx, v.p.Config.RefetchAfter); err != nil {
			return err
		}
	}
}

// objectOf names the object of the source that shows a suspect.
func objectOf(s warehouse.Suspect) (stream, id string) {
	if s.Table == "subscription_items" {
		return "subscriptions", s.Parent
	}
	return streamOfTie(warehouse.Tie{Table: s.Table, Variant: s.Variant}), s.SourceID
}

func (v *verification) lookUpSuspects(ctx context.Context, suspects []warehouse.Suspect) ([]look, error) {
	looks := make([]look, len(suspects))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(v.p.Config.InFlight)
	for i, s := range suspects {
		group.Go(func() error {
			stream, id := objectOf(s)
			looks[i] = v.p.lookUp(ctx, v.client, stream, id)
			if fault.Is(looks[i].err, fault.NotPermitted) {
				return nil
			}
			return looks[i].err
		})
	}
	return looks, group.Wait()
}

// forbid notes that objects of a stream may not be read. A stream without a listing is not asked for again.
func (v *verification) forbid(stream Stream) {
	if !slices.Contains(v.missed, stream.lack()) {
		v.missed = append(v.missed, stream.lack())
	}
	v.refused[stream.Name] = v.refused[stream.Name] || len(stream.Variants) == 0
}

// judge holds one look against the row. It is not settled while they differ and a later look may tell more.
func (v *verification) judge(ctx context.Context, session *postgres.Session, s warehouse.Suspect, l look, attempt int) (settled bool, err error) {
	d := v.p.collect(v.c)
	l.into(d, canonical.DeletedByMissing)
	if len(d.quarantined) > 0 {
		return true, nil // not understood: it is in quarantine and told there
	}
	d.settled = []reading{{l.stream.Name, l.id, l.observed.From}}
	found, past, err := v.examine(ctx, session, s, l, d)
	if err != nil || !found.any() {
		return true, err
	}
	if attempt < maxLooks && past && attempt > 0 {
		// What waits to be fetched again is known to be in doubt, and the worker is about to settle it.
		var waits bool
		err := session.TenantTx(ctx, func(tx *postgres.TenantTx) error {
			waits, err = waitsForRefetch(ctx, tx, v.c, l.stream.Name, l.id)
			return err
		})
		if err != nil || waits {
			return false, err
		}
	}
	if past && attempt > 0 || attempt >= maxLooks {
		return true, v.report(ctx, s, found, d)
	}
	return false, nil
}

// maxLooks bounds the looks at an object that live traffic keeps changing.
const maxLooks = 8

// finding is what is wrong with one suspect.
type finding struct {
	missing, extra *syncrun.Named
	different      []syncrun.Differing
}

func (f finding) any() bool { return f.missing != nil || f.extra != nil || len(f.different) > 0 }

// examine compares what was looked up with the row. past says that the reading lies clearly after the row's.
func (v *verification) examine(ctx context.Context, session *postgres.Session, s warehouse.Suspect, l look, d *collector) (f finding, past bool, err error) {
	named := syncrun.Named{Stream: l.stream.Name, SourceID: s.SourceID}
	if s.Table == "subscription_items" {
		named.Stream = s.Table
	}
	ref := warehouse.Ref{Table: s.Table, SourceID: s.SourceID}
	live := living(&d.batch, ref)
	standings, err := v.p.Ledger.Warehouse.Examine(ctx, session, &d.batch, false)
	if err != nil {
		return f, false, err
	}
	if !live {
		present, until, err := v.p.Ledger.Warehouse.Stands(ctx, session, source(v.c), s)
		if err != nil {
			return f, false, err
		}
		if present {
			f.extra = &named
		}
		return f, l.observed.From.Sub(until) > canonical.Margin, nil
	}
	standing := standings[ref]
	if !standing.Present {
		f.missing = &named
	}
	for _, diff := range standing.Differences {
		f.different = append(f.different, syncrun.DifferingIn(named.Stream, diff))
	}
	return f, l.observed.From.Sub(standing.ObservedUntil) > canonical.Margin, nil
}

// report adds a finding to the verdict and, when asked, writes what Stripe says.
func (v *verification) report(ctx context.Context, s warehouse.Suspect, f finding, d *collector) error {
	if f.missing != nil {
		v.verdict.Missing = append(v.verdict.Missing, *f.missing)
	}
	if f.extra != nil {
		v.verdict.Extra = append(v.verdict.Extra, *f.extra)
	}
	v.verdict.Different = append(v.verdict.Different, f.different...)
	if !v.repair {
		return nil
	}
	var did result
	work := d.work()
	also := work.Also
	work.Also = func(ctx context.Context, tx *postgres.TenantTx, r result) error {
		did = r
		return also(ctx, tx, r)
	}
	if err := v.run.Commit(ctx, work); err != nil {
		return err
	}
	if wrote(did, s) {
		v.verdict.Repaired++
	}
	return nil
}

// wrote reports whether a commit wrote the suspect: the ordering rule may have left its row alone. An item is
// written with its subscription.
func wrote(r result, s warehouse.Suspect) bool {
	ref := warehouse.Ref{Table: s.Table, SourceID: s.SourceID}
	if s.Table == "subscription_items" {
		ref = warehouse.Ref{Table: "subscriptions", SourceID: s.Parent}
	}
	tied := slices.ContainsFunc(r.Ties, func(t warehouse.Tie) bool { return t.Table == ref.Table && t.SourceID == ref.SourceID })
	return r.Written > 0 && !r.Ignored[ref] && !tied
}

// living reports whether the batch holds the record alive.
func living(b *canonical.Batch, ref warehouse.Ref) bool {
	for _, r := range warehouse.Living(b) {
		if r == ref {
			return true
		}
	}
	return false
}
