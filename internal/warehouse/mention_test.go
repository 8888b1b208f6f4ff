package warehouse_test

import (
	"fmt"
	"testing"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

func mention(s int, content string) canonical.Plan {
	return canonical.Plan{Head: head("price_1", event(s), content), Level: "price", Name: &content, Mentioned: true}
}

func told(s int, content string) canonical.Plan {
	p := mention(s, content)
	p.Mentioned = false
	return p
}

func TestAPriceThatIsOnlyMentionedCountsAsSeen(t *testing.T) {
	w := newWorld(t)
	w.apply(&canonical.Batch{Plans: []canonical.Plan{mention(10, "a")}})
	w.apply(&canonical.Batch{Plans: []canonical.Plan{mention(100000, "a")}})
	err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) error {
		ids, err := w.w.Unseen(t.Context(), tx, w.src, "plans", "price", second(99990), "", 10)
		if len(ids) > 0 {
			t.Errorf("%q would be looked up one by one after each pass", ids)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAMentionCountsBesideAnOlderChange(t *testing.T) {
	w := newWorld(t)
	w.apply(&canonical.Batch{Plans: []canonical.Plan{told(10, "a")}})
	w.apply(&canonical.Batch{Plans: []canonical.Plan{told(50, "b"), mention(100, "a")}})
	if got := w.rows(`SELECT name, observed_until FROM plans`); fmt.Sprint(got) != "[a 100]" {
		t.Errorf("%q", got)
	}
}
