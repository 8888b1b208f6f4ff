// Package pipelinetest asks every pipeline the same five questions: is twice the same as once; does a crash
// anywhere, and going on after it, give the same rows; are another tenant's rows untouched; does a switch that is
// thrown stop it at its next Commit; are there tombstones only after a full pass. A pipeline's test fills in a
// Subject and calls Run.
//
// It knows nothing of a pipeline but the ledger and the warehouse that all of them share. A crash is played by the
// database: from one write on, every write of the process is refused, so that it leaves behind exactly what a killed
// one would.
package pipelinetest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// Subject is a pipeline under test.
type Subject struct {
	DB *postgres.DB // migrated, and the test's own: triggers are put on its tables
	// Connect makes a tenant that is connected to a source of its own. All sources have the same content under the
	// same ids, and do not change by themselves.
	Connect func(t *testing.T) Tenant
	// Crashes bounds how many places of a run are tried; 0 means all.
	Crashes int
	// Own is what the pipeline fills beside the canonical tables, nil for nothing.
	Own []Table
}

// Table is a table of a pipeline's own, in which rows are only added. Differ are the columns that may differ between two
// tenants with equal sources, beside the tenant's id.
type Table struct {
	Name   string
	Differ []string
}

// Tenant is one tenant with its source.
type Tenant struct {
	ID tenant.ID
	// Sync runs the pipeline in a process of its own, of which nothing is in memory before or after. A process that
	// died before it is long gone: its leases have run out.
	Sync func(ctx context.Context, full bool) error
	// Change makes something new, changes something and deletes something at the source, in the same way for each.
	Change func()
	// Lose makes the source lose a record without a word, so that only a full pass can find out. Nil: the pipeline buries
	// nothing, and what it has written must stand for ever.
	Lose func()
	// Break lets a full pass fail somewhere in its middle until restore is called.
	Break func() (restore func())
}

// Run asks the five questions.
func Run(t *testing.T, s Subject) {
	h := newHarness(t, s.DB)
	h.own = s.Own
	bystander := s.Connect(t)
	must(t, bystander.Sync(t.Context(), true))
	before := h.everything(t, bystander.ID)
	t.Run("twice is once", func(t *testing.T) { twiceIsOnce(t, h, s) })
	t.Run("a crash anywhere", func(t *testing.T) { crashAnywhere(t, h, s) })
	t.Run("a switch stops it at the next commit", func(t *testing.T) { switchStops(t, h, s) })
	t.Run("tombstones only after a full pass", func(t *testing.T) {
		if bystander.Lose == nil {
			whatIsWrittenStays(t, h, s)
			return
		}
		tombstones(t, h, s)
	})
	t.Run("another tenant's rows are untouched", func(t *testing.T) {
		if diff := cmp.Diff(before, h.everything(t, bystander.ID)); diff != "" {
			t.Errorf("the rows of a tenant who did nothing (-before +after):\n%s", diff)
		}
	})
}

func twiceIsOnce(t *testing.T, h *harness, s Subject) {
	a := s.Connect(t)
	must(t, a.Sync(t.Context(), true))
	once := h.rows(t, a.ID)
	if len(once) == 0 {
		t.Fatal("a sync brought nothing")
	}
	for _, full := range []bool{true, false} {
		must(t, a.Sync(t.Context(), full))
		if diff := cmp.Diff(once, h.rows(t, a.ID)); diff != "" {
			t.Errorf("after another sync, full %t (-once +twice):\n%s", full, diff)
		}
	}
}

// crashAnywhere lets a first and a second sync die at each of their writes, and compares what stands after they went
// on with what a tenant has who was never disturbed.
func crashAnywhere(t *testing.T, h *harness, s Subject) {
	calm := s.Connect(t)
	h.arm(t, 0, "")
	must(t, calm.Sync(t.Context(), true))
	steps := h.steps(t)
	first := h.rows(t, calm.ID)
	calm.Change()
	must(t, calm.Sync(t.Context(), false))
	second := h.rows(t, calm.ID)
	stride := 1
	if s.Crashes > 0 {
		stride = max(1, (int(steps)+s.Crashes-1)/s.Crashes)
	}
	for step := int64(1); step <= steps; step += int64(stride) {
		a := s.Connect(t)
		compare := func(sync string, want []string) {
			t.Helper()
			if diff := cmp.Diff(want, h.rows(t, a.ID)); diff != "" {
				t.Fatalf("the %s sync died at write %d of %d and went on (-undisturbed +here):\n%s", sync, step, steps, diff)
			}
		}
		crash(t, h, a, step, true)
		compare("first", first)
		a.Change()
		crash(t, h, a, step, false)
		compare("second", second)
	}
}

// crash lets a sync die at a write, and then go on.
func crash(t *testing.T, h *harness, a Tenant, step int64, full bool) {
	t.Helper()
	h.arm(t, step, "")
	err := a.Sync(t.Context(), full)
	died := h.steps(t) >= step
	h.arm(t, 0, "")
	if died && err == nil {
		t.Errorf("a sync whose writes failed from %d on claims success", step)
	}
	must(t, a.Sync(t.Context(), full))
}

func switchStops(t *testing.T, h *harness, s Subject) {
	calm := s.Connect(t)
	h.arm(t, 0, "")
	must(t, calm.Sync(t.Context(), true))
	total, want := h.commits(t, calm.ID), h.rows(t, calm.ID)
	for _, name := range []string{guard.All, "tenant:"} {
		a := s.Connect(t)
		if name == "tenant:" {
			name += a.ID.String()
		}
		h.arm(t, 0, name) // thrown in the middle of the first commit
		err := a.Sync(t.Context(), true)
		if !fault.Is(err, fault.Stopped) {
			t.Errorf("%s: the sync ended with %v, want that it was stopped", name, err)
		}
		if n := h.commits(t, a.ID); n >= total {
			t.Errorf("%s: %d commits under the switch, of %d", name, n, total)
		}
		h.arm(t, 0, "")
		h.clear(t)
		must(t, a.Sync(t.Context(), true))
		if diff := cmp.Diff(want, h.rows(t, a.ID)); diff != "" {
			t.Errorf("%s was cleared, and the sync went on (-undisturbed +here):\n%s", name, diff)
		}
	}
}

func tombstones(t *testing.T, h *harness, s Subject) {
	a := s.Connect(t)
	must(t, a.Sync(t.Context(), true))
	gone := h.tombstones(t, a.ID)
	a.Lose()
	must(t, a.Sync(t.Context(), false))
	if n := h.tombstones(t, a.ID); n != gone {
		t.Errorf("a sync that reads what changed buried %d rows", n-gone)
	}
	restore := a.Break()
	if err := a.Sync(t.Context(), true); err == nil {
		t.Error("a pass over a broken source claims success")
	}
	if n := h.tombstones(t, a.ID); n != gone {
		t.Errorf("a pass that was not whole buried %d rows", n-gone)
	}
	restore()
	must(t, a.Sync(t.Context(), true))
	if n := h.tombstones(t, a.ID); n <= gone {
		t.Error("a full pass did not bury what the source has lost")
	}
}

// whatIsWrittenStays asks a pipeline that buries nothing whether its rows outlive changes and a source that breaks down.
func whatIsWrittenStays(t *testing.T, h *harness, s Subject) {
	a := s.Connect(t)
	must(t, a.Sync(t.Context(), true))
	written := h.rows(t, a.ID)
	a.Change()
	must(t, a.Sync(t.Context(), false))
	restore := a.Break()
	if err := a.Sync(t.Context(), true); err == nil {
		t.Error("a pass over a broken source claims success")
	}
	restore()
	must(t, a.Sync(t.Context(), true))
	now := h.rows(t, a.ID)
	for _, row := range written {
		if !slices.Contains(now, row) {
			t.Errorf("a row is gone or was changed: %s", row)
		}
	}
	if n := h.tombstones(t, a.ID); n != 0 {
		t.Errorf("%d tombstones", n)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(fmt.Errorf("sync: %w", err))
	}
}
