package telemetry_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"memberintel/internal/telemetry"
)

func scrape(t *testing.T, m *telemetry.Metrics) string {
	t.Helper()
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return answer.Body.String()
}

func useAll(m *telemetry.Metrics) {
	m.WebhookReceived("applied")
	m.WebhookBatch(7, 20*time.Millisecond)
	m.WebhookLatency(30 * time.Millisecond)
	m.EventProcessed("customer.subscription.updated", "applied")
	m.EventProcessed("evil.thing.happened", "ignored")
	m.EventProcessed("nodot", "ignored")
	m.RecordsCommitted("stripe", "customers", 5)
	m.APIRequest("stripe", "/v1/customers", 200, time.Millisecond)
	m.APIRequest("stripe", "/v1/customers", 0, time.Millisecond)
	m.RunFinished("stripe", "full", "succeeded", time.Minute)
	m.RefetchQueued("tie", 2)
	m.RefetchDone("applied")
	m.Quarantined("stripe", "invoices")
	m.DriftFound("stripe", 3)
	m.RateLimited("stripe", "endpoint-rate")
	m.RateLimited("stripe", "\xff")
	m.IncidentOpened("stripe", "failing")
	m.MailsSettled("sent", 2)
	m.MailsSettled("dropped", 0)
	m.ScheduleClaimed("stripe")
	m.RunsWaiting(4, 3, 2)
	m.ConnectionsDue(5, time.Minute)
	m.RunSlots(6, 100)
	m.RunFaulted("stripe", "failed", "unavailable")
	m.RunRetried("stripe", "unavailable")
}

func TestMetricsShowWhatHappened(t *testing.T) {
	m := telemetry.New()
	useAll(m)
	page := scrape(t, m)
	for _, line := range []string{
		`memberintel_webhooks_received_total{outcome="applied"} 1`,
		`memberintel_webhook_batch_events_sum 7`,
		`memberintel_webhook_batch_seconds_count 1`,
		`memberintel_webhook_latency_seconds_sum 0.03`,
		`memberintel_events_processed_total{class="customer.subscription",outcome="applied"} 1`,
		`memberintel_events_processed_total{class="other",outcome="ignored"} 2`,
		`memberintel_records_committed_total{pipeline="stripe",stream="customers"} 5`,
		`memberintel_api_requests_total{endpoint="/v1/customers",pipeline="stripe",status="200"} 1`,
		`memberintel_api_requests_total{endpoint="/v1/customers",pipeline="stripe",status="error"} 1`,
		`memberintel_api_request_seconds_count{pipeline="stripe"} 2`,
		`memberintel_runs_finished_total{mode="full",pipeline="stripe",status="succeeded"} 1`,
		`memberintel_run_seconds_sum{mode="full",pipeline="stripe"} 60`,
		`memberintel_refetch_queued_total{reason="tie"} 2`,
		`memberintel_refetch_done_total{outcome="applied"} 1`,
		`memberintel_quarantined_total{pipeline="stripe",stream="invoices"} 1`,
		`memberintel_drift_found_total{pipeline="stripe"} 3`,
		`memberintel_rate_limited_total{pipeline="stripe",reason="endpoint-rate"} 1`,
		`memberintel_rate_limited_total{pipeline="stripe",reason="other"} 1`,
		`memberintel_incidents_opened_total{pipeline="stripe",reason="failing"} 1`,
		`memberintel_mails_total{status="sent"} 2`,
		`memberintel_schedule_claimed_total{pipeline="stripe"} 1`,
		`memberintel_runs_waiting{state="ready"} 4`,
		`memberintel_runs_waiting{state="later"} 3`,
		`memberintel_runs_waiting{state="late"} 2`,
		`memberintel_connections_due 5`,
		`memberintel_connections_overdue_seconds 60`,
		`memberintel_run_slots{state="taken"} 6`,
		`memberintel_run_slots{state="cap"} 100`,
		`memberintel_run_faults_total{fault="unavailable",pipeline="stripe",status="failed"} 1`,
		`memberintel_run_retries_total{fault="unavailable",pipeline="stripe"} 1`,
		`go_goroutines `,
	} {
		if !strings.Contains(page, "\n"+line) {
			t.Errorf("no line %s", line)
		}
	}
}

func TestNoMetricsAreNoTrouble(t *testing.T) {
	useAll(nil)
	var m *telemetry.Metrics
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != 404 {
		t.Errorf("got %d", answer.Code)
	}
}

func TestLabelsAreBounded(t *testing.T) {
	m := telemetry.New()
	for i := range 1000 {
		m.APIRequest("stripe", fmt.Sprint("/v1/customers/cus_", i), i, 0)
		m.RateLimited("stripe", strings.Repeat("x", i))
	}
	page := scrape(t, m)
	if got := strings.Count(page, "memberintel_rate_limited_total{"); got > 70 {
		t.Errorf("%d reasons", got)
	}
	endpoints := map[string]bool{}
	for line := range strings.Lines(page) {
		if _, rest, ok := strings.Cut(line, `memberintel_api_requests_total{endpoint="`); ok {
			endpoint, _, _ := strings.Cut(rest, `"`)
			endpoints[endpoint] = true
		}
	}
	if len(endpoints) > 61 {
		t.Errorf("%d endpoints", len(endpoints))
	}
}

func TestALogLineKnowsItsTenantAndRun(t *testing.T) {
	var out bytes.Buffer
	log := telemetry.NewLogger(&out, slog.LevelInfo, true).With("pipeline", "stripe")
	id := uuid.New()
	ctx := telemetry.WithRun(telemetry.WithTenant(t.Context(), id), 42)
	log.DebugContext(ctx, "not shown")
	log.InfoContext(ctx, "run finished", "records", 3)
	var got map[string]any
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	delete(got, "time")
	want := map[string]any{"level": "INFO", "msg": "run finished", "pipeline": "stripe", "records": 3.0,
		"tenant_id": id.String(), "run_id": 42.0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	out.Reset()
	telemetry.NewLogger(&out, slog.LevelInfo, false).Info("plain")
	if line := out.String(); strings.Contains(line, "tenant_id") || !strings.Contains(line, "msg=plain") {
		t.Errorf("got %s", line)
	}
}
