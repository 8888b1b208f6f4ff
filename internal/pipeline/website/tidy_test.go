package website

import (
	"context"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/sim/claude"
	sim "memberintel/internal/sim/website"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// tidy returns of how many tenants something was dropped.
func (s *street) tidy() int {
	s.t.Helper()
	s.restart()
	n, err := Tidier{Pipeline: s.p}.Tidy(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func TestWordsOfASiteThatNobodyReadsAreDroppedInTime(t *testing.T) {
	const day = 24 * time.Hour
	s := newStreet(t, claude.Config{})
	gone, read, held := s.club(sim.Lakeside, tenant.Pro), s.club(sim.Hafen, tenant.Pro), s.club(sim.Hillside, tenant.Free)
	s.well(gone)
	s.well(read)
	s.well(held)
	if _, err := s.p.Disconnect(t.Context(), gone.TenantID, "test"); err != nil {
		t.Fatal(err)
	}
	// An answer comes for a connection that an operator holds.
	s.pass(7 * day)
	s.world.SetWeek(6)
	if _, err := s.queued(held, syncrun.Scheduled, 1, nil); err != nil {
		t.Fatal(err)
	}
	s.exec(`UPDATE connection SET state = 'paused' WHERE connection_id = $1`, held.ID)
	courier := Courier{Pipeline: s.p, Arrived: func(context.Context, connection.ID) error { return nil }}
	for range 2 {
		if _, err := courier.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.pass(20 * time.Minute)
	}
	kept := func(c connection.Connection) int64 {
		return s.count(`SELECT (SELECT count(*) FROM fetch_snapshot WHERE tenant_id = $1) + (SELECT count(*) FROM page_snapshot WHERE tenant_id = $1)
			+ (SELECT count(*) FROM site_text WHERE tenant_id = $1) + (SELECT count(*) FROM llm_question WHERE tenant_id = $1)`, c.TenantID)
	}
	s.pass(82 * day)
	s.well(read)
	if n := s.tidy(); n != 0 || kept(gone) == 0 {
		t.Errorf("after 89 days words of %d tenants were dropped, and %d rows are left", n, kept(gone))
	}
	s.pass(2 * day)
	if n := s.tidy(); n != 2 || kept(gone) != 0 || kept(held) == 0 { // of the site that is held the text of the first day
		t.Errorf("after 91 days words of %d tenants were dropped, and %d rows of the disconnected site are left", n, kept(gone))
	}
	s.pass(7 * day)
	if n := s.tidy(); n != 1 || kept(held) != 0 {
		t.Errorf("words of %d tenants were dropped, and %d rows of the site that is held are left", n, kept(held))
	}
	if kept(read) == 0 {
		t.Error("words of a site that is read are gone")
	}
	if n := s.tidy(); n != 0 {
		t.Errorf("there is more to drop, of %d tenants", n)
	}
	if n := s.count(`SELECT count(*) FROM customer_brain.site_profile WHERE tenant_id = $1`, gone.TenantID); n != 1 {
		t.Errorf("%d profiles are left, want the one that there was", n)
	}

	// Whoever comes back is read anew, and what nobody remembers is no change.
	s.world.SetWeek(1)
	if _, _, err := s.p.Connect(t.Context(), ConnectRequest{Tenant: gone.TenantID, Actor: "test", URL: s.address(sim.Lakeside)}); err != nil {
		t.Fatal(err)
	}
	back := s.well(gone)
	if back.Profile.Version != 2 || told(back.Profile, fieldPrices) || told(back.Profile, fieldHeadline) || told(back.Profile, fieldPages) {
		t.Errorf("connected again: %+v", back.Profile)
	}
	s.balanced()
}
