package identity

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// Limit is how often something may be tried by one subject in a time.
type Limit struct {
	Name string // of what is tried; limits of different names count apart
	Max  int
	Per  time.Duration
}

// Try counts an attempt by subject, over all machines, and refuses it with RateLimited once there were too many;
// the fault says when the next may be made. What is stored does not tell who the subject is.
func (u *Users) Try(ctx context.Context, limit Limit, subject string) error {
	var attempts int
	var wait time.Duration
	err := u.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		_, err := tx.Exec(ctx, `DELETE FROM attempt_rate WHERE subject IN (SELECT subject FROM attempt_rate
			WHERE until < memberintel_now() - interval '1 minute' ORDER BY until LIMIT 20 FOR UPDATE SKIP LOCKED)`)
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, `
			INSERT INTO attempt_rate AS a (subject, attempts, until) VALUES ($1, 1, memberintel_now() + $2::interval)
			ON CONFLICT (subject) DO UPDATE SET
			    attempts = CASE WHEN a.until <= memberintel_now() THEN 1 ELSE least(a.attempts, 1000000) + 1 END,
			    until = CASE WHEN a.until <= memberintel_now() THEN excluded.until ELSE a.until END
			RETURNING attempts, until - memberintel_now()`, limit.key(subject), limit.Per).Scan(&attempts, &wait)
	})
	if err != nil {
		return fmt.Errorf("identity: count the attempts at %s: %w", limit.Name, err)
	}
	if attempts <= limit.Max {
		return nil
	}
	refusal := fault.New(fault.RateLimited, "That was tried too often; try again %s.", waitFor(wait))
	refusal.RetryAfter = wait
	return refusal
}

// forgive forgets the attempts of a subject, who has shown to be the right one.
func (l Limit) forgive(ctx context.Context, tx *postgres.ServiceTx, subject string) error {
	_, err := tx.Exec(ctx, `DELETE FROM attempt_rate WHERE subject = $1`, l.key(subject))
	return err
}

func (l Limit) key(subject string) []byte {
	sum := sha256.Sum256([]byte(l.Name + "\x00" + subject))
	return sum[:]
}
