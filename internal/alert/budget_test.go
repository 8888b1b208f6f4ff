package alert_test

import (
	"strings"
	"testing"
	"time"

	"memberintel/internal/alert"
	"memberintel/internal/postgres"
)

func TestTheBudgetIsToldToOperatorsOnceAndToNoCustomer(t *testing.T) {
	w := newWorld(t)
	if _, err := w.owner.Exec(t.Context(), `INSERT INTO spend_total (period, starts_on, settled, cap) VALUES ('day', '2026-03-01', 51, 100), ('month', '2026-03-01', 51, 1000)`); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := w.watcher.Watch(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(w.logged.String(), "the budget for claude needs a look"); n != 1 {
		t.Errorf("logged %d times: %s", n, w.logged)
	}
	w.pass(24 * time.Hour)
	if _, err := w.owner.Exec(t.Context(), `UPDATE spend_total SET settled = 810 WHERE period = 'month'`); err != nil {
		t.Fatal(err)
	}
	if err := w.watcher.Watch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(w.logged.String(), "the budget for claude needs a look"); n != 3 { // the month's 50 and 80 %
		t.Errorf("logged %d times: %s", n, w.logged)
	}
	err := w.db.OperatorTx(t.Context(), func(tx *postgres.OperatorTx) error {
		backlog, err := alert.BacklogOf(t.Context(), tx)
		if backlog.Waiting != 0 {
			t.Errorf("%d mails", backlog.Waiting)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
