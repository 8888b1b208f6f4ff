package connection_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
)

func (w *world) failed(id connection.ID, failure error, partial bool, o connection.Outcome) connection.Connection {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
		return w.store.Failed(ctx, tx, id, failure, partial, o)
	})
	return w.get()
}

func (w *world) succeeded(id connection.ID, o connection.Outcome) connection.Connection {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error { return w.store.Succeeded(ctx, tx, id, o) })
	return w.get()
}

func TestAFailureDegradesAndASuccessHeals(t *testing.T) {
	w := newWorld(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	pgtest.SetNow(t, w.db, now)
	id := w.connect(stripe("acct_1", nil)).ID
	next := now.Add(time.Hour)

	outage := fault.Wrap(fault.Unavailable, errors.New("503 with \x00 in it"), "Stripe did not answer.")
	w.failed(id, outage, false, connection.Outcome{})
	got := w.failed(id, outage, false, connection.Outcome{ResponseMS: 900, NextSyncAt: &next, NotPermitted: []string{"refunds"}})
	if got.State != connection.Degraded || got.ConsecutiveFailures != 2 || *got.LastError != "Stripe did not answer." ||
		*got.LastErrorKind != "unavailable" || *got.LastErrorCause != "Stripe did not answer. (503 with  in it)" ||
		!got.LastAttemptAt.Equal(now) || got.LastSuccessAt != nil || !got.NextSyncAt.Equal(next) || *got.ResponseMS != 900 {
		t.Errorf("got %+v", got)
	}
	if len(got.NotPermitted) != 0 {
		t.Errorf("an attempt that broke off knows nothing of all streams: %v", got.NotPermitted)
	}

	got = w.failed(id, fault.New(fault.NotPermitted, "The key may not read refunds."), true,
		connection.Outcome{NotPermitted: []string{"refunds"}, MappingVersion: 3})
	if diff := cmp.Diff([]string{"refunds"}, got.NotPermitted); diff != "" || got.MappingVersion != 3 || got.State != connection.Degraded {
		t.Errorf("got %+v", got)
	}

	got = w.succeeded(id, connection.Outcome{})
	if got.State != connection.Connected || got.ConsecutiveFailures != 0 || got.LastError != nil || got.LastErrorKind != nil ||
		got.LastErrorCause != nil || !got.LastSuccessAt.Equal(now) || len(got.NotPermitted) != 0 || got.MappingVersion != 3 ||
		!got.NextSyncAt.Equal(next) || *got.ResponseMS != 900 {
		t.Errorf("got %+v", got)
	}
}

func TestARefusedCredentialFailsAtOnceUntilANewOneComes(t *testing.T) {
	w := newWorld(t)
	c := w.connect(stripe("acct_1", map[string]string{"api_key": "rk_1"}))
	got := w.failed(c.ID, fault.New(fault.Unauthorized, "Stripe refuses the key."), false, connection.Outcome{})
	if got.State != connection.Failed {
		t.Errorf("got %+v", got)
	}
	got = w.connect(stripe("acct_1", map[string]string{"api_key": "rk_2"}))
	if got.State != connection.Pending || got.LastError != nil || got.ConsecutiveFailures != 0 || !got.ConnectedAt.After(c.ConnectedAt) {
		t.Errorf("got %+v", got)
	}
}

func TestTheChecklistIsTheErrorsOwnOrThatOfItsKind(t *testing.T) {
	w := newWorld(t)
	id := w.connect(stripe("acct_1", nil)).ID
	parked := fault.New(fault.Unavailable, "lakeside.example shows a parking page.")
	parked.Checklist = []string{"Renew the domain."}
	for _, c := range []struct {
		failure error
		want    []string
	}{
		{parked, parked.Checklist}, {fault.New(fault.Unavailable, "Stripe has trouble."), connection.Stripe.Checklist(fault.Unavailable)},
		{fmt.Errorf("run: %w", parked), parked.Checklist}, {errors.New("ours"), []string{}},
	} {
		if diff := cmp.Diff(c.want, w.failed(id, c.failure, false, connection.Outcome{}).Checklist()); diff != "" {
			t.Errorf("%v: %s", c.failure, diff)
		}
	}
	w.failed(id, parked, false, connection.Outcome{})
	if got := w.succeeded(id, connection.Outcome{}); len(got.Checklist()) != 0 {
		t.Errorf("after a success: %v", got.Checklist())
	}
}

func TestAChecklistSpeaksOfItsOwnSource(t *testing.T) {
	kinds := []fault.Kind{fault.Unauthorized, fault.NotPermitted, fault.NotFound, fault.Schema, fault.Unavailable, fault.RateLimited, fault.Invalid,
		fault.Drift, fault.Stopped, fault.Busy, ""}
	foreign := map[connection.Pipeline][]string{
		connection.Stripe:      {"WordPress", "plugin", "hosts"},
		connection.MemberPress: {"Stripe", "restricted key"},
		connection.Website:     {"Stripe", "restricted key", "WordPress", "plugin is"},
		"":                     {"Stripe", "WordPress", "site"},
	}
	for p, words := range foreign {
		for _, kind := range kinds {
			steps := p.Checklist(kind)
			if site := p == connection.MemberPress || p == connection.Website; steps == nil || site && len(steps) == 0 && kind != fault.Busy && kind != "" {
				t.Errorf("%s has no list for %s: %v", p, kind, steps)
			}
			for _, word := range words {
				if text := strings.Join(steps, "\n"); strings.Contains(text, word) {
					t.Errorf("%s, %s speaks of %s:\n%s", p, kind, word, text)
				}
			}
		}
	}
}

func TestAnErrorOfOurOwnIsNotShownToTheCustomer(t *testing.T) {
	w := newWorld(t)
	id := w.connect(stripe("acct_1", nil)).ID
	got := w.failed(id, errors.New("relation gone"), false, connection.Outcome{})
	if *got.LastError != fault.Sentence(errors.New("x")) || got.LastErrorKind != nil || *got.LastErrorCause != "relation gone" {
		t.Errorf("got %+v", got)
	}
}

func TestAPausedConnectionStaysPaused(t *testing.T) {
	w := newWorld(t)
	id := w.connect(stripe("acct_1", nil)).ID
	if _, err := pgtest.Owner(t, w.db).Exec(t.Context(), `UPDATE connection SET state = 'paused'`); err != nil {
		t.Fatal(err)
	}
	if got := w.succeeded(id, connection.Outcome{}); got.State != connection.Paused || got.LastSuccessAt == nil {
		t.Errorf("got %+v", got)
	}
	if got := w.failed(id, errors.New("x"), false, connection.Outcome{}); got.State != connection.Paused || got.ConsecutiveFailures != 1 {
		t.Errorf("got %+v", got)
	}
}
