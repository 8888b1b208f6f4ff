package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// schedule tells of the runs that wait, and of what became of them.
type schedule struct {
	claimed *prometheus.CounterVec
	waiting *prometheus.GaugeVec
	due     prometheus.Gauge
	overdue prometheus.Gauge
	slots   *prometheus.GaugeVec
	faults  *prometheus.CounterVec
	retries *prometheus.CounterVec
}

func newSchedule() schedule {
	return schedule{
		claimed: counter("schedule_claimed_total", "Connections whose sync ticks have asked for.", "pipeline"),
		waiting: gaugeVec("runs_waiting", "Sync runs in the queue: ready, later (their time has not come), late (delivered again).", "state"),
		due:     gauge("connections_due", "Connections that are due and wait for the pace."),
		overdue: gauge("connections_overdue_seconds", "How long the one that is due for the longest has been so."),
		slots:   gaugeVec("run_slots", "Places for syncs: taken, and all that there are (cap).", "state"),
		faults:  counter("run_faults_total", "Sync runs that did not go well, by what was wrong.", "pipeline", "status", "fault"),
		retries: counter("run_retries_total", "Sync runs that are followed by another try, by what was wrong.", "pipeline", "fault"),
	}
}

func (s schedule) collectors() []prometheus.Collector {
	return []prometheus.Collector{s.claimed, s.waiting, s.due, s.overdue, s.slots, s.faults, s.retries}
}

// ScheduleClaimed counts a connection whose sync a tick has asked for.
func (m *Metrics) ScheduleClaimed(pipeline string) {
	if m != nil {
		m.schedule.claimed.WithLabelValues(m.values.keep("claimed.pipeline", pipeline)).Inc()
	}
}

// RunsWaiting tells how many runs the queue holds now, of all processes. Those that are late are ready as well.
func (m *Metrics) RunsWaiting(ready, later, late int) {
	if m != nil {
		m.schedule.waiting.WithLabelValues("ready").Set(float64(ready))
		m.schedule.waiting.WithLabelValues("later").Set(float64(later))
		m.schedule.waiting.WithLabelValues("late").Set(float64(late))
	}
}

// ConnectionsDue tells how many connections are due now, and for how long the first of them has been.
func (m *Metrics) ConnectionsDue(n int, longest time.Duration) {
	if m != nil {
		m.schedule.due.Set(float64(n))
		m.schedule.overdue.Set(longest.Seconds())
	}
}

// RunSlots tells how many places for syncs are taken now, by all processes, and how many there are.
func (m *Metrics) RunSlots(taken, places int) {
	if m != nil {
		m.schedule.slots.WithLabelValues("taken").Set(float64(taken))
		m.schedule.slots.WithLabelValues("cap").Set(float64(places))
	}
}

// RunFaulted counts a run that ended with a status other than succeeded; fault is the kind of what was wrong.
func (m *Metrics) RunFaulted(pipeline, status, fault string) {
	if m != nil {
		m.schedule.faults.WithLabelValues(m.values.keep("faults.pipeline", pipeline), m.values.keep("faults.status", status),
			m.values.keep("faults.fault", fault)).Inc()
	}
}

// RunRetried counts a run that is followed by another try.
func (m *Metrics) RunRetried(pipeline, fault string) {
	if m != nil {
		m.schedule.retries.WithLabelValues(m.values.keep("retries.pipeline", pipeline), m.values.keep("retries.fault", fault)).Inc()
	}
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

func gaugeVec(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
}
