package connection_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
)

func (w *world) ailing() (found []connection.Ailing) {
	w.t.Helper()
	w.service(func(ctx context.Context, tx *postgres.ServiceTx) (err error) {
		found, err = w.store.Ailing(ctx, tx, 3, 48*time.Hour)
		return err
	})
	return found
}

func TestWhatAilsIsFoundAcrossTenants(t *testing.T) {
	w := newWorld(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pgtest.SetNow(t, w.db, now)
	c := w.connect(stripe("acct_1", nil))
	found := func(needsPerson, failing bool) []connection.Ailing {
		return []connection.Ailing{{ConnectionID: c.ID, TenantID: c.TenantID, Pipeline: connection.Stripe, NeedsPerson: needsPerson, Failing: failing}}
	}
	expect := func(what string, want []connection.Ailing) {
		t.Helper()
		if diff := cmp.Diff(want, w.ailing()); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	expect("a new one", []connection.Ailing{})
	w.failed(c.ID, errors.New("x"), false, connection.Outcome{})
	w.failed(c.ID, errors.New("x"), false, connection.Outcome{})
	expect("two failures", []connection.Ailing{})
	w.failed(c.ID, fault.New(fault.RateLimited, "Patience."), false, connection.Outcome{})
	expect("two failures, and it was asked for patience", []connection.Ailing{})
	w.failed(c.ID, errors.New("x"), false, connection.Outcome{})
	expect("three failures", found(false, true))
	w.succeeded(c.ID, connection.Outcome{})
	expect("a success", []connection.Ailing{})
	w.failed(c.ID, fault.New(fault.Unauthorized, "No."), false, connection.Outcome{})
	expect("a refused credential", found(true, false))
	if got := w.get(); !got.NeedsPerson() {
		t.Errorf("got %+v", got)
	}
	w.connect(stripe("acct_1", nil))
	expect("connected again", []connection.Ailing{})
	pgtest.SetNow(t, w.db, now.Add(48*time.Hour))
	expect("nothing came of it for two days", found(false, false))
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
		_, err := w.store.Disconnect(ctx, tx, c.ID, "")
		return err
	})
	expect("disconnected", []connection.Ailing{})
}

func TestASuccessIsAwaitedFromWhenItWasDue(t *testing.T) {
	w := newWorld(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pgtest.SetNow(t, w.db, now)
	id := w.connect(stripe("acct_1", nil)).ID
	since := func(what string, want *time.Time) {
		t.Helper()
		if diff := cmp.Diff(want, w.get().DueSince()); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	await := func() {
		w.service(func(ctx context.Context, tx *postgres.ServiceTx) error { return w.store.Await(ctx, tx, id) })
	}
	at := func(hours int) *time.Time { at := now.Add(time.Duration(hours) * time.Hour); return &at }
	since("connected", at(0))
	w.succeeded(id, connection.Outcome{})
	since("not by the clock", nil)
	w.succeeded(id, connection.Outcome{NextSyncAt: at(24)})
	since("the next one lies ahead", at(24))

	pgtest.SetNow(t, w.db, now.Add(25*time.Hour))
	w.service(func(ctx context.Context, tx *postgres.ServiceTx) error {
		return w.store.SetDue(ctx, tx, []connection.ID{id}, []time.Time{*at(48)})
	})
	since("claimed an hour late, and moved on", at(24))
	await()
	w.failed(id, errors.New("x"), false, connection.Outcome{NextSyncAt: at(72)})
	since("it stays so over retries", at(24))
	w.succeeded(id, connection.Outcome{})
	since("a success ends it", at(72))
	await()
	since("asked for out of turn", at(25))
	w.succeeded(id, connection.Outcome{})
	w.failed(id, errors.New("x"), false, connection.Outcome{})
	since("an attempt that nobody asked for counts from itself", at(25))
}

func TestSupportLooksAcrossTenants(t *testing.T) {
	w := newWorld(t)
	c := w.connect(stripe("acct_1", nil))
	c = w.failed(c.ID, errors.New("relation gone"), false, connection.Outcome{})
	err := w.db.OperatorTx(t.Context(), func(tx *postgres.OperatorTx) error {
		got, err := w.store.Across(t.Context(), tx, []connection.ID{c.ID, {}})
		if diff := cmp.Diff(map[connection.ID]connection.Connection{c.ID: c}, got); diff != "" {
			t.Error(diff)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
