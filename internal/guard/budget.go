package guard

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Micro is an amount of money in micro-dollars.
type Micro int64

// Dollars makes an amount of a number of dollars.
func Dollars(d float64) Micro { return Micro(d*1e6 + 0.5) }

// String shows the amount in dollars: whole cents where that says it all.
func (m Micro) String() string {
	if m%10_000 == 0 {
		return fmt.Sprintf("$%.2f", float64(m)/1e6)
	}
	return fmt.Sprintf("$%.6f", float64(m)/1e6)
}

// Caps is the most that may be spent: on a day and in a month (UTC) over all tenants, and in a month for one.
type Caps struct {
	Day, Month, TenantMonth Micro
}

// DefaultCaps are those that a new database has.
func DefaultCaps() Caps {
	return Caps{Day: Dollars(100), Month: Dollars(1500), TenantMonth: Dollars(0.20)}
}

// Purpose says why a site is analysed, and so how often that may be.
type Purpose string

// The purposes.
const (
	First     Purpose = "first"     // once
	Scheduled Purpose = "scheduled" // once an ISO week
	OnDemand  Purpose = "on_demand" // twice a day (UTC), on pro
)

// Stage is which of an analysis' calls it is; each has two attempts. The database knows those that there are and refuses
// any other, since another name would be another two calls.
type Stage string

// Describe is the one call of an analysis: what the site is about.
const Describe Stage = "describe"

// Ask is a call to Claude that is to be paid for.
type Ask struct {
	RunID   int64 // of the sync run that makes it, which must be running
	Purpose Purpose
	Stage   Stage
	Model   string
	Batch   bool // sent in a batch, for less money, and answered within a day or two
	// The most that it can come to. A prompt never has more tokens than bytes.
	InputTokens, OutputTokens int64
	Caps                      Caps // zero: the database's alone
}

// Reservation is the money for one call. Each is settled, released or given up as unknown; one that is left is charged in
// full when it runs out. It holds nothing in memory: CallID and Token are all that it takes to make it again.
type Reservation struct {
	Tenant    tenant.ID
	CallID    int64
	Token     uuid.UUID
	Attempt   int
	Amount    Micro
	ExpiresAt time.Time // an answer that comes later is still settled, but the money counts as spent until then
}

// Usage is what a call used, as its answer tells.
type Usage struct {
	Input      int64 // of the prompt, what was neither written to a cache nor read from one
	CacheWrite int64
	CacheRead  int64
	Output     int64 // with what the model thought
}

// Answered is what the ledger keeps of an answer.
type Answered struct {
	Usage Usage
	// Ends says that the analysis needs no more calls, whether the answer was of use or another would not be either.
	Ends       bool
	StopReason string
	RequestID  string
}

// Reserve promises the money for a call, in a transaction of its own tenant that must be committed before the call is
// made. It gives a fault of kind Stopped when a switch is on, and a *Refusal when the call must not be made.
func Reserve(ctx context.Context, tx *postgres.TenantTx, a Ask) (Reservation, error) {
	Require(tx, "website", Claude) // ahead of the function, which asks too, for the operator's reason
	ceiling := func(m Micro) Micro {
		if m == 0 {
			return 1 << 62
		}
		return m
	}
	var row struct {
		outcome   string
		call      *int64
		token     *uuid.UUID
		attempt   *int
		amount    *Micro
		expiresAt *time.Time
		freesAt   *time.Time
		spent     *Micro
		cap       *Micro
	}
	err := tx.QueryRow(ctx, `SELECT * FROM budget_reserve($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		a.RunID, a.Purpose, a.Stage, a.Model, a.Batch, a.InputTokens, a.OutputTokens,
		ceiling(a.Caps.Day), ceiling(a.Caps.Month), ceiling(a.Caps.TenantMonth)).
		Scan(&row.outcome, &row.call, &row.token, &row.attempt, &row.amount, &row.expiresAt, &row.freesAt, &row.spent, &row.cap)
	if fault.KindOf(err) != "" {
		return Reservation{}, err
	}
	if err != nil {
		return Reservation{}, fmt.Errorf("guard: reserve: %w", err)
	}
	if row.outcome != "reserved" {
		r := &Refusal{Reason: Reason(row.outcome), Model: a.Model, FreesAt: row.freesAt}
		if row.cap != nil {
			r.Spent, r.Cap, r.Asked = *row.spent, *row.cap, *row.amount
		}
		return Reservation{}, r.fault()
	}
	return Reservation{
		Tenant: tx.Tenant, CallID: *row.call, Token: *row.token, Attempt: *row.attempt, Amount: *row.amount, ExpiresAt: *row.expiresAt,
	}, nil
}

// Settle charges what the answer cost and returns that. To settle again charges nothing. A call that was taken for lost
// and is answered after all is put right.
func Settle(ctx context.Context, tx *postgres.TenantTx, r Reservation, a Answered) (cost Micro, err error) {
	var fresh bool
	err = tx.QueryRow(ctx, `SELECT * FROM budget_settle($1, $2, $3, $4, $5, $6, $7, $8, $9)`, r.CallID, r.Token,
		a.Usage.Input, a.Usage.CacheWrite, a.Usage.CacheRead, a.Usage.Output, a.Ends, a.StopReason, a.RequestID).Scan(&fresh, &cost)
	if err != nil {
		return 0, fmt.Errorf("guard: settle call %d: %w", r.CallID, err)
	}
	return cost, nil
}

// Release gives the money back: the call was refused, or never made, and cost nothing. It spends no attempt. One that is
// closed already stays as it is.
func Release(ctx context.Context, tx *postgres.TenantTx, r Reservation) error {
	return closeCall(ctx, tx, `SELECT budget_release($1, $2)`, r)
}

// Unknown charges the whole reservation, since nobody can tell whether the call was paid for. One that is closed already
// stays as it is.
func Unknown(ctx context.Context, tx *postgres.TenantTx, r Reservation) error {
	return closeCall(ctx, tx, `SELECT budget_unknown($1, $2)`, r)
}

func closeCall(ctx context.Context, tx *postgres.TenantTx, sql string, r Reservation) error {
	if _, err := tx.Exec(ctx, sql, r.CallID, r.Token); err != nil {
		return fmt.Errorf("guard: close call %d: %w", r.CallID, err)
	}
	return nil
}

// Reap closes up to limit calls of all tenants that a crash left open, as unknown, and returns how many. Any number of
// reapers may work at once.
func Reap(ctx context.Context, tx *postgres.ServiceTx, limit int) (closed int, err error) {
	if err := tx.QueryRow(ctx, `SELECT budget_reap($1)`, limit).Scan(&closed); err != nil {
		return 0, fmt.Errorf("guard: reap: %w", err)
	}
	return closed, nil
}
