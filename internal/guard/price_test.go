package guard_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
)

// haiku is the price that a new database has, as it would be entered.
func haiku(change ...func(*guard.Price)) guard.Price {
	p := guard.Price{
		Model: "claude-haiku-5-5", Rates: guard.Rates{Input: 100_000, Output: 500_000}, TierAbove: 100_000,
		Above: guard.Rates{Input: 500_000, Output: 2_500_000}, BatchPercent: 50, Source: "https://prices.example/haiku",
	}
	for _, c := range change {
		c(&p)
	}
	return p
}

func (p *purse) setPrice(price guard.Price) (now guard.Price, before *guard.Price) {
	p.t.Helper()
	now, before, err := guard.SetPrice(p.t.Context(), p.db, price)
	if err != nil {
		p.t.Fatal(err)
	}
	return now, before
}

func (p *purse) prices() (prices []guard.Price) {
	p.t.Helper()
	err := p.db.OperatorTx(p.t.Context(), func(tx *postgres.OperatorTx) (err error) {
		prices, err = guard.Prices(p.t.Context(), tx)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return prices
}

// audited returns what the prices' audit events say of the input before and now, - for none.
func (p *purse) audited() (changes []string) {
	p.t.Helper()
	rows, err := p.owner.Query(p.t.Context(), `SELECT subject, detail FROM audit_event WHERE action = 'budget.price' ORDER BY audit_id`)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var subject string
		var detail []byte
		var change struct{ Before, Now *struct{ Input json.Number } }
		if err := rows.Scan(&subject, &detail); err != nil {
			p.t.Fatal(err)
		}
		if err := json.Unmarshal(detail, &change); err != nil {
			p.t.Fatal(err)
		}
		text := []string{"-", "-"}
		if change.Before != nil {
			text[0] = change.Before.Input.String()
		}
		if change.Now != nil {
			text[1] = change.Now.Input.String()
		}
		changes = append(changes, subject+" "+strings.Join(text, " "))
	}
	return changes
}

func TestAPriceThatIsSetHoldsFromTheNextCall(t *testing.T) {
	p := newPurse(t)
	first := p.mustReserve() // 6,000, by the price of 1 November
	now, before := p.setPrice(haiku(func(h *guard.Price) { h.Input, h.Above.Input, h.BatchPercent = 300_000, 600_000, 40 }))
	want := haiku(func(h *guard.Price) {
		h.Rates = guard.Rates{Input: 300_000, Output: 500_000, CacheWrite: 375_000, CacheRead: 30_000}
		h.Above = guard.Rates{Input: 600_000, Output: 2_500_000, CacheWrite: 750_000, CacheRead: 60_000}
		h.BatchPercent, h.CheckedOn = 40, time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	})
	if diff := cmp.Diff(want, now, cmpopts.IgnoreUnexported(guard.Price{})); diff != "" {
		t.Error(diff)
	}
	if before == nil || before.Input != 100_000 || before.CheckedOn.Day() != 1 {
		t.Errorf("before: %+v", before)
	}
	if got := p.settle(first, used(true)); got != cost(100_000) {
		t.Errorf("a call of before costs %d", got)
	}
	if got := p.settle(p.mustReserve(purpose(guard.First)), used(true)); got != cost(300_000) {
		t.Errorf("a call of now costs %d", got)
	}
	if diff := cmp.Diff([]string{"claude-haiku-5-5 100000 300000"}, p.audited()); diff != "" {
		t.Error(diff)
	}
}

// cost is what used comes to for an input of that price.
func cost(input int64) guard.Micro {
	u := used(true).Usage
	return guard.Micro((u.Input*input + u.CacheWrite*input*5/4 + u.CacheRead*input/10 + u.Output*500_000 + 999_999) / 1_000_000)
}

func TestAPriceOfTodayIsReplacedUntilACallWasMade(t *testing.T) {
	p := newPurse(t)
	at := func(input guard.Micro) guard.Price { return haiku(func(h *guard.Price) { h.Input = input }) }
	p.setPrice(at(110_000))
	p.setPrice(at(120_000))
	p.release(p.mustReserve())
	_, _, err := guard.SetPrice(t.Context(), p.db, at(130_000))
	if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Sentence(err), "tomorrow") {
		t.Errorf("got %v", err)
	}
	for range 2 {
		now, before := p.setPrice(at(120_000))
		if !now.Costs(*before) || p.prices()[0].Input != 1_000_000 || len(p.prices()) != 4 {
			t.Errorf("the same again: %+v, %+v", before, now)
		}
	}
	p.clock.Advance(24 * time.Hour)
	p.setPrice(at(130_000))
	want := []string{"claude-haiku-5-5 100000 110000", "claude-haiku-5-5 110000 120000", "claude-haiku-5-5 120000 130000"}
	if diff := cmp.Diff(want, p.audited()); diff != "" {
		t.Error(diff)
	}
}

func TestAModelIsUsedOnceItHasAPrice(t *testing.T) {
	p := newPurse(t)
	future := func(a *guard.Ask) { a.Model = "claude-future-9" }
	_, err := p.reserve(future)
	if why := refused(t, err); !strings.Contains(why.Error(), "memberintel price set claude-future-9") || !strings.Contains(fault.Sentence(err), "memberintel price set claude-future-9") {
		t.Errorf("told %v", err)
	}
	now, before := p.setPrice(guard.Price{Model: "claude-future-9", Rates: guard.Rates{Input: 10, Output: 10}, BatchPercent: 100, Source: "https://prices.example"})
	if before != nil || now.Above != now.Rates || now.CacheRead != 1 {
		t.Errorf("got %+v, %+v", before, now)
	}
	p.mustReserve(future)
	if _, err := p.owner.Exec(t.Context(), `DELETE FROM llm_price WHERE model = 'claude-opus-5-5'`); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"claude-future-9 - 10", "claude-opus-5-5 4000000 -"}, p.audited()); diff != "" {
		t.Error(diff)
	}
}

func TestAnAlarmOfAnOldPriceEndsWhenItIsChecked(t *testing.T) {
	p := newPurse(t)
	p.clock.Advance(50 * 24 * time.Hour)
	p.run = p.startRun(p.tenant)
	p.settle(p.mustReserve(), used(true))
	p.expectRaised("price claude-haiku-5-5")
	told := func() (details []string) {
		t.Helper()
		err := p.db.OperatorTx(t.Context(), func(tx *postgres.OperatorTx) error {
			alarms, err := guard.Alarms(t.Context(), tx)
			for _, a := range alarms {
				details = append(details, a.Detail)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return details
	}
	if got := told(); len(got) != 1 || !strings.Contains(got[0], "`memberintel price set claude-haiku-5-5 ") || !strings.Contains(got[0], "more than 60 days") {
		t.Errorf("told %q", got)
	}
	if !p.prices()[1].Old {
		t.Error("it is not listed as old")
	}
	p.setPrice(haiku())
	if got := told(); len(got) != 0 || p.prices()[1].Old {
		t.Errorf("told %q", got)
	}
	p.expectRaised()
}

func TestWhatCannotBeAPriceIsRefused(t *testing.T) {
	p := newPurse(t)
	for want, change := range map[string]func(*guard.Price){
		"model's name":     func(h *guard.Price) { h.Model = "claude haiku" },
		"address":          func(h *guard.Price) { h.Source = "by mail" },
		"1 to 100 percent": func(h *guard.Price) { h.BatchPercent = 101 },
		"more than 0":      func(h *guard.Price) { h.Output = 0 },
		"--cache-read":     func(h *guard.Price) { h.Input = 9 },
		"need --tier-above": func(h *guard.Price) {
			h.TierAbove = 0
		},
		"number of tokens":       func(h *guard.Price) { h.TierAbove = -1 },
		"at least 0.10 and 0.50": func(h *guard.Price) { h.Above.Output = 499_999 },
		"or --tier-above 0": func(h *guard.Price) {
			h.TierAbove, h.Above = 0, guard.Rates{}
		},
	} {
		_, _, err := guard.SetPrice(t.Context(), p.db, haiku(change))
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fault.Sentence(err), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if now, _ := p.setPrice(haiku(func(h *guard.Price) { h.TierAbove, h.Above, h.TierEnded = 0, guard.Rates{}, true })); now.TierAbove != 0 {
		t.Errorf("the tier has not ended: %+v", now)
	}
	if got := p.audited(); len(got) != 1 {
		t.Errorf("audited %q", got)
	}
}

// Whoever enters a price while a call is promised by the one of today waits, and does not change it under the call.
func TestAPriceIsNotReplacedUnderACallThatIsBeingPromised(t *testing.T) {
	p := newPurse(t)
	p.setPrice(haiku())
	promised, commit, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- p.db.TenantTx(t.Context(), p.tenant, func(tx *postgres.TenantTx) error {
			_, err := guard.Reserve(t.Context(), tx, p.ask())
			close(promised)
			<-commit
			return err
		})
	}()
	<-promised
	changed := make(chan error, 1)
	go func() {
		_, _, err := guard.SetPrice(t.Context(), p.db, haiku(func(h *guard.Price) { h.Input = 110_000 }))
		changed <- err
	}()
	for !p.priceWaited() && len(changed) == 0 {
		runtime.Gosched()
	}
	close(commit)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if err := <-changed; !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v", err)
	}
}

// priceWaited reports whether somebody waits for the prices.
func (p *purse) priceWaited() (waits bool) {
	p.t.Helper()
	if err := p.owner.QueryRow(p.t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'llm_price'::regclass AND NOT granted)`).Scan(&waits); err != nil {
		p.t.Fatal(err)
	}
	return waits
}

func TestDollarsAreReadToTheLastDigit(t *testing.T) {
	for text, want := range map[string]guard.Micro{"0.10": 100_000, "2": 2_000_000, "0.000001": 1, "1.25": 1_250_000, "10000": 10_000_000_000, "4.35": 4_350_000} {
		if got, err := guard.ParseDollars(text); got != want || err != nil {
			t.Errorf("%s is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "0", "0.0000001", ".5", "1.", "-1", "+1", "1e3", "1,50", "$2", "10000.000001", "99999999999999999999", "0x1", "1.2.3", "NaN", " 1"} {
		if got, err := guard.ParseDollars(text); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		m := guard.Micro(rapid.Int64Range(1, 10_000_000_000).Draw(t, "micro"))
		if got, err := guard.ParseDollars(m.Decimal()); got != m || err != nil {
			t.Fatal(fmt.Sprint(m.Decimal(), got, err))
		}
	})
}
