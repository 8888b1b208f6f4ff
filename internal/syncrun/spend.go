package syncrun

import (
	"context"

	"memberintel/internal/guard"
	"memberintel/internal/postgres"
)

// Reserve promises the money for a call to Claude, committed before it returns: only then may the call be made. What is
// asked need not name the run or the caps. It gives a fault of kind Stopped while a switch is on, of kind Busy when the
// lease is lost, and a *guard.Refusal, found with errors.As, when the call must not be made.
//
// The way of a paid call is Reserve, call, Settle, Commit. Release, when Claude refused the request or it never left;
// Unknown, when the answer did not come and the call may have been paid for. A worker that dies in between leaves an open
// call: whoever resumes the run and reserves anew charges it in full, and a sweep does so when nobody does.
func (r *Run) Reserve(ctx context.Context, a guard.Ask) (guard.Reservation, error) {
	a.RunID, a.Caps = r.ID, r.ledger.Caps
	var reserved guard.Reservation
	err := postgres.Retry(maxTries, func() error {
		return r.ledger.DB.TenantTx(ctx, r.Connection.TenantID, func(tx *postgres.TenantTx) (err error) {
			r.mayGoOn(tx)
			reserved, err = guard.Reserve(ctx, tx, a)
			return err
		})
	})
	return reserved, err
}

// Settle charges what the answer cost, once however often it is called, and returns that. It asks neither switch nor
// lease: what is paid is paid. An answer that is yet to be written is settled with Ends false, and once more by guard.Settle
// with Ends true in the Commit that writes it: a worker that dies in between has ended no analysis without a result.
func (l *Ledger) Settle(ctx context.Context, r guard.Reservation, a guard.Answered) (cost guard.Micro, err error) {
	return l.SettleWith(ctx, r, a, nil)
}

// SettleWith is Settle for an answer that is to be kept: also notes it in the same transaction. It may run again when the
// transaction is retried, and is nil when there is nothing to note.
func (l *Ledger) SettleWith(
	ctx context.Context, r guard.Reservation, a guard.Answered, also func(context.Context, *postgres.TenantTx) error,
) (cost guard.Micro, err error) {
	ctx = context.WithoutCancel(ctx)
	err = l.spend(ctx, r, func(tx *postgres.TenantTx) error {
		if cost, err = guard.Settle(ctx, tx, r, a); err != nil || also == nil {
			return err
		}
		return also(ctx, tx)
	})
	return cost, err
}

// Release gives the money of a call back that cost nothing.
func (l *Ledger) Release(ctx context.Context, r guard.Reservation) error {
	return l.spend(ctx, r, func(tx *postgres.TenantTx) error { return guard.Release(ctx, tx, r) })
}

// Unknown charges the whole reservation of a call that may have been paid for.
func (l *Ledger) Unknown(ctx context.Context, r guard.Reservation) error {
	return l.spend(ctx, r, func(tx *postgres.TenantTx) error { return guard.Unknown(ctx, tx, r) })
}

func (l *Ledger) spend(ctx context.Context, r guard.Reservation, fn func(*postgres.TenantTx) error) error {
	return postgres.Retry(maxTries, func() error { return l.DB.TenantTx(context.WithoutCancel(ctx), r.Tenant, fn) })
}
