package website

import (
	"context"
	"testing"

	"memberintel/internal/pipeline/pipelinetest"
	"memberintel/internal/sim/claude"
	"memberintel/internal/sim/site"
	sim "memberintel/internal/sim/website"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// The five questions. Each tenant has a world of its own, so that one site's change is not another's.
func TestWhatEveryPipelineIsAsked(t *testing.T) {
	first := newStreet(t, claude.Config{})
	pipelinetest.Run(t, pipelinetest.Subject{
		DB: first.db, Crashes: 25,
		Own: []pipelinetest.Table{{Name: "customer_brain.site_profile", Differ: []string{"created_at", "connection_id", "run_id", "snapshot_id", "call_id", "text_hash"}}},
		Connect: func(t *testing.T) pipelinetest.Tenant {
			s := first.neighbour(t)
			c := s.club(sim.Lakeside, tenant.Pro)
			return pipelinetest.Tenant{
				ID: c.TenantID,
				Sync: func(ctx context.Context, full bool) error {
					s.forget()
					s.restart()
					mode := syncrun.Incremental
					if full {
						mode = syncrun.Full
					}
					_, err := s.p.Sync(ctx, s.current(c), mode, nil)
					return err
				},
				Change: func() { s.world.SetWeek(3) },
				Break: func() func() {
					s.world.Site(sim.Lakeside).Be(site.Gateway)
					return func() { s.world.Site(sim.Lakeside).Be(site.Healthy) }
				},
			}
		},
	})
	if n := first.count(`SELECT count(*) FROM (SELECT 1 FROM llm_call GROUP BY analysis_id, stage HAVING count(*) > 2) AS often`); n != 0 {
		t.Errorf("%d analyses had more than two calls", n)
	}
	if n := first.count(`SELECT count(*) FROM llm_call WHERE status = 'settled' AND cost > reserved`); n != 0 {
		t.Errorf("%d calls cost more than was reserved", n)
	}
	first.balanced()
}

// forget lets the leases and permits of a process that died run out.
func (s *street) forget() {
	s.t.Helper()
	for _, sql := range []string{
		`UPDATE sync_run SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE lease_expires_at IS NOT NULL`,
		`UPDATE run_slot SET expires_at = clock_timestamp() - interval '1 second'`,
		`UPDATE site_pace SET holder = NULL, held_until = NULL, quiet_until = NULL`,
	} {
		if _, err := s.owner.Exec(s.t.Context(), sql); err != nil {
			s.t.Fatal(err)
		}
	}
}

// balanced compares the spend rows with the calls that they add up.
func (s *street) balanced() {
	s.t.Helper()
	for _, sql := range []string{
		`SELECT ((SELECT coalesce(sum(cost), 0) FROM llm_call) - (SELECT coalesce(sum(settled + overrun), 0) FROM spend_total WHERE period = 'month'))::bigint`,
		`SELECT ((SELECT coalesce(sum(cost), 0) FROM llm_call) - (SELECT coalesce(sum(settled + overrun), 0) FROM spend_total WHERE period = 'day'))::bigint`,
		`SELECT ((SELECT coalesce(sum(cost), 0) FROM llm_call) - (SELECT coalesce(sum(settled + overrun), 0) FROM spend_tenant))::bigint`,
		`SELECT ((SELECT coalesce(sum(reserved), 0) FROM llm_call WHERE status = 'reserved') - (SELECT coalesce(sum(reserved), 0) FROM spend_tenant))::bigint`,
	} {
		if off := s.count(sql); off != 0 {
			s.t.Errorf("the ledger is off by %d: %s", off, sql)
		}
	}
}
