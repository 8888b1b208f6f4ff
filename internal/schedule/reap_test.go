package schedule

import (
	"testing"

	"memberintel/internal/connection"
	"memberintel/internal/guard"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

func TestASweepClosesPaidCallsThatNobodyDid(t *testing.T) {
	w := newWorld(t)
	c := w.connect(connection.Website, tenant.Pro)
	id := w.request(c, syncrun.Button, "")
	run, ctx, err := w.ledger.BeginQueued(t.Context(), c, syncrun.Ticket{RunID: id, Gen: 1})
	if err != nil {
		t.Fatal(err)
	}
	reserved, err := run.Reserve(ctx, guard.Ask{
		Purpose: guard.Scheduled, Stage: guard.Describe, Model: "claude-haiku-5-5", InputTokens: 1000, OutputTokens: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	if swept := w.sweep(); swept.Reaped != 0 {
		t.Errorf("a call under way was closed: %+v", swept)
	}
	if _, err := w.owner.Exec(t.Context(), `UPDATE llm_call SET expires_at = now() - interval '1 second'`); err != nil {
		t.Fatal(err)
	}
	if swept := w.sweep(); swept != (Swept{Reaped: 1}) {
		t.Errorf("swept %+v", swept)
	}
	var charged int64
	w.scan(&charged, `SELECT settled FROM spend_total WHERE period = 'day'`)
	if charged != int64(reserved.Amount) {
		t.Errorf("charged %d of %d", charged, reserved.Amount)
	}
	if _, err := run.Finish(ctx, syncrun.Outcome{}, nil); err != nil {
		t.Error(err)
	}
}
