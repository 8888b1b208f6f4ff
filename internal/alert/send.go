package alert

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/telemetry"
)

const (
	sendEvery    = 15 * time.Second
	mailsInHand  = 10
	stoppedFor   = time.Minute      // how long a mail waits that a switch stopped
	longestPause = 30 * time.Minute // between two attempts
	settleWithin = 10 * time.Second // for writing down what became of a mail, though the program is to end
)

// Sender works off the outbox. Any number may do so at the same time, and each mail leaves at most once, as far as
// SMTP allows: a mail is marked before the mail server is given it, and what is marked is sent again only if the
// server said that it did not take it. Where the answer is lost, with the connection or with this program, SMTP
// offers no way to ask whether the mail was taken; such a mail is uncertain and is not sent again. It is safe for
// concurrent use.
type Sender struct {
	DB      *postgres.DB
	Relay   *Relay // nil while no mail server is set: mails wait in the outbox
	Metrics *telemetry.Metrics
	Log     *slog.Logger
	Every   time.Duration // between two looks into the outbox; 0 means 15 seconds
}

// Run sends until ctx ends, which is no error. It logs what goes wrong and tries again.
func (s *Sender) Run(ctx context.Context) error {
	if s.Relay == nil {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(cmp.Or(s.Every, sendEvery))
	defer ticker.Stop()
	for {
		if _, err := s.Send(ctx); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "mails could not be sent", "server", s.Relay.server(), "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Send sends what is due and returns how many mails left. It ends early, with an error, when the mail server cannot
// be reached, and without one when the server asks for patience.
func (s *Sender) Send(ctx context.Context) (int, error) {
	if s.Relay == nil {
		return 0, nil
	}
	left := 0
	for {
		token := uuid.New()
		parcels, err := s.claim(ctx, token)
		if err != nil || len(parcels) == 0 {
			return left, err
		}
		n, more, err := s.deliver(ctx, parcels, token)
		left += n
		if err != nil || !more || ctx.Err() != nil {
			return left, err
		}
	}
}

func (s *Sender) claim(ctx context.Context, token uuid.UUID) (parcels []parcel, err error) {
	var lost, old int64
	err = s.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		if lost, old, err = tidy(ctx, tx); err != nil {
			return err
		}
		thrown, err := guard.Thrown(ctx, tx)
		if err != nil {
			return err
		}
		stopped := scopesOf(thrown)
		if stopped[guard.All] || stopped[guard.Mail] {
			return nil
		}
		parcels, err = claim(ctx, tx, token, stopped, mailsInHand)
		return err
	})
	if err != nil {
		return nil, err
	}
	s.Metrics.MailsSettled(uncertain, int(lost))
	s.Metrics.MailsSettled(dropped, int(old))
	if lost+old > 0 {
		s.Log.WarnContext(ctx, "mails were given up", "uncertain", lost, "too_old", old)
	}
	return parcels, nil
}

// deliver sends the mails over one connection, until one of them breaks it. What was not tried is let go of. More
// says whether it makes sense to go on at once.
func (s *Sender) deliver(ctx context.Context, parcels []parcel, token uuid.UUID) (left int, more bool, err error) {
	line, err := s.Relay.dial(ctx)
	if err != nil {
		putOff := s.write(ctx, func(ctx context.Context, tx *postgres.ServiceTx) error {
			return postpone(ctx, tx, parcels, token, err.Error())
		})
		if putOff != nil {
			return 0, false, putOff
		}
		return 0, false, err
	}
	defer line.close()
	more = true
	for _, p := range parcels {
		if ctx.Err() != nil || line.broken || !more {
			break
		}
		mine, err := s.handOver(ctx, p, token)
		if err != nil {
			return left, false, err
		}
		if !mine {
			continue
		}
		result := line.send(p)
		if err := s.settle(ctx, p, token, result); err != nil {
			return left, false, err
		}
		if result.status == sent {
			left++
		}
		more = !result.wait
	}
	return left, more, s.write(ctx, func(ctx context.Context, tx *postgres.ServiceTx) error { return release(ctx, tx, token) })
}

// handOver asks the switches once more and marks the mail. It returns false when the mail is not to be sent now.
func (s *Sender) handOver(ctx context.Context, p parcel, token uuid.UUID) (mine bool, err error) {
	err = s.DB.TenantTx(ctx, p.TenantID, func(tx *postgres.TenantTx) error {
		if err := guard.Check(ctx, tx, string(p.Pipeline), guard.Mail); err != nil {
			return err
		}
		mine, err = handOver(ctx, tx, p, token)
		return err
	})
	if fault.Is(err, fault.Stopped) {
		return false, s.write(ctx, func(ctx context.Context, tx *postgres.ServiceTx) error {
			return settle(ctx, tx, p, token, waiting, stoppedFor, fault.Sentence(err))
		})
	}
	return mine && err == nil, err
}

// settle writes down what became of the mail. Its log line names no address.
func (s *Sender) settle(ctx context.Context, p parcel, token uuid.UUID, r result) error {
	again := time.Duration(0)
	if r.status == waiting {
		again = backoff(p.Attempts + 1)
	}
	err := s.write(ctx, func(ctx context.Context, tx *postgres.ServiceTx) error {
		return settle(ctx, tx, p, token, r.status, again, r.problem)
	})
	ctx = telemetry.WithTenant(ctx, p.TenantID)
	s.Metrics.MailsSettled(r.status, 1)
	if r.status == sent {
		s.Log.InfoContext(ctx, "a mail left", "mail", p.ID, "about", p.About)
	} else {
		s.Log.WarnContext(ctx, "a mail did not leave", "mail", p.ID, "about", p.About, "status", r.status, "code", r.code)
	}
	return err
}

// write runs a short transaction that is finished even when the program is to end.
func (s *Sender) write(ctx context.Context, fn func(context.Context, *postgres.ServiceTx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWithin)
	defer cancel()
	return s.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error { return fn(ctx, tx) })
}

// backoff is how long a mail waits after so many attempts.
func backoff(attempts int) time.Duration {
	return min(longestPause, time.Minute<<min(max(attempts-1, 0), 10))
}
