package guard

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// Reason says why a call was not paid for.
type Reason string

// The reasons.
const (
	CapDay         Reason = "day"          // the cap of the day is reached
	CapMonth       Reason = "month"        // that of the month
	CapTenantMonth Reason = "tenant_month" // that of the tenant's month
	Done           Reason = "done"         // the period has had its analyses
	Attempts       Reason = "attempts"     // it has had its attempts, and none was of use
	OnPlan         Reason = "plan"         // on demand is not for tenants on plan free
	Open           Reason = "open"         // another call is under way
	NoPrice        Reason = "no_price"     // nobody has entered what the model costs
	NoRun          Reason = "no_run"       // the sync run has ended, or is not the tenant's
)

// Refusal is why a call must not be made. Find it with errors.As.
type Refusal struct {
	Reason Reason
	Model  string
	// FreesAt is when it is worth asking again: the cap begins anew, the next period begins, the open call is taken for lost.
	// Nil: not by waiting.
	FreesAt           *time.Time
	Spent, Cap, Asked Micro // of a cap; Spent counts what is promised to calls under way
}

// Capped reports whether money is what is missing.
func (r *Refusal) Capped() bool {
	return r.Reason == CapDay || r.Reason == CapMonth || r.Reason == CapTenantMonth
}

// Spared reports whether the tenant has had what it may have, so that the profile that is there will do until FreesAt.
func (r *Refusal) Spared() bool {
	return r.Reason == Done || r.Reason == Attempts || r.Reason == OnPlan
}

//go:embed may_ask.sql
var mayAskSQL string

// MayAsk reports whether the tenant's plan and period leave room for an analysis, so that nobody reads a site for nothing; it
// gives the *Refusal that Reserve would give. It promises nothing: Reserve decides, and asks for the money as well.
func MayAsk(ctx context.Context, tx *postgres.TenantTx, purpose Purpose) error {
	r := &Refusal{}
	err := tx.QueryRow(ctx, mayAskSQL, tx.Tenant, purpose).Scan(&r.Reason, &r.FreesAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("guard: look for room in the period: %w", err)
	}
	return r.fault()
}

// Error tells the operator which limit it is.
func (r *Refusal) Error() string {
	text := "guard: no call to " + r.Model + ": " + string(r.Reason)
	if r.Capped() {
		text = fmt.Sprintf("guard: the cap of %s (%s) is reached: %s spent or promised, %s asked for", r.Reason, r.Cap, r.Spent, r.Asked)
	}
	if r.Reason == NoPrice {
		text += ", until `memberintel price set " + r.Model + " --input DOLLARS --output DOLLARS --source URL` enters it"
	}
	if r.FreesAt != nil {
		text += ", until " + r.FreesAt.UTC().Format(time.RFC3339)
	}
	return text
}

// fault gives the refusal its sentence for the customer. Its kind is Stopped where the operator's limits hold the work up,
// so that the run counts as no attempt.
func (r *Refusal) fault() *fault.Error {
	switch r.Reason {
	case CapDay, CapMonth, CapTenantMonth:
		return fault.Wrap(fault.Stopped, r, "The budget for website analysis is used up until %s; the profile stays as it is.", r.until())
	case Done:
		return fault.Wrap(fault.Conflict, r, "The website was analysed already; the next analysis is possible from %s.", r.until())
	case Attempts:
		return fault.Wrap(fault.Conflict, r, "Two attempts to analyse the website brought nothing; the next is possible from %s.", r.until())
	case OnPlan:
		return fault.Wrap(fault.Conflict, r, "On plan free the website is analysed once a week, the next time from %s.", r.until())
	case Open:
		return fault.Wrap(fault.Busy, r, "An analysis of the website is under way; its answer is waited for until %s.", r.until())
	case NoPrice:
		return fault.Wrap(fault.Invalid, r, "The price of the model %s is not known, so it is not used; whoever runs memberintel enters it with `memberintel price set %s`.", r.Model, r.Model)
	case NoRun:
		return fault.Wrap(fault.Busy, r, "Another worker has taken over this run.")
	default:
		return fault.Wrap(fault.Stopped, r, "The analysis of websites is stopped by a switch.")
	}
}

// until names the day, and the time of day where that matters.
func (r *Refusal) until() string {
	switch {
	case r.FreesAt == nil:
		return "nobody can say when"
	case r.FreesAt.UTC().Truncate(24 * time.Hour).Equal(r.FreesAt.UTC()):
		return r.FreesAt.UTC().Format("2 January 2006")
	default:
		return r.FreesAt.UTC().Format("2 January 2006, 15:04 UTC")
	}
}
