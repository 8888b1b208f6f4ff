package schedule

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/syncrun"
	"memberintel/internal/telemetry"
	"memberintel/internal/tenant"
)

func TestTheMetricsTellHowTheScheduleStands(t *testing.T) {
	w := newWorld(t)
	w.ledger.Metrics, w.ledger.MaxRuns = telemetry.New(), 7
	set, now := w.settableClock(), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	set(now)
	sick := w.connect(connection.Stripe, tenant.Pro)
	w.pull = fails(fault.New(fault.Unavailable, "away"))
	w.request(sick, syncrun.Button, "") // its second try waits for a minute
	w.work()
	w.exec(`UPDATE connection SET next_sync_at = $1`, now.Add(-time.Hour))
	w.tick() // and is brought forward
	for range 2 {
		w.request(w.connect(connection.Website, tenant.Pro), syncrun.Button, "")
	}
	w.exec(`UPDATE sync_run SET not_before = $1 WHERE pipeline_type = 'website' AND run_id = (SELECT max(run_id) FROM sync_run)`, now.Add(time.Hour))
	w.exec(`UPDATE connection SET next_sync_at = $1 WHERE pipeline_type = 'website'`, now.Add(-90*time.Second))
	w.exec(`UPDATE run_slot SET token = 1, expires_at = now() + interval '1 hour' WHERE slot_id = 2`)
	w.exec(`UPDATE run_slot SET token = 2, expires_at = now() - interval '1 hour' WHERE slot_id = 3`) // its holder died
	set(now.Add(10 * time.Minute))
	if err := w.scheduler.observe(t.Context()); err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	w.ledger.Metrics.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{
		`memberintel_schedule_claimed_total{pipeline="stripe"} 1`,
		`memberintel_runs_waiting{state="ready"} 2`,
		`memberintel_runs_waiting{state="later"} 1`,
		`memberintel_runs_waiting{state="late"} 2`,
		`memberintel_connections_due 2`,
		`memberintel_connections_overdue_seconds 690`,
		`memberintel_run_slots{state="taken"} 1`,
		`memberintel_run_slots{state="cap"} 7`,
		`memberintel_run_faults_total{fault="unavailable",pipeline="stripe",status="failed"} 1`,
		`memberintel_run_retries_total{fault="unavailable",pipeline="stripe"} 1`,
	} {
		if !strings.Contains(answer.Body.String(), "\n"+line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}
