package website

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

const (
	mostInBatch = 5_000 // of 40 KB at most: well below the API's 256 MB
	// workFor is for how long whoever looks at a batch keeps others away: longer than sending it or fetching it may take.
	workFor = 30 * time.Minute
	pollAll = 5 * time.Minute // between two looks at a batch that Claude works on
	// recoverAll is between two looks for a batch whose creation was not answered, and giveUpAfter how long it may take to show
	// up in Claude's list.
	recoverAll  = 2 * time.Minute
	giveUpAfter = 15 * time.Minute
	skew        = time.Hour // between Claude's clock and the database's
	// rereadAll is between two readings of results of which some cannot be read, and rereadFor how old their batch may get: older
	// than Claude lets any become before it ends, and less than a reservation lasts.
	rereadAll = time.Hour
	rereadFor = 30 * time.Hour
	keptFor   = 29 * 24 * time.Hour // results are, by Claude
	// sendWithin is how much of a reservation must be left: Claude takes up to a day, and then somebody fetches the answers.
	sendWithin = 25 * time.Hour
)

// carrier brings questions of all tenants to Claude in batches, and the answers back. State in PostgreSQL decides, so any
// number may work at once, and one that dies is followed by another: no question is sent twice, since a batch whose creation
// was not answered is looked for at Claude before anything else is sent, and no answer is charged twice.
type carrier struct {
	db     *postgres.DB
	claude *claudeClient
	log    *slog.Logger
	gather time.Duration // how long the first question of a batch waits for others
	most   int           // questions in a batch; 0 means mostInBatch
}

// put notes a question for the next batch, in the transaction that reserves the money for it.
func (c *carrier) put(ctx context.Context, tx *postgres.TenantTx, r guard.Reservation, q question) error {
	body, err := q.params()
	if err != nil {
		return err
	}
	return putQuestion(ctx, tx, r, body)
}

// step does the next piece of work, and reports false when there is none at this time. An error of Claude's is logged and
// met again later; the error that is returned is the database's.
func (c *carrier) step(ctx context.Context) (worked bool, err error) {
	b, found, err := claimBatch(ctx, c.db)
	if err != nil {
		return false, err
	}
	if !found {
		if err := c.dropStale(ctx); err != nil {
			return false, err
		}
		if b, found, err = c.pack(ctx); err != nil || !found {
			return false, err
		}
		return true, c.send(ctx, b)
	}
	if b.ProviderID == nil {
		return true, c.recover(ctx, b)
	}
	return true, c.look(ctx, b)
}

// pack makes a batch of what waits, unless one is being sent or a switch is on. No batch is made any more when the throw of a
// switch has returned.
func (c *carrier) pack(ctx context.Context) (b batchRow, found bool, err error) {
	most := c.most
	if most == 0 {
		most = mostInBatch
	}
	err = c.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		held, err := guard.Hold(ctx, tx, "website", guard.Claude)
		if err != nil || held.Holds("website", guard.Claude) {
			return err
		}
		b, found, err = packBatch(ctx, tx, c.gather, most, held.Tenants)
		return err
	})
	return b, found, err
}

// send creates the batch at Claude. Until the answer is noted the batch counts as being sent.
func (c *carrier) send(ctx context.Context, b batchRow) error {
	questions, err := questionsOf(ctx, c.db, b.ID)
	if err != nil {
		return err
	}
	made, err := c.claude.create(ctx, questions)
	var failed *callError
	switch {
	case err == nil:
		return b.running(ctx, c.db, made.ID)
	case errors.As(err, &failed) && failed.Free:
		c.log.WarnContext(ctx, "claude did not take a batch; it is sent again", "batch", b.ID, "error", err)
		return b.lost(ctx, c.db, max(failed.After, pollAll))
	default:
		c.log.WarnContext(ctx, "nobody knows whether claude took a batch; it is looked for", "batch", b.ID, "error", err)
		return b.later(ctx, c.db, recoverAll)
	}
}

// recover looks for a batch whose creation was not answered: among those that nobody knows and that have as many questions, the
// one that answers one of ours. What a batch was asked can be seen only when it has ended.
func (c *carrier) recover(ctx context.Context, b batchRow) error {
	listed, err := c.claude.since(ctx, b.CreatedAt.Add(-skew))
	if err != nil {
		c.log.WarnContext(ctx, "claude's batches could not be listed", "batch", b.ID, "error", err)
		return b.later(ctx, c.db, recoverAll)
	}
	strange, err := unknownBatches(ctx, c.db, listed)
	if err != nil {
		return err
	}
	waits := false
	for _, candidate := range strange {
		if candidate.Questions != int64(b.Questions) {
			continue
		}
		if !candidate.Ended {
			waits = true
			continue
		}
		ours, err := c.answersOurs(ctx, candidate.ID, b)
		if errors.Is(err, errSpoilt) && b.Age > rereadFor { // nobody can tell, and all others wait: taken for ours, and given up
			ours, err = true, nil
		}
		if err != nil {
			c.log.WarnContext(ctx, "a batch could not be looked into", "batch", b.ID, "error", err)
			return b.later(ctx, c.db, recoverAll)
		}
		if ours {
			c.log.InfoContext(ctx, "a batch whose creation was not answered was found again", "batch", b.ID)
			return b.running(ctx, c.db, candidate.ID)
		}
	}
	if !waits && b.Age > giveUpAfter {
		c.log.WarnContext(ctx, "a batch never came to claude; it is sent again", "batch", b.ID)
		return b.lost(ctx, c.db, 0)
	}
	return b.later(ctx, c.db, recoverAll)
}

var errEnough = errors.New("website: enough was read")

// answersOurs reports whether the first result that can be read answers a question of the batch.
func (c *carrier) answersOurs(ctx context.Context, id string, b batchRow) (ours bool, err error) {
	err = c.claude.results(ctx, id, func(r result) error {
		_, ours, err = b.questionOf(ctx, c.db, r.CustomID)
		return errors.Join(errEnough, err)
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return ours, err
}

// look asks how a batch stands, and fetches its answers when it has ended. Those that can be read are used at once; the others
// are asked for again until the batch is too old.
func (c *carrier) look(ctx context.Context, b batchRow) error {
	now, err := c.claude.batch(ctx, *b.ProviderID)
	if err == nil && !now.Ended {
		return b.later(ctx, c.db, pollAll)
	}
	if err == nil {
		err = c.claude.results(ctx, *b.ProviderID, func(r result) error { return c.store(ctx, b, r) })
	}
	var failed *callError
	refused := errors.As(err, &failed)
	switch {
	case err == nil, refused && (failed.Type == "not_found_error" || b.Age > keptFor): // deleted by somebody, or kept no more
		return c.close(ctx, b)
	case errors.Is(err, errSpoilt):
		return c.reread(ctx, b, err)
	case refused:
		c.log.WarnContext(ctx, "claude did not tell of a batch; it is asked again", "batch", b.ID, "error", err)
		return b.later(ctx, c.db, max(failed.After, recoverAll))
	default:
		return err
	}
}

// store keeps a result and closes its call, both at once and once; whatever comes again changes nothing.
func (c *carrier) store(ctx context.Context, b batchRow, r result) error {
	of, found, err := b.questionOf(ctx, c.db, r.CustomID)
	if err != nil || !found {
		return err
	}
	return c.answer(ctx, of, r)
}

// reread puts off what cannot be read, unless the batch is too old for that or nobody's answer is among it.
func (c *carrier) reread(ctx context.Context, b batchRow, why error) error {
	left, err := b.unanswered(ctx, c.db)
	if err != nil {
		return err
	}
	c.log.WarnContext(ctx, "claude's answers cannot all be read", "batch", b.ID, "questions", len(left), "error", why)
	if len(left) == 0 || b.Age > rereadFor {
		return c.close(ctx, b)
	}
	return b.later(ctx, c.db, rereadAll)
}

// close ends a batch whose results have all been read, as far as they can be. What got none may have been paid for, so it is
// charged in full, and operators hear of it.
func (c *carrier) close(ctx context.Context, b batchRow) error {
	left, err := b.unanswered(ctx, c.db)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		c.log.ErrorContext(ctx, "questions in a batch got no answer and are paid for in full", "batch", b.ID, "provider_id", *b.ProviderID, "questions", len(left))
	}
	for _, of := range left {
		if err := c.answer(ctx, of, result{Outcome: outcomeMissing, Raw: []byte(`{"result":{"type":"` + outcomeMissing + `"}}`)}); err != nil {
			return err
		}
	}
	return b.collected(ctx, c.db)
}

const (
	outcomeSucceeded = "succeeded"
	outcomeMissing   = "missing" // the batch ended without a word on it
)

func (c *carrier) answer(ctx context.Context, of questionRef, r result) error {
	return c.db.TenantTx(ctx, of.Tenant, func(tx *postgres.TenantTx) error {
		reserved, fresh, err := storeAnswer(ctx, tx, of, r.Raw)
		if err != nil || !fresh {
			return err
		}
		switch r.Outcome {
		case outcomeSucceeded:
			_, err = guard.Settle(ctx, tx, reserved, r.Answer.answered(false)) // whether it is of use shows when it is read
		case outcomeMissing:
			err = guard.Unknown(ctx, tx, reserved)
		default:
			err = guard.Release(ctx, tx, reserved)
		}
		return err
	})
}

// forget drops the oldest answer of a tenant whose site is disconnected: nobody else would ever take it. It is paid for all the same.
func (c *carrier) forget(ctx context.Context, of questionRef) error {
	return c.db.TenantTx(ctx, of.Tenant, func(tx *postgres.TenantTx) error {
		got, found, err := take(ctx, tx)
		if err == nil && found && got.Result.Outcome == outcomeSucceeded {
			_, err = guard.Settle(ctx, tx, got.Reserved, got.Result.Answer.answered(true))
		}
		return err
	})
}

// dropStale takes back questions that would be answered too late, and those whose call was closed meanwhile.
func (c *carrier) dropStale(ctx context.Context) error {
	stale, err := staleQuestions(ctx, c.db)
	if err != nil {
		return err
	}
	for _, of := range stale {
		err := c.db.TenantTx(ctx, of.Tenant, func(tx *postgres.TenantTx) error {
			reserved, err := dropQuestion(ctx, tx, of)
			if err != nil {
				return err
			}
			return guard.Release(ctx, tx, reserved)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// questionRef is a question in a batch.
type questionRef struct {
	Tenant tenant.ID `db:"tenant_id"`
	CallID int64
}

// batchRow is a batch as the database has it, claimed by whoever holds its token.
type batchRow struct {
	ID         int64 `db:"batch_id"`
	ProviderID *string
	Questions  int
	CreatedAt  time.Time
	Age        time.Duration
	LookToken  uuid.UUID
}
