package website

import (
	"context"
	"strings"

	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// taken is what became of an answer that was there.
type taken struct {
	problem string // why no profile came of it, "" where one did or was not wanted any more
	again   bool   // it was no answer, or one of no use, and the question is to be put once more
	written bool   // a version came of it
	heard   bool   // a worker had heard it when it died
}

// collect takes an answer that came by a batch, or that a worker had heard when it died, reads it against what it was asked
// about, and writes what came of it, all at once: a crash leaves the answer where it was. One to a question that nobody
// remembers, or that a later reading has overtaken, is paid for and dropped.
func (s *pass) collect(ctx context.Context) (out taken, err error) {
	var waits bool
	err = s.p.DB.TenantTx(ctx, s.c.TenantID, func(tx *postgres.TenantTx) error {
		h, err := s.heard(ctx, tx)
		if waits = h.About.Call != 0; err == nil && !waits {
			waits, err = answerWaits(ctx, tx)
		}
		return err
	})
	if err != nil || !waits {
		return out, err
	}
	err = s.run.Commit(ctx, syncrun.Work{
		Checkpoints: []syncrun.Checkpoint{{Stream: streamProfile, Done: true, Records: 1}},
		Also: func(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) error {
			out, err = s.take(ctx, tx)
			return err
		},
	})
	return out, err
}

func (s *pass) heard(ctx context.Context, tx *postgres.TenantTx) (h hearing, err error) {
	_, err = s.p.Ledger.Cursor(ctx, tx, s.c.ID, heard, &h)
	return h, err
}

// take takes the answer that was heard, or else the oldest that came by a batch.
func (s *pass) take(ctx context.Context, tx *postgres.TenantTx) (out taken, err error) {
	if s.before, err = pastOf(ctx, tx, s.c.ID); err != nil {
		return out, err
	}
	h, err := s.heard(ctx, tx)
	if err != nil {
		return out, err
	}
	if h.About.Call != 0 {
		reserved, err := reservationOf(ctx, tx, questionRef{tx.Tenant, h.About.Call})
		if err == nil {
			err = s.p.Ledger.SetCursor(ctx, tx, s.c.ID, heard, hearing{})
		}
		if err != nil {
			return out, err
		}
		out, err = s.use(ctx, tx, reserved, h.Answer, h.About)
		out.heard = true
		return out, err
	}
	got, found, err := take(ctx, tx)
	if err != nil || !found {
		return out, err
	}
	if got.Result.Outcome != outcomeSucceeded {
		s.p.Log.WarnContext(ctx, "a question in a batch was not answered", "outcome", got.Result.Outcome, "detail", s.p.claude.clean(got.Result.Detail))
		if out.again = !strings.HasPrefix(got.Result.Detail, "invalid_request_error"); !out.again {
			out.problem = "Claude did not take the question. The profile stays as it was."
		}
		return out, nil
	}
	var about inquiry
	if _, err := s.p.Ledger.Cursor(ctx, tx, s.c.ID, pending, &about); err != nil {
		return out, err
	}
	return s.use(ctx, tx, got.Reserved, got.Result.Answer, about)
}

// use writes the version that an answer bears out, and ends its analysis unless the question is to be put once more.
func (s *pass) use(ctx context.Context, tx *postgres.TenantTx, reserved guard.Reservation, a answer, about inquiry) (out taken, err error) {
	k, readable, err := readingOf(ctx, tx, about.Snapshot)
	if err != nil {
		return out, err
	}
	ends := func() error {
		_, err := guard.Settle(ctx, tx, reserved, a.answered(true))
		return err
	}
	if about.Call != reserved.CallID || !readable || s.before.Snapshot >= about.Snapshot {
		return out, ends()
	}
	profile, problem := s.believe(a, k, about.Fresh)
	if out.problem = problem; problem != "" {
		if out.again = !s.last(a, reserved); out.again {
			return out, nil // it was settled when it came, and its analysis goes on
		}
		return out, ends()
	}
	if err := write(ctx, tx, s.c.ID, s.run.ID, k, reserved.CallID, profile); err != nil {
		return out, err
	}
	s.asOf, out.written = k.FetchedAt, true
	return out, ends()
}
