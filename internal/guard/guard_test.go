package guard_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/audit"
	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

type world struct {
	t      *testing.T
	db     *postgres.DB
	tenant tenant.ID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := pgtest.New(t)
	created, err := identity.CreateTenant(t.Context(), db, "Lakeside Tennis", tenant.Pro)
	if err != nil {
		t.Fatal(err)
	}
	return &world{t: t, db: db, tenant: created.ID}
}

func (w *world) on(name, reason string, lasting time.Duration) error {
	return w.db.OperatorTx(w.t.Context(), func(tx *postgres.OperatorTx) error {
		return guard.On(w.t.Context(), tx, name, reason, "olga", lasting)
	})
}

func (w *world) off(name string) (cleared bool) {
	w.t.Helper()
	err := w.db.OperatorTx(w.t.Context(), func(tx *postgres.OperatorTx) (err error) {
		cleared, err = guard.Off(w.t.Context(), tx, name, "olga")
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return cleared
}

func (w *world) list() (switches []guard.Switch) {
	w.t.Helper()
	err := w.db.OperatorTx(w.t.Context(), func(tx *postgres.OperatorTx) (err error) {
		switches, err = guard.List(w.t.Context(), tx)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return switches
}

func (w *world) thrown() (names []string) {
	w.t.Helper()
	err := w.db.ServiceTx(w.t.Context(), func(tx *postgres.ServiceTx) (err error) {
		names, err = guard.Thrown(w.t.Context(), tx)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return names
}

func (w *world) check(pipeline string, extra ...string) error {
	return w.db.TenantTx(w.t.Context(), w.tenant, func(tx *postgres.TenantTx) error {
		return guard.Check(w.t.Context(), tx, pipeline, extra...)
	})
}

func TestASwitchStopsWhatItNamesAndNothingElse(t *testing.T) {
	w := newWorld(t)
	for name, stops := range map[string][3]bool{ // stripe, memberpress, stripe's webhooks
		"all":                         {true, true, true},
		"pipeline:stripe":             {true, false, true},
		"pipeline:website":            {false, false, false},
		"subsystem:webhooks":          {false, false, true},
		"subsystem:mail":              {false, false, false},
		"tenant:" + w.tenant.String(): {true, true, true},
		"pipeline:memberpress":        {false, true, false},
	} {
		if err := w.on(name, "being repaired", 0); err != nil {
			t.Fatal(err)
		}
		for i, err := range []error{w.check("stripe"), w.check("memberpress"), w.check("stripe", guard.Webhooks)} {
			if got := fault.Is(err, fault.Stopped); got != stops[i] {
				t.Errorf("%s, question %d: got %v", name, i, err)
			}
			if stops[i] && !strings.Contains(fault.Sentence(err), "being repaired") {
				t.Errorf("no reason in %v", err)
			}
		}
		if !w.off(name) || w.off(name) {
			t.Errorf("%s: the first clearing changes something, the second nothing", name)
		}
	}
}

func TestAnotherTenantsSwitchStopsNobodyElse(t *testing.T) {
	w := newWorld(t)
	other, err := identity.CreateTenant(t.Context(), w.db, "Hillside", tenant.Pro)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.on("tenant:"+other.ID.String(), "asked for it", 0); err != nil {
		t.Fatal(err)
	}
	if err := w.check("stripe"); err != nil {
		t.Error(err)
	}
}

func TestASwitchEndsByItself(t *testing.T) {
	w := newWorld(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pgtest.SetNow(t, w.db, now)
	if err := w.on("all", "first", 0); err != nil {
		t.Fatal(err)
	}
	pgtest.SetNow(t, w.db, now.Add(time.Hour))
	if err := w.on("all", "second", 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	until := now.Add(3 * time.Hour)
	want := []guard.Switch{{Name: "all", On: true, Reason: "second", By: "olga", Since: now, ExpiresAt: &until}}
	if diff := cmp.Diff(want, w.list()); diff != "" {
		t.Error(diff)
	}
	if got := w.thrown(); len(got) != 1 || got[0] != "all" {
		t.Errorf("thrown %q", got)
	}
	var stopped *fault.Error
	if err := w.check("stripe"); !errors.As(err, &stopped) || stopped.RetryAfter != 2*time.Hour {
		t.Errorf("got %v", err)
	}
	pgtest.SetNow(t, w.db, until)
	if err := w.check("stripe"); err != nil {
		t.Error(err)
	}
	if got := w.thrown(); len(got) != 0 {
		t.Errorf("thrown %q", got)
	}
	want[0].On = false
	if diff := cmp.Diff(want, w.list()); diff != "" {
		t.Error(diff)
	}
	if err := w.on("all", "third", 0); err != nil {
		t.Fatal(err)
	}
	if got := w.list()[0]; !got.On || !got.Since.Equal(until) || got.ExpiresAt != nil {
		t.Errorf("got %+v", got)
	}
}

func TestOnlySwitchesThatStopSomethingCanBeThrown(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"", "All", "all:x", "pipeline:", "pipeline:Square", "pipeline:stripe ", "subsystem:x", "tenant:", "tenant:x",
		"tenant:00000000-0000-0000-0000-000000000000"} {
		if err := w.on(name, "r", 0); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v", name, err)
		}
	}
	if err := w.on("all", " ", 0); !fault.Is(err, fault.Invalid) {
		t.Errorf("without a reason: got %v", err)
	}
	if err := w.on("all", "r", -time.Second); !fault.Is(err, fault.Invalid) {
		t.Errorf("into the past: got %v", err)
	}
	if err := w.on("tenant:6f9619ff-8b86-d011-b42d-00c04fc964ff", "r", 0); !fault.Is(err, fault.NotFound) {
		t.Errorf("a tenant that is not there: got %v", err)
	}
	if got := w.list(); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

func TestEachThrowAndClearIsAudited(t *testing.T) {
	w := newWorld(t)
	mine := "tenant:" + w.tenant.String()
	for _, name := range []string{"all", mine} {
		if err := w.on(name, "repair", time.Hour); err != nil {
			t.Fatal(err)
		}
		w.off(name)
		w.off(name)
	}
	type row struct {
		Tenant                 tenant.ID
		Actor, Action, Subject string
	}
	var got []row
	rows, err := pgtest.Owner(t, w.db).Query(t.Context(), `SELECT tenant_id, actor, action, subject FROM audit_event ORDER BY audit_id`)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.Tenant, &r.Actor, &r.Action, &r.Subject); err != nil {
			t.Fatal(err)
		}
		got = append(got, r)
	}
	want := []row{
		{audit.Everyone(), "olga", "switch.on", "all"}, {audit.Everyone(), "olga", "switch.off", "all"},
		{w.tenant, "olga", "switch.on", mine}, {w.tenant, "olga", "switch.off", mine},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheProgramItselfCannotThrowASwitch(t *testing.T) {
	w := newWorld(t)
	err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) error {
		_, err := tx.Exec(t.Context(), `INSERT INTO switch (name, reason, thrown_by) VALUES ('all', 'r', 'x')`)
		return err
	})
	if err == nil {
		t.Error("the application role threw a switch")
	}
}
