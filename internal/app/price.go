package app

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
)

type priceCommands struct {
	List priceListCommand `cmd:"" help:"List what each model costs, and when that was checked."`
	Set  priceSetCommand  `cmd:"" help:"Enter what a model costs from now on, or that it costs what it did."`
}

// priceView has dollars for a million tokens, exactly.
type priceView struct {
	Model string `json:"model"`
	ratesView
	TierAbove    *int64     `json:"tier_above"` // tokens of a prompt; null: one price for all sizes
	Above        *ratesView `json:"above"`      // of a request with a longer prompt
	BatchPercent int        `json:"batch_percent"`
	Source       string     `json:"source"`
	CheckedOn    string     `json:"checked_on"`
	TooOld       bool       `json:"too_old"`
}

type ratesView struct {
	Input      json.Number `json:"input"`
	Output     json.Number `json:"output"`
	CacheWrite json.Number `json:"cache_write"`
	CacheRead  json.Number `json:"cache_read"`
}

func viewPrice(p guard.Price) priceView {
	v := priceView{
		Model: p.Model, ratesView: viewRates(p.Rates), BatchPercent: p.BatchPercent, Source: p.Source,
		CheckedOn: p.CheckedOn.Format(time.DateOnly), TooOld: p.Old,
	}
	if p.TierAbove > 0 {
		above := viewRates(p.Above)
		v.TierAbove, v.Above = &p.TierAbove, &above
	}
	return v
}

func viewRates(r guard.Rates) ratesView {
	number := func(m guard.Micro) json.Number { return json.Number(m.Decimal()) }
	return ratesView{number(r.Input), number(r.Output), number(r.CacheWrite), number(r.CacheRead)}
}

type priceListCommand struct{}

// Help says what the numbers are, with an example.
func (*priceListCommand) Help() string {
	return "Dollars for a million tokens, from the newest check of each model. One that is more than 60 days old still holds, and is told as too old.\n\n" +
		example("memberintel price list")
}

// Run lists the prices that hold.
func (c *priceListCommand) Run(ctx context.Context, p *program) error {
	return p.with(ctx, func(h *house) error {
		var prices []guard.Price
		err := h.db.OperatorTx(ctx, func(tx *postgres.OperatorTx) (err error) {
			prices, err = guard.Prices(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
		views := []priceView{}
		for _, price := range prices {
			views = append(views, viewPrice(price))
		}
		p.answer(map[string]any{"prices": views}, func(w io.Writer) { writePrices(w, views) })
		return nil
	})
}

// writePrices is a table, and under it what to run for each price that is too old.
func writePrices(w io.Writer, prices []priceView) {
	if len(prices) == 0 {
		writef(w, "No model has a price, so none is used; enter one with `memberintel price set`.\n")
		return
	}
	writef(w, "$ per million tokens\tinput\toutput\tcache write\tcache read\tbatch\tchecked on\tsource\n")
	for _, p := range prices {
		checked := p.CheckedOn
		if p.TooOld {
			checked += ", too old"
		}
		writef(w, "%s\t%s\t%s\t%s\t%s\t%d%%\t%s\t%s\n", p.Model, p.Input, p.Output, p.CacheWrite, p.CacheRead, p.BatchPercent, checked, p.Source)
		if p.Above != nil {
			writef(w, "  above %d tokens\t%s\t%s\t%s\t%s\t\t\t\n", *p.TierAbove, p.Above.Input, p.Above.Output, p.Above.CacheWrite, p.Above.CacheRead)
		}
	}
	for _, p := range prices {
		if p.TooOld {
			writef(w, "\nLook at %s; if %s still costs that:\n  %s\n", p.Source, p.Model, p.again())
		}
	}
}

// again is the command that enters the same price as checked today.
func (v priceView) again() string {
	text := "memberintel price set " + v.Model + " --input " + string(v.Input) + " --output " + string(v.Output)
	if v.Above != nil {
		text += " --tier-above " + strconv.FormatInt(*v.TierAbove, 10) + " --input-above " + string(v.Above.Input) + " --output-above " + string(v.Above.Output)
	}
	text += " --cache-write " + string(v.CacheWrite) + " --cache-read " + string(v.CacheRead)
	if v.BatchPercent != 50 {
		text += " --batch-percent " + strconv.Itoa(v.BatchPercent)
	}
	return text + " --source " + v.Source
}

type priceSetCommand struct {
	Model        string  `arg:"" help:"The model's name at Claude's API."`
	Input        dollars `required:"" placeholder:"DOLLARS" help:"A million tokens of input, such as 0.10."`
	Output       dollars `required:"" placeholder:"DOLLARS" help:"A million tokens of output."`
	TierAbove    *int64  `placeholder:"TOKENS" help:"The size of a prompt above which a request costs more; 0 when there is none any more."`
	InputAbove   dollars `placeholder:"DOLLARS" help:"A million tokens of input above that."`
	OutputAbove  dollars `placeholder:"DOLLARS" help:"A million tokens of output above that."`
	CacheWrite   dollars `placeholder:"DOLLARS" help:"A million tokens that are written to the cache. Default: five quarters of the input."`
	CacheRead    dollars `placeholder:"DOLLARS" help:"A million tokens that are read from it. Default: a tenth of the input."`
	BatchPercent int     `default:"50" placeholder:"N" help:"What a question in a batch costs of that."`
	Source       string  `required:"" placeholder:"URL" help:"The page that tells the price."`
}

// dollars is a price as it is written.
type dollars guard.Micro

// UnmarshalText reads an amount to its last digit.
func (d *dollars) UnmarshalText(text []byte) error {
	amount, err := guard.ParseDollars(string(text))
	*d = dollars(amount)
	if err != nil {
		return errors.New(strings.TrimSuffix(fault.Sentence(err), ".")) // the grammar's own words follow
	}
	return nil
}

// Help says who may, with examples.
func (*priceSetCommand) Help() string {
	return "The price counts as checked today and holds for every call from now on. It works as the schema's owner, as migrate does, and leaves an audit event. " +
		"Without a price a model is not used.\n\n" +
		example("memberintel price set claude-sonnet-5-5 --input 2 --output 10 --source https://platform.claude.com/docs/en/about-claude/pricing",
			"memberintel price set claude-haiku-5-5 --input 0.10 --output 0.50 --tier-above 100000 --input-above 0.50 --output-above 2.50 "+
				"--source https://platform.claude.com/docs/en/about-claude/pricing")
}

// Run enters the price; the same one again changes nothing but its date.
func (c *priceSetCommand) Run(ctx context.Context, p *program) error {
	return p.with(ctx, func(h *house) error {
		now, before, err := guard.SetPrice(ctx, h.db, c.price())
		if postgres.Forbidden(err) {
			return fault.Wrap(fault.NotPermitted, err, "Prices are the schema owner's to enter: set MEMBERINTEL_OWNER_DATABASE_URL to that login's address.")
		}
		if err != nil {
			return err
		}
		view, old := viewPrice(now), (*priceView)(nil)
		text := line("%s had no price; it is used from now on.", now.Model)
		if before != nil {
			was := viewPrice(*before)
			back := was.again()
			if view.Above != nil && was.Above == nil {
				back += " --tier-above 0"
			}
			old, text = &was, line("To go back to what it cost before: %s", back)
			if now.Costs(*before) {
				text = line("%s costs what it did; that counts as checked on %s.", now.Model, view.CheckedOn)
			}
		}
		p.answer(map[string]any{"price": view, "before": old}, func(w io.Writer) {
			writePrices(w, []priceView{view})
			text(w)
		})
		return nil
	})
}

func (c *priceSetCommand) price() guard.Price {
	price := guard.Price{
		Model:        c.Model,
		Rates:        guard.Rates{Input: guard.Micro(c.Input), Output: guard.Micro(c.Output), CacheWrite: guard.Micro(c.CacheWrite), CacheRead: guard.Micro(c.CacheRead)},
		Above:        guard.Rates{Input: guard.Micro(c.InputAbove), Output: guard.Micro(c.OutputAbove)},
		BatchPercent: c.BatchPercent, Source: c.Source,
	}
	if c.TierAbove != nil {
		price.TierAbove, price.TierEnded = *c.TierAbove, *c.TierAbove == 0
	}
	return price
}
