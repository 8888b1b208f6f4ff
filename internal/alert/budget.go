package alert

import (
	"context"

	"memberintel/internal/guard"
	"memberintel/internal/postgres"
)

// watchBudget tells operators what Claude costs: by the metrics always, by a line in the log and in their list once for each
// thing that comes up. A customer is told nothing, since the budget is none of theirs.
func (w *Watcher) watchBudget(ctx context.Context) error {
	var alarms []guard.Alarm
	var spent []guard.Spending
	err := w.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) (err error) {
		if alarms, err = guard.RaiseAlarms(ctx, tx); err != nil {
			return err
		}
		spent, err = guard.Spent(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range spent {
		w.Metrics.BudgetSpent(s.Period, int64(s.Promised), int64(s.Paid), int64(s.Cap))
	}
	for _, a := range alarms {
		w.Metrics.BudgetAlarmed(a.Kind)
		w.Log.WarnContext(ctx, "the budget for claude needs a look", "alarm", a.Kind, "subject", a.Subject, "detail", a.Detail)
	}
	return nil
}
