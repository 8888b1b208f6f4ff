package guard

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres"
)

// Alarm is something about the budget that operators are to hear of.
type Alarm struct {
	Kind     string `db:"alarm"` // spend, skip_rate, unsettled, unanswered or price
	Subject  string // of spend: day 80
	Detail   string // for the operator
	RaisedAt time.Time
}

//go:embed alarm.sql
var alarmSQL string

// RaiseAlarms looks at the budget and returns what has come up since anybody looked last, each thing once a period however
// many look: caps used by 50, 80 and 100 %; calls that nobody closes; batches that left questions unanswered; a change gate that lets more than half of the sites
// through; prices that nobody has checked for 60 days.
func RaiseAlarms(ctx context.Context, tx *postgres.ServiceTx) ([]Alarm, error) {
	rows, err := tx.Query(ctx, alarmSQL, priceDays)
	return collectAlarms(rows, err)
}

// Alarms returns those of the last seven days, the newest first, for the operator; that a price is old is over once it was
// checked. It is never nil.
func Alarms(ctx context.Context, tx *postgres.OperatorTx) ([]Alarm, error) {
	rows, err := tx.Query(ctx, `SELECT alarm, subject, detail, raised_at FROM budget_alarm
		WHERE raised_at > memberintel_now() - interval '7 days'
		  AND NOT (alarm = 'price' AND EXISTS (SELECT FROM llm_price
		      WHERE model = subject AND checked_on >= (memberintel_now() AT TIME ZONE 'UTC')::date - $1::integer))
		ORDER BY raised_at DESC, alarm, subject`, priceDays)
	return collectAlarms(rows, err)
}

func collectAlarms(rows pgx.Rows, err error) ([]Alarm, error) {
	if err != nil {
		return nil, fmt.Errorf("guard: look at the budget: %w", err)
	}
	alarms, err := pgx.CollectRows(rows, pgx.RowToStructByName[Alarm])
	if err != nil {
		return nil, fmt.Errorf("guard: look at the budget: %w", err)
	}
	return alarms, nil
}

// Spending is what a period has cost so far, and what it may cost.
type Spending struct {
	Period   string // day or month
	Promised Micro  // to calls under way
	Paid     Micro
	Cap      Micro
}

// Spent returns what this day and this month have cost, all tenants together; a period without a call is left out.
func Spent(ctx context.Context, tx *postgres.ServiceTx) ([]Spending, error) {
	rows, err := tx.Query(ctx, `
		SELECT period, reserved, settled + overrun, cap FROM spend_total
		 WHERE (period, starts_on) IN (('day', (memberintel_now() AT TIME ZONE 'UTC')::date),
		                               ('month', date_trunc('month', memberintel_now() AT TIME ZONE 'UTC')::date))
		 ORDER BY period`)
	if err != nil {
		return nil, fmt.Errorf("guard: read what was spent: %w", err)
	}
	spent, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Spending])
	if err != nil {
		return nil, fmt.Errorf("guard: read what was spent: %w", err)
	}
	return spent, nil
}
