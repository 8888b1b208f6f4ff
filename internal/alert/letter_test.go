package alert

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gomail "github.com/wneessen/go-mail"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestLetters(t *testing.T) {
	now := time.Date(2026, 3, 4, 14, 5, 30, 0, time.UTC)
	before := func(d time.Duration) *time.Time { at := now.Add(-d); return &at }
	text := func(s string) *string { return &s }
	broken := func(kind fault.Kind, sentence string, failures int) connection.Connection {
		c := connection.Connection{
			Pipeline: connection.Stripe, State: connection.Degraded, LastSuccessAt: before(26 * time.Hour), AwaitedSince: before(2 * time.Hour),
			LastError: text(sentence), LastErrorKind: text(string(kind)), ConsecutiveFailures: failures,
		}
		if kind == "" {
			c.LastErrorKind = nil
		}
		if kind == fault.Unauthorized {
			c.State = connection.Failed
		}
		return c
	}
	spent := broken(fault.Unavailable, "Stripe did not answer.", 10)
	spent.State = connection.Failed
	never := broken(fault.NotPermitted, "Not everything could be read: the key may not read Charges: Read.", 3)
	never.LastSuccessAt = nil
	parked := broken(fault.Unavailable, "lakeside.example shows a parking page instead of the site.", 3)
	parked.Pipeline, parked.LastErrorChecklist = connection.MemberPress, []string{"Look whether the domain has expired, and renew it."}
	away := broken(fault.Unavailable, "lakeside.example cannot be reached.", 3)
	away.Pipeline = connection.MemberPress
	locked := broken(fault.Unauthorized, "lakeside.example asks for a user name and a password.", 1)
	locked.Pipeline = connection.Website
	for name, one := range map[string]struct {
		reason Reason
		tenant string
		c      connection.Connection
	}{
		"unavailable":   {Failing, "Oak Hill", broken(fault.Unavailable, "Stripe did not answer.", 3)},
		"rate_limited":  {Failing, "Oak Hill", broken(fault.RateLimited, "Stripe asks for patience.", 3)},
		"schema":        {Failing, "Oak Hill", broken(fault.Schema, "3 objects have a shape that this version does not understand and were kept aside.", 4)},
		"not_permitted": {Failing, "Oak Hill", never},
		"unauthorized":  {Person, "Oak Hill", broken(fault.Unauthorized, "Stripe refuses this key.", 1)},
		"spent":         {Person, "Oak Hill", spent},
		"ours":          {Failing, "Oak Hill", broken("", fault.Sentence(errors.New("secret detail")), 3)},
		"parked":        {Failing, "Oak Hill", parked},
		"away":          {Failing, "Oak Hill", away},
		"locked":        {Person, "Oak Hill", locked},
		"overdue": {Overdue, "Oak Hill", connection.Connection{Pipeline: connection.Website, State: connection.Connected,
			LastSuccessAt: before(9 * 24 * time.Hour), AwaitedSince: before(48 * time.Hour)}},
		"hostile": {Failing, "<b>Oak</b>\r\nBcc: a@b.example\u202e & {{.URL}}", broken(fault.Unavailable, "<script>alert(1)</script>\nSINCE WHEN\nnever", 3)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := outageLetter(Incident{Reason: one.reason, Since: *one.c.AwaitedSince}, one.c, one.tenant, "anna@oakhill.example", "https://memberintel.example.org")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, got)
		})
	}
	t.Run("recovery", func(t *testing.T) {
		c := connection.Connection{Pipeline: connection.Stripe, State: connection.Connected, LastSuccessAt: &now}
		got, err := recoveryLetter(Incident{Since: *before(50 * time.Hour)}, c, "Oak Hill", "anna@oakhill.example", "https://memberintel.example.org")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "recovery", got)
	})
}

// golden compares both forms of a mail with testdata.
func golden(t *testing.T, name string, l letter) {
	t.Helper()
	for ending, got := range map[string]string{".txt": "To: " + l.recipient + "\nSubject: " + l.subject + "\n\n" + l.text, ".html": l.html} {
		if strings.ContainsAny(l.subject, "\r\n") || strings.Contains(got, "secret") {
			t.Errorf("%q: %s", l.subject, got)
		}
		file := filepath.Join("testdata", "mail_"+name+ending)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestOneLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                         "",
		"a \t b\r\n c\x00d\x1be":   "a b c d e",
		"\u2028a\u2029b\u202ec":    "a b c",
		"a\xffb":                   "ab",
		strings.Repeat("é", 30):    strings.Repeat("é", 19) + "…",
		strings.Repeat("a b ", 30): "a b a b a b a b a b…",
	} {
		if got := oneLine(text, 20); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestAPasswordTravelsUnderTLS(t *testing.T) {
	for url, want := range map[string]gomail.TLSPolicy{
		"smtp://alerts:hush@mail.example.org": gomail.TLSMandatory,
		"smtp://10.1.2.3":                     gomail.TLSOpportunistic,
		"smtp://alerts:hush@localhost":        gomail.NoTLS,
		"smtp://alerts:hush@127.0.0.2:25":     gomail.NoTLS,
		"smtp://[::1]:25":                     gomail.NoTLS,
	} {
		relay, err := NewRelay(url, "alerts@example.org")
		if err != nil || relay.policy() != want {
			t.Errorf("%s: %v, %v", url, relay.policy(), err)
		}
	}
}
