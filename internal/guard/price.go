package guard

import (
	"context"
	_ "embed"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// priceDays is how old a check of a price may be before operators are told.
const priceDays = 60

// Rates is what a million tokens cost.
type Rates struct {
	Input, Output         Micro
	CacheWrite, CacheRead Micro // of the prompt; zero in SetPrice: five quarters of Input, a tenth of it
}

// Price is what a model costs, as its source said on a day.
type Price struct {
	Model string
	Rates
	// TierAbove is the size of a prompt in tokens above which the whole request costs Above; 0: one price for all sizes.
	TierAbove    int64
	TierEnded    bool // in SetPrice: it is meant that there is no such size any more
	Above        Rates
	BatchPercent int // what a question in a batch costs of that
	Source       string
	CheckedOn    time.Time // a day; SetPrice takes today, of the database's clock in UTC
	Old          bool      // it was checked more than 60 days ago

	today bool
}

//go:embed price.sql
var priceSQL string

//go:embed price_set.sql
var priceSetSQL string

// Prices returns what each model costs now, by name.
func Prices(ctx context.Context, tx *postgres.OperatorTx) ([]Price, error) {
	return readPrices(ctx, tx, "")
}

// SetPrice enters what a model costs from now on, and returns that and what it cost before, nil for a model that had no price.
// Only the owner of the schema can, and the database writes an audit event. The same prices count as checked today. Others than
// were entered earlier today are refused with a fault of kind Conflict once a call was made with those: they are its bill.
func SetPrice(ctx context.Context, db *postgres.DB, p Price) (now Price, before *Price, err error) {
	if p, err = p.whole(); err != nil {
		return p, nil, err
	}
	err = db.Owner(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			now, before, err = setPrice(ctx, tx, p)
			return err
		})
	})
	if err != nil {
		return now, before, fmt.Errorf("guard: set a price: %w", err)
	}
	return now, before, nil
}

// setPrice takes turns with others and with the calls that are being promised: the lock lets nobody name a price as his
// call's, and everybody read.
func setPrice(ctx context.Context, tx pgx.Tx, p Price) (now Price, before *Price, err error) {
	if _, err := tx.Exec(ctx, `LOCK TABLE llm_price IN EXCLUSIVE MODE`); err != nil {
		return now, nil, err
	}
	found, err := readPrices(ctx, tx, p.Model)
	if err != nil {
		return now, nil, err
	}
	if len(found) > 0 {
		before = &found[0]
		if err := mayReplace(ctx, tx, *before, p); err != nil {
			return now, before, err
		}
	}
	_, err = tx.Exec(ctx, priceSetSQL, p.Model, p.Input, p.Output, p.CacheWrite, p.CacheRead,
		p.TierAbove, p.Above.Input, p.Above.Output, p.Above.CacheWrite, p.Above.CacheRead, p.BatchPercent, p.Source)
	if err != nil {
		return now, before, err
	}
	if found, err = readPrices(ctx, tx, p.Model); err != nil {
		return now, before, err
	}
	return found[0], before, nil
}

// mayReplace looks for what nobody may want: a price that calls of today were made with would become another, or the higher
// one for long prompts would be forgotten.
func mayReplace(ctx context.Context, tx pgx.Tx, before, p Price) error {
	if p.TierAbove == 0 && before.TierAbove > 0 && !p.TierEnded {
		return fault.New(fault.Invalid, "%s costs more for prompts above %d tokens. Say what it costs there now, with --tier-above, --input-above and "+
			"--output-above, or --tier-above 0 when that is over.", p.Model, before.TierAbove)
	}
	if !before.today || p.Costs(before) {
		return nil
	}
	var used bool
	err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM llm_call c JOIN llm_price p USING (price_id)
		WHERE p.model = $1 AND p.checked_on = $2 AND c.day >= p.checked_on)`, before.Model, before.CheckedOn).Scan(&used)
	if err != nil {
		return err
	}
	if used {
		return fault.New(fault.Conflict, "A price of %s was entered today already, and calls were made with it; enter another one tomorrow (UTC). "+
			"To stop calls until then: `memberintel switch on subsystem:claude --reason R`.", p.Model)
	}
	return nil
}

// Costs reports whether both cost the same, whoever says so.
func (p Price) Costs(other Price) bool {
	return p.Rates == other.Rates && p.TierAbove == other.TierAbove && p.Above == other.Above && p.BatchPercent == other.BatchPercent
}

func readPrices(ctx context.Context, tx interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}, model string,
) ([]Price, error) {
	rows, err := tx.Query(ctx, priceSQL, priceDays, model)
	if err != nil {
		return nil, fmt.Errorf("guard: read prices: %w", err)
	}
	prices, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Price, err error) {
		err = row.Scan(&p.Model, &p.Input, &p.Output, &p.CacheWrite, &p.CacheRead, &p.TierAbove, &p.Above.Input, &p.Above.Output,
			&p.Above.CacheWrite, &p.Above.CacheRead, &p.BatchPercent, &p.Source, &p.CheckedOn, &p.Old, &p.today)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("guard: read prices: %w", err)
	}
	return prices, nil
}
