package app

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/sim/site"
	"memberintel/internal/syncrun"
)

// sicknesses are what the matrix goes through, in the order in which the page tells them.
func sicknesses() []course {
	return []course{
		{name: "It takes 30 s to answer", sick: takes(30 * time.Second)},
		{name: "It does not answer", sick: is(site.Hanging)},
		{name: "It answers a byte at a time", sick: is(site.Dripping)},
		{name: "It answers 504 through the proxy in front of it", sick: is(site.Gateway)},
		{name: "PHP breaks down (500)", sick: is(site.Fatal)},
		{name: "It answers 503 without a reason", sick: is(site.Unavailable)},
		{name: "It resets the connection", sick: is(site.Resetting)},
		{name: "The answer breaks off", sick: is(site.Truncated)},
		{name: "Something that is no web server answers", sick: is(site.Garbage)},
		{name: "It sends headers without end", sick: is(site.LongHeaders)},
		{name: "The answer unpacks without end", sick: is(site.Bomb)},
		{name: "Maintenance mode of WordPress", sick: is(site.Maintenance)},
		{name: "It asks for fewer requests (429)", sick: is(site.TooMany)},
		{name: "Cloudflare wants to see a browser", sick: is(site.Challenge)},
		{name: "Wordfence has blocked us", sick: is(site.Wordfence)},
		{name: "The host's ModSecurity refuses (406)", sick: is(site.ModSecurity)},
		{name: "A plugin keeps the REST interface for signed-in users (401)", sick: is(site.SignedIn)},
		{name: "The whole site has a password (401)", sick: is(site.Locked)},
		{name: "The plugin is switched off (404)", sick: is(site.Missing)},
		{name: "Another shape of data than was agreed", sick: is(site.Drifted)},
		{name: "JSON that breaks off", sick: is(site.GarbageJSON)},
		{name: "A coming-soon page for everybody (200)", sick: is(site.ComingSoon)},
		{name: "The domain is parked", sick: is(site.Parked)},
		{name: "The domain leads to a parking service", sick: is(site.ParkedAway)},
		{name: "The site leads to another host", sick: is(site.MovedAway)},
		{name: "WordPress is not set up", sick: is(site.NotInstalled)},
		{name: "It redirects in circles", sick: is(site.Looping)},
		{name: "The certificate has expired", sick: shows(expired)},
		{name: "The certificate is another site's", sick: shows(misnamed)},
		{name: "The certificate comes from nobody who is trusted", sick: shows(untrusted)},
		{name: "It does not speak TLS where it should", sick: shows(plainHTTP)},
		{name: "Nobody listens", sick: leadsTo("127.0.0.2")},
		{name: "The name does not exist", sick: isUnknown},
		{name: "The name leads to an inner address", sick: leadsTo("10.1.2.3")},
	}
}

// course is what becomes of one sickness.
type course struct {
	name string
	sick sickness

	kind, sentence string // after the first try
	checklist      []string
	tries, held    int // that asked, and that were held back
	requests       int32
	states         []connection.State // as shown from try to try, without repetitions
	mail           string             // its subject and when it came
	recovery       string
}

// patientTries is how often a site is tried that asks for patience again and again, which spends no attempt.
const patientTries = 12

// TestTheSickSiteMatrix plays each sickness to the whole program: a club that works, whose site falls sick before a
// regular turn, is tried until that is given up, and is well again before the turn after that.
func TestTheSickSiteMatrix(t *testing.T) {
	w, looks := newWard(t, care.Config{}), appearances(t)
	courses := sicknesses()
	for i := range courses {
		c := newClub(t, looks)
		w.admit(c, fmt.Sprintf("Club %d", i))
		w.next(c)
		if shown := w.shown(c); shown.State != connection.Connected || shown.ResponseMS == nil || *shown.ResponseMS != 1000 {
			t.Fatalf("%s: it does not begin well: %+v", courses[i].name, shown)
		}
		w.follow(c, &courses[i])
		w.as(c, func(tx *postgres.TenantTx) error {
			_, err := w.house.connections.Disconnect(t.Context(), tx, c.connection, "")
			return err
		})
	}
	goldenPage(t, "sick-sites.md", sickPage(courses))
}

func (w *ward) follow(c *patient, is *course) {
	t := w.t
	t.Helper()
	w.turn(c)
	is.sick(c)
	asked := c.asked.Load()
	for tried := 0; w.next(c); tried++ {
		shown := w.shown(c)
		if tried == 0 {
			is.kind, is.sentence, is.checklist = *w.stored(c).LastErrorKind, withoutPort(*shown.LastError), shown.Checklist
		}
		if len(is.states) == 0 || is.states[len(is.states)-1] != shown.State {
			is.states = append(is.states, shown.State)
		}
		is.tries = w.runs(c, syncrun.Failed) + w.runs(c, syncrun.Succeeded) - 1
		w.note(c, is, fmt.Sprintf("after try %d", is.tries))
		if is.kind == string(fault.RateLimited) && tried+1 == patientTries {
			w.pass(49 * time.Hour)
			w.tell()
			w.note(c, is, "after 48 h")
			break
		}
	}
	is.requests, is.held = c.asked.Load()-asked, w.runs(c, syncrun.Stopped)

	c.recovers()
	if shown := w.shown(c); shown.State == connection.Failed {
		w.turn(c)
	}
	for w.next(c) {
	}
	if shown := w.shown(c); shown.State != connection.Connected || shown.ConsecutiveFailures != 0 || shown.LastError != nil {
		t.Errorf("%s: when the site is well again: %+v", is.name, shown)
	}
	w.note(c, is, "")
	w.tell() // because looking again must change nothing
	mails := w.mails.to(c.email)
	if n := c.site.MostAtOnce(); n > 1 || len(mails) != 2 {
		t.Errorf("%s: %d requests at once, mails %v", is.name, n, mails)
	}
}

// note looks whether a mail came. That of the outage says what the status says.
func (w *ward) note(c *patient, is *course, when string) {
	w.t.Helper()
	mails := w.mails.to(c.email)
	about := func(m received) string {
		return strings.TrimPrefix(m.subject, m.subject[:strings.Index(m.subject, ": ")+2])
	}
	if len(mails) > 1 && is.recovery == "" {
		is.recovery = about(mails[1])
	}
	if len(mails) == 0 || is.mail != "" {
		return
	}
	is.mail = about(mails[0]) + ", " + when
	shown := w.shown(c)
	for _, want := range append([]string{*shown.LastError}, shown.Checklist...) {
		if !strings.Contains(mails[0].text, want) {
			w.t.Errorf("%s: the mail does not say %q:\n%s", is.name, want, mails[0].text)
		}
	}
}

func withoutPort(sentence string) string {
	return regexp.MustCompile(`(example):\d+`).ReplaceAllString(sentence, "$1")
}

func sickPage(courses []course) string {
	var b strings.Builder
	b.WriteString(`# What happens when a site is sick

This page is written by the sick-site matrix, a test that plays each sickness over real HTTPS to the whole program; ` + "`make update`" + ` writes it anew.

Each site had worked, answering within a second, and is sick when its regular turn comes. It is tried ten times in about a day, 1 min, 3 min, 9 min and so on up to 6 h apart, and not before
the time that the site named; where only a person helps, once. A try is held back while the site's breaker is open; that spends none of the ten. Where a site asks for patience nothing is
spent either: it is tried twelve times here, and then two days pass. In no case are two requests under way at once. "Shown" is what ` + "`memberintel status`" + ` and the pages say from try to try:
paused is a site that is left in peace. The owner gets one mail, and another one when the site is well again and the next try has succeeded. How timeouts, pages and breakers
follow a site is told in [spared-sites.md](spared-sites.md).

| The site | told as | tries | held back | requests | shown | mail to the owner | when it is well again |
| --- | --- | ---: | ---: | ---: | --- | --- | --- |
`)
	for _, c := range courses {
		states := make([]string, len(c.states))
		for i, s := range c.states {
			states[i] = string(s)
		}
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %s | %s | %s |\n", c.name, c.kind, c.tries, c.held, c.requests, strings.Join(states, ", "), c.mail, c.recovery)
	}
	b.WriteString("\n## What the owner is told\n")
	var seen []string
	for _, c := range courses {
		if slices.Contains(seen, c.sentence) {
			continue
		}
		seen = append(seen, c.sentence)
		fmt.Fprintf(&b, "\n**%s**\n\n", c.sentence)
		for _, step := range c.checklist {
			fmt.Fprintf(&b, "- %s\n", step)
		}
	}
	return b.String()
}

// goldenPage compares a page of docs with what happens.
func goldenPage(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("..", "..", "docs", name)
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
		t.Errorf("docs/%s is not what happens; look at the difference, then run `make update`:\n%s", name, diff)
	}
}
