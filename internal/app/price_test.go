package app

import (
	"strings"
	"testing"
	"time"

	sites "memberintel/internal/sim/website"
)

const priced = "https://prices.example/models"

func TestPricesAreListedAndEntered(t *testing.T) {
	d := newDesk(t)
	d.exec(`UPDATE llm_price SET checked_on = current_date - 61 WHERE model = 'claude-haiku-5-5'`)
	d.exec(`UPDATE llm_price SET checked_on = current_date - 60 WHERE model <> 'claude-haiku-5-5'`)
	d.must(d.json(exitDone, "price", "list"), map[string]any{
		"prices.0.model": "claude-haiku-4-5", "prices.0.input": "1", "prices.0.tier_above": nil, "prices.0.above": nil, "prices.0.too_old": false,
		"prices.1.model": "claude-haiku-5-5", "prices.1.input": "0.1", "prices.1.output": "0.5", "prices.1.cache_write": "0.125", "prices.1.cache_read": "0.01",
		"prices.1.tier_above": "100000", "prices.1.above.output": "2.5", "prices.1.batch_percent": 50, "prices.1.too_old": true, "prices.4": nil,
	})
	_, stdout, _ := d.run(nil, "price", "list")
	_, again, found := strings.Cut(stdout, "\n  memberintel ")
	if !found || !strings.Contains(stdout, "above 100000 tokens  0.50") || strings.Count(stdout, "too old") != 1 {
		t.Fatalf("people are told %q", stdout)
	}
	for range 2 {
		if code, stdout, stderr := d.run(nil, strings.Fields(again)...); code != exitDone || !strings.Contains(stdout, "claude-haiku-5-5 costs what it did") {
			t.Errorf("exit %d, %q%q", code, stdout, stderr)
		}
	}
	d.must(d.json(exitDone, "price", "list"), map[string]any{"prices.1.too_old": false, "prices.1.tier_above": "100000", "prices.1.checked_on": time.Now().UTC().Format(time.DateOnly)})

	set := []string{"price", "set", "claude-opus-5-5", "--input", "3.999999", "--output", "20", "--source", priced}
	d.must(d.json(exitDone, set...), map[string]any{"before.input": "4", "price.input": "3.999999", "price.source": priced, "price.too_old": false})
	if n := d.count(`SELECT count(*) FROM audit_event WHERE action = 'budget.price' AND subject = 'claude-opus-5-5' AND detail->'now'->>'input' = '3999999' AND detail->'before'->>'input' = '4000000'`); n != 1 {
		t.Errorf("%d audit events", n)
	}
	d.must(d.json(exitUsage, "price", "set", "claude-opus-5-5", "--input", "0.0000001", "--output", "20", "--source", priced), map[string]any{"kind": "usage"})
	d.must(d.json(exitError, append(set, "--batch-percent", "0")...), map[string]any{"kind": "invalid"})
	_, stdout, _ = d.run(nil, append(set, "--tier-above", "100000", "--input-above", "5", "--output-above", "25")...)
	_, back, found := strings.Cut(stdout, "before: memberintel ")
	if code, _, stderr := d.run(nil, strings.Fields(back)...); !found || code != exitDone {
		t.Errorf("exit %d, %s after %q", code, stderr, stdout)
	}
	d.must(d.json(exitDone, "price", "list"), map[string]any{"prices.2.model": "claude-opus-5-5", "prices.2.input": "3.999999", "prices.2.tier_above": nil})
	d.env = append(d.env, "MEMBERINTEL_OWNER_DATABASE_URL=") // as a server that migrates elsewhere
	refused := d.json(exitError, set...)
	if text, _ := refused.at("error").(string); !strings.Contains(text, "MEMBERINTEL_OWNER_DATABASE_URL") {
		t.Errorf("told %s", refused)
	}
}

// What operators are told to do about a price helps, from the refusal to the next call's bill.
func TestAModelIsAskedOnceItsPriceIsEntered(t *testing.T) {
	d := newDesk(t)
	_, api, at := d.withSites()
	d.exec(`DELETE FROM llm_price WHERE model = 'claude-sonnet-5-5'`)
	sync := []string{"sync", "--tenant", "club", "--pipeline", "website"}
	d.json(exitDone, "tenant", "create", "--name", "club")
	d.json(exitDone, "connect", "website", "--tenant", "club", "--url", at(sites.Lakeside))
	refused := d.hurried(exitNotHealthy, sync...)
	if told, _ := refused.at("error_message").(string); !strings.Contains(told, "memberintel price set claude-sonnet-5-5") || len(api.Asked()) != 0 {
		t.Errorf("told %s, %d calls", refused, len(api.Asked()))
	}
	if code, stdout, _ := d.run(nil, "price", "set", "claude-sonnet-5-5", "--input", "3", "--output", "13", "--source", priced); code != exitDone || !strings.Contains(stdout, "is used from now on") {
		t.Errorf("exit %d, %q", code, stdout)
	}
	d.must(d.hurried(exitDone, sync...), map[string]any{"calls": 1, "profile.model": "claude-sonnet-5-5"})
	bill := api.Bills()[0]
	if got, want := d.count(`SELECT cost FROM llm_call WHERE status = 'settled'`), int(bill.Input*3+bill.Output*13); got != want {
		t.Errorf("the call cost %d micro-dollars, want %d", got, want)
	}
	other := d.json(exitError, "price", "set", "claude-sonnet-5-5", "--input", "4", "--output", "13", "--source", priced)
	d.must(other, map[string]any{"kind": "conflict"})
}

func TestStatusForgetsAnOldPriceOnceItIsEntered(t *testing.T) {
	d := newDesk(t)
	d.exec(`UPDATE llm_price SET checked_on = current_date - 61`)
	d.exec(`INSERT INTO budget_alarm (alarm, subject, starts_on, detail) VALUES ('price', 'claude-opus-5-5', current_date, 'old')`)
	d.must(d.json(exitDone, "status"), map[string]any{"budget_alarms.0.alarm": "price"})
	d.json(exitDone, "price", "set", "claude-opus-5-5", "--input", "4", "--output", "20", "--source", priced)
	d.must(d.json(exitDone, "status"), map[string]any{"budget_alarms": []any{}})
}
