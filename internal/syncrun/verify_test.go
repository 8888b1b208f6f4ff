package syncrun_test

import (
	"testing"

	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

func TestAVerificationThatDiedIsClosedByTheNext(t *testing.T) {
	w := newWorld(t, tenant.Pro)
	dead, _ := w.begin(syncrun.Verify)
	alive, _ := w.begin(syncrun.Verify)
	w.expire(dead)
	full, _ := w.begin(syncrun.Full)
	w.begin(syncrun.Verify)
	for id, want := range map[int64]string{
		dead.ID: "failed The program ended before this run did.", alive.ID: "running ", full.ID: "running ",
	} {
		if got := w.text(`SELECT status || ' ' || coalesce(error_message, '') FROM sync_run WHERE run_id = $1`, id); got != want {
			t.Errorf("run %d is %q, want %q", id, got, want)
		}
	}
	if n := w.text(`SELECT count(*)::text FROM sync_run WHERE run_id = $1 AND finished_at IS NOT NULL`, dead.ID); n != "1" {
		t.Error("the dead one has no end")
	}
}
