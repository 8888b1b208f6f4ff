package page

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestStatusInEachState(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)
	before := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	connected := func(c Connection, runs ...Run) Status {
		return Status{Now: now, Refresh: 5, Tenants: []Tenant{{Name: "oak-hill", Plan: "pro", Connections: []Connection{c}, Runs: runs}}}
	}
	bannered := func(b Banner, c Connection) Status {
		s := connected(c)
		s.Tenants[0].Banners = []Banner{b}
		return s
	}
	full := connected(
		Connection{Name: "Stripe", Pipeline: "stripe", State: "connected", LastSuccess: before(2 * time.Hour), DataAsOf: before(3 * time.Second), NextAttempt: before(-22 * time.Hour)},
		Run{ID: 12, Platform: "stripe", Mode: "live", Status: "running", Started: now.Add(-time.Hour), Records: 1234},
		Run{ID: 11, Platform: "stripe", Mode: "full", Status: "succeeded", Started: now.Add(-2 * time.Hour), Took: "3.1s", Records: 43770},
	)
	full.Tenants[0].Members = []MemberCount{{"active", 1520}, {"none", 4}, {"past_due", 1}}
	full.Tenants[0].Subscriptions, full.Tenants[0].MRR = 1950, []Amount{{625917, "usd"}, {9000, "jpy"}}
	full.More = 3
	for name, view := range map[string]Status{
		"empty":      {Now: now, Refresh: 5},
		"away":       {Now: now, Refresh: 5, Problem: "The database does not answer; the operator's log has the details."},
		"unattached": {Now: now, Tenants: []Tenant{{Name: "oak-hill", Plan: "free"}}},
		"pending":    connected(Connection{Name: "Stripe", Pipeline: "stripe", State: "pending", Stale: true}),
		"connected":  full,
		"another_account": connected(Connection{
			Name: "Stripe", Pipeline: "stripe", State: "pending", Stale: true, Notes: []string{"512 rows of acct_1 in test mode are still here, from an earlier connection."},
		}),
		"degraded": connected(Connection{Name: "Stripe", Pipeline: "stripe", State: "degraded", Stale: true, LastSuccess: before(50 * time.Hour), DataAsOf: before(51 * time.Hour),
			LastError: "Not everything could be read: the key may not read Charges: Read.", Checklist: []string{"Open the key."}, Failures: 2},
			Run{ID: 3, Platform: "stripe", Mode: "incremental", Status: "partial", Started: now.Add(-time.Minute), Took: "1s",
				Problem: "Not everything could be read: the key may not read Charges: Read."}),
		"resting": connected(Connection{Name: "MemberPress", Pipeline: "memberpress", State: "paused", Paused: "The site did not work 5 times in a row, so it is left in peace until 09:45:00 UTC.",
			Since: before(time.Hour), LastSuccess: before(25 * time.Hour), DataAsOf: before(25 * time.Hour), LastError: "lakeside.example cannot be reached.",
			Checklist: []string{"Open the site in a browser."}, Failures: 2, NextAttempt: before(-15 * time.Minute), ResponseMS: 1250}),
		"info": bannered(Banner{Level: "info", Source: "Stripe", Sentence: "This work is stopped by the switch pipeline:stripe: Stripe is down", Since: now.Add(-50 * time.Hour)},
			Connection{Name: "Stripe", Pipeline: "stripe", State: "paused", Paused: "This work is stopped by the switch pipeline:stripe: Stripe is down", LastSuccess: before(72 * time.Hour), DataAsOf: before(72 * time.Hour), Stale: true}),
		"warning": bannered(Banner{Level: "warning", Source: "MemberPress", Sentence: "lakeside.example cannot be reached.", Since: now.Add(-2 * time.Hour),
			Checklist: []string{"Open the site in a browser.", "Ask whoever hosts it."}, Next: "memberintel goes on trying by itself."},
			Connection{Name: "MemberPress", Pipeline: "memberpress", State: "degraded", Since: before(2 * time.Hour), LastSuccess: before(26 * time.Hour), DataAsOf: before(26 * time.Hour), Failures: 3, ResponseMS: 300}),
		"alarm": bannered(Banner{Level: "alarm", Source: "Stripe", Sentence: "Stripe refuses this key.", Since: now.Add(-2 * time.Minute),
			Checklist: []string{"Make a new key."}, Next: "memberintel waits for you."},
			Connection{Name: "Stripe", Pipeline: "stripe", State: "failed", Since: before(2 * time.Minute), LastSuccess: before(24 * time.Hour), DataAsOf: before(24 * time.Hour), Failures: 1}),
		"failed":       connected(Connection{Name: "Stripe", Pipeline: "stripe", State: "failed", LastError: "Stripe refuses this key.", Checklist: []string{"Make a new key.", "Connect again."}, Failures: 1}),
		"paused":       connected(Connection{Name: "Stripe", Pipeline: "stripe", State: "paused", LastSuccess: before(time.Minute), DataAsOf: before(time.Minute)}),
		"disconnected": connected(Connection{Name: "Stripe", Pipeline: "stripe", State: "disconnected", LastError: "Disconnected on request."}),
	} {
		t.Run(name, func(t *testing.T) {
			pages, err := New()
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := pages.Status(&got, view); err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join("testdata", "status_"+name+".html"), got.String())
		})
	}
}

func TestStatusEscapesWhatOthersWrote(t *testing.T) {
	pages, err := New()
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	const hostile = `<script>alert(1)</script>"'`
	view := Status{Tenants: []Tenant{{Name: hostile, Plan: hostile, Connections: []Connection{{Name: hostile, State: hostile, Paused: hostile, LastError: hostile,
		Checklist: []string{hostile}, Notes: []string{hostile}}}, Runs: []Run{{Platform: hostile, Problem: hostile}},
		Banners: []Banner{{Level: hostile, Source: hostile, Sentence: hostile, Checklist: []string{hostile}, Next: hostile}}}}}
	if err := pages.Status(&got, view); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(got.String(), "&lt;script&gt;"); strings.Contains(got.String(), "<script") || n != 16 {
		t.Errorf("a name became markup, or is shown %d times:\n%s", n, got.String())
	}
}

func TestMoney(t *testing.T) {
	for _, test := range []struct {
		minor    int64
		currency string
		want     string
	}{
		{1200, "ugx", "UGX 12.00"},
		{0, "usd", "USD 0.00"}, {5, "usd", "USD 0.05"}, {123456789, "eur", "EUR 1,234,567.89"}, {-1250, "usd", "USD -12.50"},
		{1500, "jpy", "JPY 1,500"}, {1234, "kwd", "KWD 1.234"},
	} {
		if got := Money(test.minor, test.currency); got != test.want {
			t.Errorf("Money(%d, %q) = %q, want %q", test.minor, test.currency, got, test.want)
		}
	}
}

func TestAgo(t *testing.T) {
	now := time.Date(2026, 11, 2, 9, 30, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "just now", time.Second: "1 second ago", 90 * time.Second: "1 minute ago", 49 * time.Hour: "2 days ago", -time.Hour: "in 1 hour",
	} {
		if got := Ago(now, now.Add(-d)); got != want {
			t.Errorf("%v before now is %q, want %q", d, got, want)
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got); `make update` writes it anew:\n%s", path, diff)
	}
}
