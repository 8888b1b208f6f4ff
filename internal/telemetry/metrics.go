// Package telemetry is where the program tells how it is doing: metrics, one method each, with Prometheus
// behind them, and log lines that know their tenant and run. No label bears a tenant, an id or anything
// else without bound.
package telemetry

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts and times what happens. A nil *Metrics does nothing, so nobody needs one to work. It is
// safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	values   *values

	webhooks       *prometheus.CounterVec
	batchEvents    prometheus.Histogram
	batchSeconds   prometheus.Histogram
	webhookSeconds prometheus.Histogram
	events         *prometheus.CounterVec
	records        *prometheus.CounterVec
	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
	runs           *prometheus.CounterVec
	runSeconds     *prometheus.HistogramVec
	refetchQueued  *prometheus.CounterVec
	refetchDone    *prometheus.CounterVec
	quarantined    *prometheus.CounterVec
	drift          *prometheus.CounterVec
	rateLimited    *prometheus.CounterVec
	incidents      *prometheus.CounterVec
	mails          *prometheus.CounterVec
	schedule       schedule
	budget         budget
}

// New returns metrics with a registry of their own, which tells of the process and the runtime as well.
func New() *Metrics {
	fast := prometheus.ExponentialBuckets(0.001, 2, 15) // 1 ms to 16 s
	slow := prometheus.ExponentialBuckets(0.1, 4, 10)   // 100 ms to 7 h
	m := &Metrics{
		registry:       prometheus.NewRegistry(),
		values:         &values{seen: map[string]map[string]bool{}},
		webhooks:       counter("webhooks_received_total", "Webhook deliveries by how they were answered.", "outcome"),
		batchEvents:    histogram("webhook_batch_events", "Events in one commit.", prometheus.ExponentialBuckets(1, 2, 11)),
		batchSeconds:   histogram("webhook_batch_seconds", "How long the commit of a batch of events took.", fast),
		webhookSeconds: histogram("webhook_latency_seconds", "From a delivery's arrival to its answer.", fast),
		events:         counter("events_processed_total", "Events by what they are about and what became of them.", "class", "outcome"),
		records:        counter("records_committed_total", "Records written to the warehouse.", "pipeline", "stream"),
		requests:       counter("api_requests_total", "Requests to a source's API.", "pipeline", "endpoint", "status"),
		requestSeconds: histogramVec("api_request_seconds", "How long a source's API took to answer.", fast, "pipeline"),
		runs:           counter("runs_finished_total", "Sync runs that ended.", "pipeline", "mode", "status"),
		runSeconds:     histogramVec("run_seconds", "How long sync runs took.", slow, "pipeline", "mode"),
		refetchQueued:  counter("refetch_queued_total", "Objects put on the refetch list.", "reason"),
		refetchDone:    counter("refetch_done_total", "Objects of the refetch list that were fetched again.", "outcome"),
		quarantined:    counter("quarantined_total", "Objects whose shape was not understood.", "pipeline", "stream"),
		drift:          counter("drift_found_total", "Differences that a verify found.", "pipeline"),
		rateLimited:    counter("rate_limited_total", "Times that a source asked for patience.", "pipeline", "reason"),
		incidents:      counter("incidents_opened_total", "Outages of connections that were found.", "pipeline", "reason"),
		mails:          counter("mails_total", "Attempts to send a mail, by what became of it.", "status"),
		schedule:       newSchedule(),
		budget:         newBudget(),
	}
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.webhooks, m.batchEvents, m.batchSeconds, m.webhookSeconds, m.events, m.records, m.requests, m.requestSeconds,
		m.runs, m.runSeconds, m.refetchQueued, m.refetchDone, m.quarantined, m.drift, m.rateLimited, m.incidents, m.mails)
	m.registry.MustRegister(m.schedule.collectors()...)
	m.registry.MustRegister(m.budget.collectors()...)
	return m
}

// Handler answers /metrics; of a nil *Metrics it answers 404.
func (m *Metrics) Handler() http.Handler {
	if m == nil {
		return http.NotFoundHandler()
	}
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// WebhookReceived counts a delivery by how it was answered: applied, ignored, bad_signature.
func (m *Metrics) WebhookReceived(outcome string) {
	if m != nil {
		m.webhooks.WithLabelValues(m.values.keep("webhooks.outcome", outcome)).Inc()
	}
}

// WebhookBatch tells of one commit of several deliveries.
func (m *Metrics) WebhookBatch(events int, took time.Duration) {
	if m != nil {
		m.batchEvents.Observe(float64(events))
		m.batchSeconds.Observe(took.Seconds())
	}
}

// WebhookLatency tells how long a delivery waited for its answer.
func (m *Metrics) WebhookLatency(took time.Duration) {
	if m != nil {
		m.webhookSeconds.Observe(took.Seconds())
	}
}

// EventProcessed counts an event; of its type only what it is about is kept, customer.subscription say.
func (m *Metrics) EventProcessed(eventType, outcome string) {
	if m != nil {
		m.events.WithLabelValues(eventClass(eventType), m.values.keep("events.outcome", outcome)).Inc()
	}
}

// RecordsCommitted counts n records of a stream.
func (m *Metrics) RecordsCommitted(pipeline, stream string, n int) {
	if m != nil && n > 0 {
		m.records.WithLabelValues(m.values.keep("records.pipeline", pipeline), m.values.keep("records.stream", stream)).Add(float64(n))
	}
}

// APIRequest tells of one request to a source. Endpoint is the route without ids, /v1/customers/{id} say;
// status is 0 when no answer came.
func (m *Metrics) APIRequest(pipeline, endpoint string, status int, took time.Duration) {
	if m != nil {
		pipeline = m.values.keep("requests.pipeline", pipeline)
		m.requests.WithLabelValues(pipeline, m.values.keep("requests.endpoint", endpoint), statusLabel(status)).Inc()
		m.requestSeconds.WithLabelValues(pipeline).Observe(took.Seconds())
	}
}

// RunFinished tells of a sync run that ended.
func (m *Metrics) RunFinished(pipeline, mode, status string, took time.Duration) {
	if m != nil {
		pipeline, mode = m.values.keep("runs.pipeline", pipeline), m.values.keep("runs.mode", mode)
		m.runs.WithLabelValues(pipeline, mode, m.values.keep("runs.status", status)).Inc()
		m.runSeconds.WithLabelValues(pipeline, mode).Observe(took.Seconds())
	}
}

// RefetchQueued counts n objects that were put on the refetch list.
func (m *Metrics) RefetchQueued(reason string, n int) {
	if m != nil && n > 0 {
		m.refetchQueued.WithLabelValues(m.values.keep("refetch.reason", reason)).Add(float64(n))
	}
}

// RefetchDone counts an object of the refetch list that was fetched again, or could not be.
func (m *Metrics) RefetchDone(outcome string) {
	if m != nil {
		m.refetchDone.WithLabelValues(m.values.keep("refetch.outcome", outcome)).Inc()
	}
}

// Quarantined counts an object whose shape was not understood.
func (m *Metrics) Quarantined(pipeline, stream string) {
	if m != nil {
		m.quarantined.WithLabelValues(m.values.keep("quarantined.pipeline", pipeline), m.values.keep("quarantined.stream", stream)).Inc()
	}
}

// DriftFound counts n differences that a verify found.
func (m *Metrics) DriftFound(pipeline string, n int) {
	if m != nil && n > 0 {
		m.drift.WithLabelValues(m.values.keep("drift.pipeline", pipeline)).Add(float64(n))
	}
}

// RateLimited counts an answer that asked for patience, by the reason that the source gave.
func (m *Metrics) RateLimited(pipeline, reason string) {
	if m != nil {
		m.rateLimited.WithLabelValues(m.values.keep("limited.pipeline", pipeline), m.values.keep("limited.reason", reason)).Inc()
	}
}

// IncidentOpened counts an outage of a connection.
func (m *Metrics) IncidentOpened(pipeline, reason string) {
	if m != nil {
		m.incidents.WithLabelValues(m.values.keep("incidents.pipeline", pipeline), m.values.keep("incidents.reason", reason)).Inc()
	}
}

// MailsSettled counts n mails by what became of them: sent, waiting (to be tried again), dropped, uncertain.
func (m *Metrics) MailsSettled(status string, n int) {
	if m != nil && n > 0 {
		m.mails.WithLabelValues(m.values.keep("mails.status", status)).Add(float64(n))
	}
}

const namespace = "memberintel"

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64) prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
}

func histogramVec(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(
		prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}
