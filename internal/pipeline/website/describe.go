package website

import (
	"context"
	"errors"
	"fmt"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

// pending is the cursor that remembers what a question in a batch is about.
const pending = "pending"

// inquiry is a question with what its answer is to be read against.
type inquiry struct {
	Call     int64 `json:"call"`
	Snapshot int64 `json:"snapshot"`
	Fresh    bool  `json:"fresh"`
}

// heard is the cursor that remembers an answer which was paid for until something has come of it.
const heard = "heard"

// hearing is an answer that somebody waited for, with what it is about. The zero one stands for none.
type hearing struct {
	About  inquiry `json:"about"`
	Answer answer  `json:"answer"`
}

// ask asks Claude about a reading: at once, or by the clock with the next batch. The problem is why no profile came of it
// although the run went through, "" where one did or none was due.
func (s *pass) ask(ctx context.Context, k kept) (problem string, err error) {
	for _, purpose := range s.purposes() {
		if purpose == guard.Scheduled {
			err = s.post(ctx, k)
		} else {
			problem, err = s.converse(ctx, k, purpose)
		}
		var refused *guard.Refusal
		if !errors.As(err, &refused) {
			return problem, err
		}
		if purpose == guard.First && refused.Spared() {
			continue // the first of another site: it counts as any other
		}
		return "", s.refused(ctx, refused, err)
	}
	return problem, err
}

// purposes are why this run may ask, the first that is open counts.
func (s *pass) purposes() []guard.Purpose {
	after := guard.Scheduled
	if s.cause == syncrun.Button {
		after = guard.OnDemand
	}
	if s.before.Profile == nil {
		return []guard.Purpose{guard.First, after}
	}
	return []guard.Purpose{after}
}

// refused says what a refusal means. What the tenant has had is no failure: the profile that is there will do.
func (s *pass) refused(ctx context.Context, r *guard.Refusal, err error) error {
	switch {
	case r.Reason == guard.Open: // a batch is on its way
		s.report.Waiting = true
		return nil
	case r.Spared() && s.before.Profile != nil:
		s.report.Cached, s.report.NextAllowedAt = true, r.FreesAt
		return nil
	}
	var f *fault.Error
	if r.FreesAt != nil && errors.As(err, &f) {
		if now, failed := s.p.now(ctx, s.c.TenantID); failed == nil {
			f.RetryAfter = max(time.Minute, r.FreesAt.Sub(now))
		}
	}
	return err
}

// question makes the question about a reading. It asks for a fresh profile where there is none or the quarter is over.
func (s *pass) question(k kept, model string, at time.Time) (q question, fresh bool, err error) {
	var previous *draft
	fresh = s.before.Profile == nil || at.Sub(s.before.FreshAt) >= freshEvery
	if !fresh {
		previous = s.before.Profile.draft()
	}
	q, err = questionAbout(s.home.Hostname(), k.Text, previous, model)
	return q, fresh, err
}

// post puts the question into the next batch, with its money, all at once.
func (s *pass) post(ctx context.Context, k kept) error {
	at, err := s.p.now(ctx, s.c.TenantID)
	if err != nil {
		return err
	}
	q, fresh, err := s.question(k, s.p.Config.Models.Weekly, at)
	if err != nil {
		return err
	}
	input, output := q.most()
	err = s.run.Commit(ctx, syncrun.Work{
		Checkpoints: []syncrun.Checkpoint{{Stream: streamProfile, Done: true}},
		Also: func(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) error {
			reserved, err := guard.Reserve(ctx, tx, guard.Ask{
				RunID: s.run.ID, Purpose: guard.Scheduled, Stage: guard.Describe, Model: q.Model, Batch: true, InputTokens: input, OutputTokens: output, Caps: s.p.Ledger.Caps,
			})
			if err != nil {
				return err
			}
			if err := s.p.carrier.put(ctx, tx, reserved, q); err != nil {
				return err
			}
			return s.p.Ledger.SetCursor(ctx, tx, s.c.ID, pending, inquiry{reserved.CallID, k.Snapshot, fresh})
		},
	})
	s.report.Waiting = err == nil
	return err
}

// converse asks and waits. An answer of no use is asked for once more; a refusal is not.
func (s *pass) converse(ctx context.Context, k kept, purpose guard.Purpose) (problem string, err error) {
	at, err := s.p.now(ctx, s.c.TenantID)
	if err != nil {
		return "", err
	}
	model := s.p.Config.Models.OnDemand
	if purpose == guard.First {
		model = s.p.Config.Models.First
	}
	q, fresh, err := s.question(k, model, at)
	if err != nil {
		return "", err
	}
	for {
		reserved, a, err := s.call(ctx, q, purpose, inquiry{Snapshot: k.Snapshot, Fresh: fresh})
		if err != nil {
			return "", err
		}
		profile, problem := s.believe(a, k, fresh)
		if problem == "" {
			return "", s.publish(ctx, k, profile, reserved, a)
		}
		last := s.last(a, reserved)
		if err := s.settle(ctx, reserved, a.answered(last), hearing{}); err != nil || last {
			return problem, err
		}
	}
}

// last reports whether no other attempt is made after an answer of no use.
func (*pass) last(a answer, reserved guard.Reservation) bool {
	return a.refused() || !a.readable() || reserved.Attempt > 1
}

// call pays for one question and asks it. What came is settled, and kept with what it is about, before anybody looks at it:
// should the worker die then, the next run reads it and asks nobody.
func (s *pass) call(ctx context.Context, q question, purpose guard.Purpose, about inquiry) (guard.Reservation, answer, error) {
	input, output := q.most()
	reserved, err := s.run.Reserve(ctx, guard.Ask{Purpose: purpose, Stage: guard.Describe, Model: q.Model, InputTokens: input, OutputTokens: output})
	if err != nil {
		return reserved, answer{}, err
	}
	a, err := s.p.claude.ask(ctx, q)
	var failed *callError
	switch {
	case errors.As(err, &failed):
		end := s.p.Ledger.Unknown
		if failed.Free {
			end = s.p.Ledger.Release
		}
		told := error(failed.fault())
		if failed.Operator {
			told = s.hindered(ctx, failed.fault())
		}
		return reserved, a, errors.Join(told, end(ctx, reserved))
	case err != nil:
		return reserved, a, errors.Join(err, s.p.Ledger.Release(ctx, reserved)) // it was never sent
	}
	s.report.Calls++
	about.Call = reserved.CallID
	return reserved, a, s.settle(ctx, reserved, a.answered(false), hearing{about, a})
}

// settle charges an answer, and remembers it or forgets the one before. Where nothing can be remembered, because the connection
// was taken away, it is paid for all the same.
func (s *pass) settle(ctx context.Context, reserved guard.Reservation, a guard.Answered, h hearing) error {
	_, err := s.p.Ledger.SettleWith(ctx, reserved, a, func(ctx context.Context, tx *postgres.TenantTx) error {
		return s.p.Ledger.SetCursor(ctx, tx, s.c.ID, heard, h)
	})
	if err != nil {
		_, err = s.p.Ledger.Settle(ctx, reserved, a)
	}
	return err
}

// readable reports whether Claude ended by itself, so that another try may be of use.
func (a answer) readable() bool { return a.Stop != "max_tokens" }

// believe makes a version of an answer, or says why it cannot be one. The profile stays as it was then.
func (s *pass) believe(a answer, k kept, fresh bool) (Profile, string) {
	const stays = " The profile stays as it was."
	switch {
	case a.refused():
		return Profile{}, "Claude would not describe this site." + stays
	case !a.whole():
		return Profile{}, "Claude's description was cut off." + stays
	}
	d, err := decode(a.Text)
	if err != nil {
		return Profile{}, "Claude's description could not be read." + stays
	}
	d, ratio := ground(d, k.Text, s.before.Profile.draft())
	if ratio < leastGrounded || d.nothing() {
		return Profile{}, fmt.Sprintf("Claude's description is not borne out by the site's words (%.0f %% of it).%s", 100*ratio, stays)
	}
	p := d.profile()
	locate(p.Evidence, k)
	p.Model, p.PromptVersion, p.Grounded, p.Fresh = a.Model, promptVersion(), ratio, fresh
	if s.before.Profile != nil {
		then := s.before.Shown
		if s.before.Print.At.IsZero() { // nobody remembers what the site showed
			then = k.Shown
		}
		p.Changes = diff(*s.before.Profile, p, then, k.Shown)
	}
	return p, ""
}

// publish writes a version, and with it that its analysis has ended.
func (s *pass) publish(ctx context.Context, k kept, p Profile, reserved guard.Reservation, a answer) error {
	err := s.run.Commit(ctx, syncrun.Work{
		Checkpoints: []syncrun.Checkpoint{{Stream: streamProfile, Done: true, Records: 1}},
		Also: func(ctx context.Context, tx *postgres.TenantTx, _ warehouse.Result) error {
			err := write(ctx, tx, s.c.ID, s.run.ID, k, reserved.CallID, p)
			if err == nil {
				err = s.p.Ledger.SetCursor(ctx, tx, s.c.ID, heard, hearing{})
			}
			if err == nil {
				_, err = guard.Settle(ctx, tx, reserved, a.answered(true))
			}
			return err
		},
	})
	s.described = s.described || err == nil
	return err
}
