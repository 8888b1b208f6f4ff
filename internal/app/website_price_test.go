package app

import (
	"fmt"
	"strings"
	"testing"

	sites "memberintel/internal/sim/website"
)

// Models are settings, and what they cost is the owner's rows, the newest of which counts; one without a price is not asked.
func TestModelsAndPricesAreSettings(t *testing.T) {
	d := newDesk(t)
	world, api, at := d.withSites()
	sync := []string{"sync", "--tenant", "club", "--pipeline", "website"}
	d.json(exitDone, "tenant", "create", "--name", "club")
	d.json(exitDone, "connect", "website", "--tenant", "club", "--url", at(sites.Lakeside))

	unknown := d.hurried(exitNotHealthy, append(sync, "--model-first", "claude-of-tomorrow")...)
	if told, _ := unknown.at("error_message").(string); !strings.Contains(told, "claude-of-tomorrow") || !strings.Contains(told, "price") || len(api.Asked()) != 0 {
		t.Errorf("a model without a price: %s, %d calls", unknown, len(api.Asked()))
	}
	d.env = append(d.env, "MEMBERINTEL_MODEL_FIRST=claude-haiku-4-5")
	d.must(d.hurried(exitDone, sync...), map[string]any{"calls": 1, "profile.model": "claude-haiku-4-5"})
	world.SetWeek(3)
	d.must(d.hurried(exitDone, sync...), map[string]any{"calls": 1, "profile.model": "claude-haiku-5-5"})
	d.json(exitDone, "price", "set", "claude-haiku-4-5", "--input", "7", "--output", "11", "--source", "https://prices.example")
	world.SetWeek(4)
	d.must(d.hurried(exitDone, append(sync, "--model-on-demand", "claude-haiku-4-5")...), map[string]any{"calls": 1, "profile.model": "claude-haiku-4-5"})

	for i, price := range []struct{ input, output int64 }{{1, 5}, {0, 0}, {7, 11}} { // of a million tokens, in dollars
		bill := api.Bills()[i]
		want := int(bill.Input*price.input + bill.Output*price.output)
		if want == 0 { // ten cents and fifty
			want = int((bill.Input*10 + bill.Output*50 + 99) / 100)
		}
		if got := d.count(fmt.Sprintf(`SELECT cost FROM llm_call WHERE status = 'settled' ORDER BY call_id LIMIT 1 OFFSET %d`, i)); got != want {
			t.Errorf("call %d cost %d micro-dollars, want %d for %+v", i+1, got, want, bill)
		}
	}
}
