package app

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/alert"
	"memberintel/internal/connection"
	"memberintel/internal/tenant"
)

func shownStatus(now time.Time) statusView {
	before := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	text := func(s string) *string { return &s }
	ms := 240
	refused := "Stripe refuses this key."
	resting := "The site did not work 5 times in a row, so it is left in peace until 09:45:00 UTC."
	lakeside := connection.ID{1}
	return statusView{
		Summary: map[connection.State]int{connection.Failed: 1, connection.Paused: 1, connection.Connected: 1},
		Tenants: []tenantStatus{
			{TenantID: tenant.ID{1}, Name: "oak-hill", Plan: tenant.Pro, Connections: []connectionStatus{
				{PipelineType: connection.MemberPress, State: connection.Connected, LastSuccessAt: before(2 * time.Hour), DataAsOf: before(2 * time.Hour), NextAttemptAt: before(-22 * time.Hour),
					ResponseMS: &ms},
				{PipelineType: connection.Website, State: connection.Paused, PausedBecause: &resting, Since: before(3 * time.Hour), LastError: text("oak-hill.example cannot be reached."),
					Checklist: []string{"Open the site in a browser."}, ConsecutiveFailures: 2, NextAttemptAt: before(-15 * time.Minute), Stale: true},
			}},
			{TenantID: tenant.ID{2}, Name: "birch-lane", Plan: tenant.Free},
			{TenantID: tenant.ID{3}, Name: "lakeside", Plan: tenant.Free, Connections: []connectionStatus{
				{ConnectionID: lakeside, PipelineType: connection.Stripe, State: connection.Failed, Since: before(48 * time.Hour), LastError: &refused, Checklist: []string{"Make a new key."},
					LastSuccessAt: before(72 * time.Hour), DataAsOf: before(72 * time.Hour), ConsecutiveFailures: 1},
			}, Banners: []bannerStatus{{lakeside, connection.Stripe, alert.Alarm, refused, *before(48 * time.Hour), []string{"Make a new key."}, "memberintel waits for you."}}},
		},
		supportView: &supportView{
			Support: []troubleStatus{{
				Name: "lakeside", Plan: tenant.Free, PipelineType: connection.Stripe, Reason: alert.Person, Since: *before(48 * time.Hour), Sentence: refused, Cause: text("401"),
				Mails: []mailStatus{{About: "outage", Recipient: "anna@lakeside.example", Status: "waiting", LastError: text("connection refused")}},
			}},
			Mails:  backlogStatus{1, before(47 * time.Hour)},
			Budget: []alarmStatus{{"spend", "day 80", "80% of the cap of the day: $80.01 of $100.00 spent or promised", *before(time.Hour)}},
		},
	}
}

const wantStatus = `3 connections: 1 failed, 1 paused, 1 connected.

Support list, 1 outage, the longest first
  lakeside (free), Stripe, since 2026-10-31 09:30:00 UTC (2 days ago): Stripe refuses this key.
    cause: 401
    mail to anna@lakeside.example: waiting, connection refused

Budget for Claude, 1 alarm in seven days, the newest first
  2026-11-02 08:30:00 UTC (1 hour ago): 80% of the cap of the day: $80.01 of $100.00 spent or promised

1 mail waiting, the oldest since 2026-10-31 10:30:00 UTC (1 day ago).

lakeside, plan free, 03000000-0000-0000-0000-000000000000
  Stripe: failed since 2026-10-31 09:30:00 UTC (2 days ago)
    Stripe refuses this key.
    - Make a new key.
    memberintel waits for you.
    data as of 2026-10-30 09:30:00 UTC (3 days ago), last success 2026-10-30 09:30:00 UTC (3 days ago), 1 failure in a row

oak-hill, plan pro, 01000000-0000-0000-0000-000000000000
  website: paused since 2026-11-02 06:30:00 UTC (3 hours ago)
    The site did not work 5 times in a row, so it is left in peace until 09:45:00 UTC.
    oak-hill.example cannot be reached.
    - Open the site in a browser.
    no data yet, 2 failures in a row, next attempt 2026-11-02 09:45:00 UTC (in 15 minutes)
  MemberPress: connected
    data as of 2026-11-02 07:30:00 UTC (2 hours ago), last success 2026-11-02 07:30:00 UTC (2 hours ago), next attempt 2026-11-03 07:30:00 UTC (in 22 hours), usually answers in 240 ms

birch-lane, plan free, 02000000-0000-0000-0000-000000000000
  Nothing is connected yet; ` + "`memberintel connect stripe`, `connect memberpress` and `connect website`" + ` do it, with --tenant birch-lane.
`

func TestStatusSaysTheWorstFirst(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)
	var plain, coloured bytes.Buffer
	statusText{w: &plain, now: now}.write(shownStatus(now))
	if diff := cmp.Diff(wantStatus, plain.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	statusText{w: &coloured, now: now, paint: palette{on: true}}.write(shownStatus(now))
	for _, want := range []string{"\x1b[1;31m1 failed\x1b[0m", "\x1b[33m1 paused\x1b[0m", "\x1b[32mconnected\x1b[0m", "\x1b[1;31mStripe refuses this key.\x1b[0m"} {
		if !strings.Contains(coloured.String(), want) {
			t.Errorf("%q is not in %q", want, coloured.String())
		}
	}
}

func TestStatusOfNothing(t *testing.T) {
	for want, view := range map[string]statusView{
		"There are no tenants; add one with `memberintel tenant create --name NAME`.\n": {supportView: &supportView{}},
		"No connections yet.\n": {Tenants: []tenantStatus{{Name: "club"}}},
	} {
		var got bytes.Buffer
		statusText{w: &got}.write(view)
		if !strings.HasPrefix(got.String(), want) {
			t.Errorf("got %q, want %q", got.String(), want)
		}
	}
}

func TestTheCauseForSupportDoesNotRepeatTheSentence(t *testing.T) {
	const sentence = "Stripe could not be reached."
	for cause, want := range map[string]string{
		sentence: "", sentence + " (dial tcp: refused)": "dial tcp: refused", sentence + " (get (twice))": "get (twice)", "401": "401", "": "",
	} {
		told := troubleOf(alert.Trouble{Connection: connection.Connection{LastError: new(sentence), LastErrorCause: &cause}})
		if got := told.Cause; (got == nil) != (want == "") || got != nil && *got != want {
			t.Errorf("of %q is told %v, want %q", cause, got, want)
		}
	}
}

// What others wrote cannot move the cursor, colour the screen or begin a line of its own.
func TestStatusShowsNothingThatATerminalObeys(t *testing.T) {
	const hostile = "x\x1b]0;owned\a\x1b[2J\r\nOK\u202e"
	text := hostile
	view := statusView{Tenants: []tenantStatus{{Name: hostile, Connections: []connectionStatus{
		{State: connection.Failed, PausedBecause: &text, LastError: &text, Checklist: []string{hostile}},
		{State: connection.Failed, ConnectionID: connection.ID{1}},
	}, Banners: []bannerStatus{{ConnectionID: connection.ID{1}, Sentence: hostile, Checklist: []string{hostile}, Next: hostile}}}}, supportView: &supportView{
		Support: []troubleStatus{{Name: hostile, Sentence: hostile, Cause: &text, Mails: []mailStatus{{Recipient: hostile, LastError: &text}}}},
	}}
	var got bytes.Buffer
	statusText{w: &got}.write(view)
	if strings.ContainsAny(got.String(), "\x1b\a\r\u202e") || strings.Contains(got.String(), "\nOK") {
		t.Errorf("got %q", got.String())
	}
}
