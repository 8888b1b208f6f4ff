package stripe

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"golang.org/x/sync/errgroup"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// Verify reads every listed object of the source and compares it with the warehouse. What differs is looked
// up once more, by a reading that lies past the margin of both sides, and counts only if it still differs:
// live traffic is no drift. With repair what was looked up is written. What the key may not read is left out, and
// the verdict is partial and names it.
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
	outcome := syncrun.Outcome{NotPermitted: v.missed}
	if verdict.Drift() {
		outcome.ProblemKind = fault.Drift
		outcome.Problem = "The warehouse differs from Stripe; see `memberintel verify` for what, and repair it with --repair."
		p.Metrics.DriftFound("stripe", len(verdict.Missing)+len(verdict.Extra)+len(verdict.Different))
	}
	report, finishErr := run.Finish(runCtx, outcome, err)
	verdict.Status, verdict.Problem = report.Status, report.ErrorMessage
	if v.unsure {
		v.sayUnsure(runCtx)
	}
	return verdict, errors.Join(err, finishErr)
}

// verification is one run of Verify.
type verification struct {
	pass
	repair  bool
	verdict *syncrun.Verdict
	refused map[string]bool // streams that may not be read
	unsure  bool            // a full pass was at work, so that derived columns could not be judged
}

func (v *verification) verify(ctx context.Context, session *postgres.Session) error {
	comparison, err := v.p.Ledger.Warehouse.Compare(ctx, session, source(v.c), false)
	if err != nil {
		return err
	}
	if err := v.spool(ctx, comparison); err != nil {
		return err
	}
	for _, table := range warehouse.ComparedTables() {
		if err := v.settleTable(ctx, session, comparison, table); err != nil {
			return err
		}
	}
	return v.derived(ctx, session)
}

// spool lists every stream, some side by side, and hands the pages to the one session that spools.
func (v *verification) spool(ctx context.Context, comparison *warehouse.Comparison) error {
	pages := make(chan *canonical.Batch, 4)
	refused := make(chan Stream, len(Streams()))
	var readErr error
	go func() {
		defer close(pages)
		readers, readCtx := errgroup.WithContext(ctx)
		readers.SetLimit(v.p.Config.InFlight)
		for _, stream := range Streams() {
			readers.Go(func() error {
				err := v.list(readCtx, stream.at(v.p.Config.APIVersion), pages)
				if fault.Is(err, fault.NotPermitted) {
					refused <- stream
					return nil
				}
				return err
			})
		}
		readErr = readers.Wait()
	}()
	var err error
	for batch := range pages {
		if err == nil {
			err = comparison.Add(ctx, batch)
		}
	}
	close(refused)
	// An older version lists no payments of invoices: those that are there came otherwise and are left alone.
	v.refused = map[string]bool{"invoice_payments": !showsPayments(v.p.Config.APIVersion)}
	for stream := range refused {
		v.refused[stream.Name] = true
		v.missed = append(v.missed, stream.lack())
	}
	return errors.Join(readErr, err)
}

func (v *verification) list(ctx context.Context, stream Stream, pages chan<- *canonical.Batch) error {
	for _, variant := range stream.Variants {
		q := url.Values{}
		for k, values := range variant.Query {
			q[k] = values
		}
		err := v.client.ListAll(ctx, stream.Path, q, func(page Page) error {
			objects, err := v.complete(ctx, stream, page)
			if err != nil {
				return err
			}
			work := v.mapped(stream, objects)
			commit := syncrun.Work{Quarantined: work.Quarantined, Checkpoints: []syncrun.Checkpoint{
				{Stream: stream.Name, Position: lastID(page), Records: len(page.Objects)},
			}}
			if err := v.run.Commit(ctx, commit); err != nil {
				return err
			}
			select {
			case pages <- work.Batch:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

const suspectPage = 50

// settleTable looks at what one table and the listing do not agree on.
func (v *verification) settleTable(ctx context.Context, session *postgres.Session, comparison *warehouse.Comparison, table string) error {
	v.verdict.Checked, _ = v.run.Progress()
	if err := comparison.Contrast(ctx, table); err != nil {
		return err
	}
	var after warehouse.Suspect
	for {
		suspects, err := comparison.Suspects(ctx, after, suspectPage)
		if err != nil || len(suspects) == 0 {
			return err
		}
		after = suspects[len(suspects)-1]
		if err := v.confirm(ctx, session, suspects); err != nil {
			return err
		}
	}
}

// derived checks the columns that the warehouse computes itself. A full pass computes them at its end, so that
// nothing can be said of them while one is at work.
func (v *verification) derived(ctx context.Context, session *postgres.Session) error {
	var wrong []warehouse.Difference
	err := session.TenantTx(ctx, func(tx *postgres.TenantTx) (err error) {
		if v.unsure, err = syncrun.FullPassRunning(ctx, tx, v.c.Pipeline); err != nil || v.unsure {
			return err
		}
		if wrong, err = v.p.Ledger.Warehouse.DerivedDrift(ctx, tx, source(v.c), v.repair); err != nil || len(wrong) == 0 {
			return err
		}
		v.unsure, err = syncrun.FullPassRunning(ctx, tx, v.c.Pipeline) // one may have begun in between
		return err
	})
	if v.unsure {
		return err
	}
	repaired := map[string]bool{}
	for _, d := range wrong {
		stream := "customers"
		if d.Table == "transactions" {
			stream = streamOfID(d.SourceID)
		}
		v.verdict.Different = append(v.verdict.Different, syncrun.DifferingIn(stream, d))
		if v.repair && !repaired[d.SourceID] {
			repaired[d.SourceID] = true
			v.verdict.Repaired++
		}
	}
	return err
}

// sayUnsure makes a verdict partial that could not judge everything. The connection is not to blame, so that the
// run itself stands as it ended.
func (v *verification) sayUnsure(ctx context.Context) {
	told := "A full sync is running, so the columns that are computed from several records were not checked; verify again when it has ended."
	v.p.Log.WarnContext(ctx, "the derived columns were not verified: a full pass is running")
	if v.verdict.Problem != nil {
		told = *v.verdict.Problem + " " + told
	}
	v.verdict.Problem = &told
	if v.verdict.Status == syncrun.Succeeded {
		v.verdict.Status = syncrun.Partial
	}
}

// streamOfID guesses the stream of a transaction from its id, for a message.
func streamOfID(id string) string {
	switch {
	case strings.HasPrefix(id, "re_"), strings.HasPrefix(id, "pyr_"):
		return "refunds"
	case strings.HasPrefix(id, "dp_"), strings.HasPrefix(id, "du_"):
		return "disputes"
	default:
		return "charges"
	}
}
