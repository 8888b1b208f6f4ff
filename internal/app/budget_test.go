package app

import (
	"strings"
	"testing"

	"memberintel/internal/postgres/pgtest"
)

func TestMigrateSetsTheBudgetsAndNothingElseDoes(t *testing.T) {
	d := newDesk(t)
	owner := pgtest.Owner(t, d.db)
	day := func() (dollars string) {
		t.Helper()
		if err := owner.QueryRow(t.Context(), `SELECT (day / 1000000)::text FROM budget_cap`).Scan(&dollars); err != nil {
			t.Fatal(err)
		}
		return dollars
	}
	d.env = append(d.env, "MEMBERINTEL_BUDGET_DAY=250")
	d.json(exitDone, "status")
	if got := day(); got != "100" {
		t.Errorf("status made it %s", got)
	}
	d.json(exitDone, "migrate")
	d.json(exitDone, "migrate")
	if got := day(); got != "250" {
		t.Errorf("migrate made it %s", got)
	}
	if n := d.count(`SELECT count(*) FROM audit_event WHERE action = 'budget.cap'`); n != 1 {
		t.Errorf("%d audit events", n)
	}
	if got, _ := d.json(exitUsage, "migrate", "--budget-month", "0").at("error").(string); !strings.Contains(got, "subsystem:claude") {
		t.Errorf("told %q", got)
	}
}

func TestStatusTellsOperatorsOfTheBudget(t *testing.T) {
	d := newDesk(t)
	if _, err := pgtest.Owner(t, d.db).Exec(t.Context(), `INSERT INTO budget_alarm (alarm, subject, starts_on, detail) VALUES ('spend', 'day 80', '2026-11-22', 'much')`); err != nil {
		t.Fatal(err)
	}
	d.must(d.json(exitDone, "status"), map[string]any{"budget_alarms.0.alarm": "spend", "budget_alarms.0.subject": "day 80", "budget_alarms.0.detail": "much"})
}
