package website

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
)

// Verify compares the newest profile with the text that it was made of: every quote and every price must stand there, and
// the text must be the one that its hash names. The site is not asked, since it may have changed. A profile is never changed,
// so there is nothing to repair; the next sync that finds a change makes another.
func (p *Pipeline) Verify(ctx context.Context, c connection.Connection, _ bool, watch func(*syncrun.Run)) (syncrun.Verdict, error) {
	verdict := syncrun.NewVerdict()
	err := p.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		newest, err := pastOf(ctx, tx, c.ID)
		if err == nil && newest.Profile == nil {
			err = fault.New(fault.Conflict, "This site has to be described first; run `memberintel sync --pipeline website`.")
		}
		return err
	})
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
	outcome := syncrun.Outcome{}
	err = p.DB.TenantTx(runCtx, c.TenantID, func(tx *postgres.TenantTx) error {
		outcome.Problem, err = compare(runCtx, tx, c, &verdict)
		return err
	})
	if verdict.Drift() {
		outcome.ProblemKind = fault.Drift
		outcome.Problem = "The profile does not stand on the text that is kept with it; the next sync that finds a change makes another."
	}
	report, finishErr := run.Finish(runCtx, outcome, err)
	verdict.Status, verdict.Problem = report.Status, report.ErrorMessage
	return verdict, errors.Join(err, finishErr)
}

func compare(ctx context.Context, tx *postgres.TenantTx, c connection.Connection, v *syncrun.Verdict) (problem string, err error) {
	newest, err := pastOf(ctx, tx, c.ID)
	if err != nil {
		return "", err
	}
	text, found, err := textOf(ctx, tx, newest.TextHash)
	if err != nil {
		return "", err
	}
	if !found {
		return fmt.Sprintf("The text of version %d is kept no more: texts are kept for %d days after their last use.", newest.Profile.Version, textDays), nil
	}
	v.Checked++
	if hash := sha256.Sum256([]byte(text)); !bytes.Equal(hash[:], newest.TextHash) {
		v.Different = append(v.Different, syncrun.Differing{
			Stream: "text", SourceID: fmt.Sprintf("%x", newest.TextHash), Field: "hash", Source: fmt.Sprintf("%x", newest.TextHash), Warehouse: fmt.Sprintf("%x", hash),
		})
	}
	site := oneLine(visible(text))
	id := fmt.Sprintf("version %d", newest.Profile.Version)
	check := func(field, words string) {
		v.Checked++
		if !stands(words, site) {
			v.Different = append(v.Different, syncrun.Differing{Stream: "evidence", SourceID: id, Field: field, Source: nil, Warehouse: words})
		}
	}
	for _, e := range newest.Profile.Evidence {
		check(e.Field, e.Quote)
	}
	for _, pattern := range newest.Profile.PricingPatterns {
		for _, price := range pattern.Prices {
			check(fieldPricing+"."+pattern.Kind, price)
		}
	}
	return "", nil
}

// RereadQuarantine has nothing to read: a description that is not understood is dropped, and asked for again when its time has come.
func (p *Pipeline) RereadQuarantine(ctx context.Context, c connection.Connection) (out syncrun.Reread, err error) {
	run, runCtx, err := p.Ledger.Begin(ctx, c, syncrun.Replay, syncrun.BusyWait)
	if err != nil {
		return out, err
	}
	out.Report, err = run.Finish(runCtx, syncrun.Outcome{}, nil)
	return out, err
}
