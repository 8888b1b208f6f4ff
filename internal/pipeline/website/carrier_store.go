package website

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/jackc/pgx/v5"

	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

const batchColumns = `batch_id, provider_id, questions, created_at, memberintel_now() - created_at AS age, look_token`

// claimBatch returns an open batch that somebody should look at, and keeps others from it for a while.
func claimBatch(ctx context.Context, db *postgres.DB) (b batchRow, found bool, err error) {
	err = db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		b, found, err = oneBatch(ctx, tx, `
			UPDATE llm_batch SET look_at = memberintel_now() + $1::interval, look_token = gen_random_uuid()
			 WHERE batch_id = (SELECT batch_id FROM llm_batch WHERE status IN ('submitting', 'running') AND look_at <= memberintel_now()
			                    ORDER BY look_at LIMIT 1 FOR UPDATE SKIP LOCKED)
			RETURNING `+batchColumns, workFor)
		return err
	})
	return b, found, err
}

// packBatch makes a batch of the questions that wait, once the first of them has waited for so long or there are as many as
// fit. It makes none while another is being sent, or when Claude has just refused one.
func packBatch(ctx context.Context, tx *postgres.ServiceTx, gather time.Duration, most int, held []tenant.ID) (batchRow, bool, error) {
	rows, err := tx.Query(ctx, `
		SELECT q.call_id FROM llm_question q JOIN llm_call c USING (call_id)
		 WHERE q.batch_id IS NULL AND q.answer IS NULL AND c.status = 'reserved' AND c.expires_at > memberintel_now() + $1::interval
		   AND q.tenant_id <> ALL ($2) AND NOT EXISTS (SELECT FROM llm_batch b WHERE b.status = 'lost' AND b.look_at > memberintel_now())
		 ORDER BY q.call_id LIMIT $3 FOR UPDATE OF q SKIP LOCKED`, sendWithin, append([]tenant.ID{}, held...), most)
	if err != nil {
		return batchRow{}, false, fmt.Errorf("website: find questions: %w", err)
	}
	calls, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil || len(calls) == 0 {
		return batchRow{}, false, err
	}
	var ripe bool
	err = tx.QueryRow(ctx, `SELECT min(created_at) <= memberintel_now() - $2::interval FROM llm_question WHERE call_id = ANY ($1)`, calls, gather).Scan(&ripe)
	if err != nil || !ripe && len(calls) < most {
		return batchRow{}, false, err
	}
	b, found, err := oneBatch(ctx, tx, `
		INSERT INTO llm_batch (questions, look_at) VALUES ($1, memberintel_now() + $2::interval) ON CONFLICT DO NOTHING RETURNING `+batchColumns,
		len(calls), workFor)
	if err != nil || !found {
		return b, found, err
	}
	if _, err := tx.Exec(ctx, `UPDATE llm_question SET batch_id = $2 WHERE call_id = ANY ($1)`, calls, b.ID); err != nil {
		return b, false, fmt.Errorf("website: pack a batch: %w", err)
	}
	return b, true, nil
}

func questionsOf(ctx context.Context, db *postgres.DB, batch int64) (questions []batched, err error) {
	err = db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		rows, err := tx.Query(ctx, `SELECT custom_id, params FROM llm_question WHERE batch_id = $1 ORDER BY call_id`, batch)
		if err != nil {
			return err
		}
		questions, err = pgx.CollectRows(rows, pgx.RowToStructByPos[batched])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("website: read a batch's questions: %w", err)
	}
	return questions, nil
}

// running notes by which name Claude knows the batch.
func (b batchRow) running(ctx context.Context, db *postgres.DB, provider string) error {
	return b.change(ctx, db, `UPDATE llm_batch SET status = 'running', provider_id = $3, submitted_at = memberintel_now(), look_at = memberintel_now() + $4::interval
		WHERE batch_id = $1 AND look_token = $2`, provider, pollAll)
}

// later puts the next look off.
func (b batchRow) later(ctx context.Context, db *postgres.DB, after time.Duration) error {
	return b.change(ctx, db, `UPDATE llm_batch SET look_at = memberintel_now() + $3::interval WHERE batch_id = $1 AND look_token = $2`, after)
}

// collected closes a batch that has been read to its end.
func (b batchRow) collected(ctx context.Context, db *postgres.DB) error {
	return b.change(ctx, db, `UPDATE llm_batch SET status = 'collected', closed_at = memberintel_now() WHERE batch_id = $1 AND look_token = $2`)
}

// lost closes a batch that Claude does not have, and lets its questions go with another, after a while.
func (b batchRow) lost(ctx context.Context, db *postgres.DB, after time.Duration) error {
	return b.change(ctx, db, `
		WITH gone AS (UPDATE llm_batch SET status = 'lost', closed_at = memberintel_now(), look_at = memberintel_now() + $3::interval
		               WHERE batch_id = $1 AND look_token = $2 RETURNING batch_id)
		UPDATE llm_question SET batch_id = NULL WHERE batch_id IN (SELECT batch_id FROM gone)`, after)
}

// change writes to the batch if nobody has claimed it meanwhile.
func (b batchRow) change(ctx context.Context, db *postgres.DB, sql string, args ...any) error {
	err := db.ServiceTx(context.WithoutCancel(ctx), func(tx *postgres.ServiceTx) error {
		_, err := tx.Exec(ctx, sql, append([]any{b.ID, b.LookToken}, args...)...)
		return err
	})
	if err != nil {
		return fmt.Errorf("website: note on batch %d: %w", b.ID, err)
	}
	return nil
}

// questionOf finds the question of the batch that has no answer yet; false: there is none, or it was answered.
func (b batchRow) questionOf(ctx context.Context, db *postgres.DB, customID string) (of questionRef, found bool, err error) {
	refs, err := questionRefs(ctx, db, `SELECT tenant_id, call_id FROM llm_question WHERE batch_id = $1 AND custom_id = $2 AND answer IS NULL`, b.ID, customID)
	if err != nil || len(refs) == 0 {
		return of, false, err
	}
	return refs[0], true, nil
}

// unanswered returns the questions of the batch without an answer.
func (b batchRow) unanswered(ctx context.Context, db *postgres.DB) ([]questionRef, error) {
	return questionRefs(ctx, db, `SELECT tenant_id, call_id FROM llm_question WHERE batch_id = $1 AND answer IS NULL ORDER BY call_id`, b.ID)
}

// staleQuestions returns some that wait for a batch and are not to be sent any more.
func staleQuestions(ctx context.Context, db *postgres.DB) ([]questionRef, error) {
	return questionRefs(ctx, db, `
		SELECT q.tenant_id, q.call_id FROM llm_question q JOIN llm_call c USING (call_id)
		 WHERE q.batch_id IS NULL AND q.answer IS NULL AND (c.status <> 'reserved' OR c.expires_at <= memberintel_now() + $1::interval)
		 ORDER BY q.call_id LIMIT 100`, sendWithin)
}

func questionRefs(ctx context.Context, db *postgres.DB, sql string, args ...any) (refs []questionRef, err error) {
	err = db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		refs, err = pgx.CollectRows(rows, pgx.RowToStructByName[questionRef])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("website: find questions: %w", err)
	}
	return refs, nil
}

// unknownBatches leaves out those that the database knows.
func unknownBatches(ctx context.Context, db *postgres.DB, listed []claudeBatch) (unknown []claudeBatch, err error) {
	ids := make([]string, 0, len(listed))
	for _, b := range listed {
		ids = append(ids, b.ID)
	}
	var known map[string]bool
	err = db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		rows, err := tx.Query(ctx, `SELECT provider_id FROM llm_batch WHERE provider_id = ANY ($1)`, ids)
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		known = make(map[string]bool, len(names))
		for _, name := range names {
			known[name] = true
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("website: look which batches are known: %w", err)
	}
	for _, b := range listed {
		if !known[b.ID] {
			unknown = append(unknown, b)
		}
	}
	return unknown, nil
}

func putQuestion(ctx context.Context, tx *postgres.TenantTx, r guard.Reservation, params json.RawMessage) error {
	customID := fmt.Sprintf("mi-%d-%x", r.CallID, r.Token[:])
	// The try before this one may have left a failed answer that nobody has taken.
	if _, err := tx.Exec(ctx, `DELETE FROM llm_question WHERE call_id = $1 AND answer IS NOT NULL`, r.CallID); err != nil {
		return fmt.Errorf("website: put a question: %w", err)
	}
	_, err := tx.Exec(ctx, `INSERT INTO llm_question (tenant_id, call_id, custom_id, params) VALUES ($1, $2, $3, $4)`, tx.Tenant, r.CallID, customID, params)
	if err != nil {
		return fmt.Errorf("website: put a question: %w", err)
	}
	return nil
}

// storeAnswer keeps the answer, and returns the reservation of its call; false: there is an answer already.
func storeAnswer(ctx context.Context, tx *postgres.TenantTx, of questionRef, raw json.RawMessage) (guard.Reservation, bool, error) {
	tag, err := tx.Exec(ctx, `UPDATE llm_question SET answer = $2, answered_at = memberintel_now() WHERE call_id = $1 AND answer IS NULL`, of.CallID, raw)
	if err != nil {
		return guard.Reservation{}, false, fmt.Errorf("website: keep an answer: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return guard.Reservation{}, false, nil
	}
	r, err := reservationOf(ctx, tx, of)
	return r, err == nil, err
}

// dropQuestion forgets a question that was not sent.
func dropQuestion(ctx context.Context, tx *postgres.TenantTx, of questionRef) (guard.Reservation, error) {
	if _, err := tx.Exec(ctx, `DELETE FROM llm_question WHERE call_id = $1 AND batch_id IS NULL AND answer IS NULL`, of.CallID); err != nil {
		return guard.Reservation{}, fmt.Errorf("website: drop a question: %w", err)
	}
	return reservationOf(ctx, tx, of)
}

func reservationOf(ctx context.Context, tx *postgres.TenantTx, of questionRef) (guard.Reservation, error) {
	r := guard.Reservation{Tenant: of.Tenant, CallID: of.CallID}
	if err := tx.QueryRow(ctx, `SELECT token, attempt, reserved, expires_at FROM llm_call WHERE call_id = $1`, of.CallID).
		Scan(&r.Token, &r.Attempt, &r.Amount, &r.ExpiresAt); err != nil {
		return r, fmt.Errorf("website: find the reservation of call %d: %w", of.CallID, err)
	}
	return r, nil
}

// carried is an answer that came by a batch and waits for its tenant's pipeline.
type carried struct {
	Reserved guard.Reservation // to settle once more, when it is known whether the analysis has ended
	Result   result
}

// answered returns some whose answers wait. Chance picks them where there are many: a site that is not synced leaves its answer where
// it is, and enough of those would keep all others from being seen.
func answered(ctx context.Context, db *postgres.DB, limit int) ([]questionRef, error) {
	return questionRefs(ctx, db, `SELECT tenant_id, call_id FROM llm_question WHERE answered_at IS NOT NULL ORDER BY random() LIMIT $1`, limit)
}

// take hands the tenant's oldest answer over and forgets it, in the transaction that writes what came of it: it is there again
// when that fails. False: none waits.
func take(ctx context.Context, tx *postgres.TenantTx) (got carried, found bool, err error) {
	var of questionRef
	var raw json.RawMessage
	err = tx.QueryRow(ctx, `
		DELETE FROM llm_question WHERE call_id = (SELECT call_id FROM llm_question WHERE answer IS NOT NULL ORDER BY call_id LIMIT 1)
		RETURNING tenant_id, call_id, answer`).Scan(&of.Tenant, &of.CallID, &raw)
	if errors.Is(err, pgx.ErrNoRows) {
		return got, false, nil
	}
	if err != nil {
		return got, false, fmt.Errorf("website: take an answer: %w", err)
	}
	if got.Reserved, err = reservationOf(ctx, tx, of); err != nil {
		return got, false, err
	}
	var line anthropic.MessageBatchIndividualResponse
	if err := json.Unmarshal(raw, &line); err != nil {
		return got, false, fmt.Errorf("website: read an answer: %w", err)
	}
	got.Result = resultOf(line)
	return got, true, nil
}

func oneBatch(ctx context.Context, tx *postgres.ServiceTx, sql string, args ...any) (batchRow, bool, error) {
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		return batchRow{}, false, fmt.Errorf("website: claim a batch: %w", err)
	}
	b, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[batchRow])
	if errors.Is(err, pgx.ErrNoRows) {
		return b, false, nil
	}
	if err != nil {
		return b, false, fmt.Errorf("website: claim a batch: %w", err)
	}
	return b, true, nil
}
