package telemetry

import "github.com/prometheus/client_golang/prometheus"

// budget tells of the money that Claude costs.
type budget struct {
	money  *prometheus.GaugeVec
	alarms *prometheus.CounterVec
}

func newBudget() budget {
	return budget{
		money:  gaugeVec("budget_dollars", "Money for Claude in the current day or month (UTC): promised to calls under way, paid, and the cap.", "period", "state"),
		alarms: counter("budget_alarms_total", "What came up about the budget for Claude.", "alarm"),
	}
}

func (b budget) collectors() []prometheus.Collector { return []prometheus.Collector{b.money, b.alarms} }

// BudgetSpent tells how the day's or the month's budget stands, in micro-dollars, of all processes.
func (m *Metrics) BudgetSpent(period string, promised, paid, ceiling int64) {
	if m != nil {
		period = m.values.keep("budget.period", period)
		m.budget.money.WithLabelValues(period, "promised").Set(float64(promised) / 1e6)
		m.budget.money.WithLabelValues(period, "paid").Set(float64(paid) / 1e6)
		m.budget.money.WithLabelValues(period, "cap").Set(float64(ceiling) / 1e6)
	}
}

// BudgetAlarmed counts an alarm about the budget.
func (m *Metrics) BudgetAlarmed(alarm string) {
	if m != nil {
		m.budget.alarms.WithLabelValues(m.values.keep("budget.alarm", alarm)).Inc()
	}
}
