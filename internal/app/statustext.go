package app

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"memberintel/internal/alert"
	"memberintel/internal/connection"
	"memberintel/internal/page"
)

// statusText writes the status for people: a line that says how it is, what support is to look at, and then the
// tenants, those with the worst connection first.
type statusText struct {
	w     io.Writer
	paint palette
	now   time.Time
}

// worstFirst are the states of connections in the order in which somebody has to look at them.
func worstFirst() []connection.State {
	return []connection.State{connection.Failed, connection.Degraded, connection.Paused, connection.Pending, connection.Connected, connection.Disconnected}
}

func rank(s connection.State) int { return slices.Index(worstFirst(), s) }

func (s statusText) write(view statusView) {
	s.summary(view)
	if view.supportView != nil {
		s.support(*view.supportView)
	}
	tenants := slices.Clone(view.Tenants)
	for i := range tenants {
		tenants[i].Connections = slices.Clone(tenants[i].Connections)
		slices.SortStableFunc(tenants[i].Connections, func(a, b connectionStatus) int { return cmp.Compare(rank(a.State), rank(b.State)) })
	}
	slices.SortStableFunc(tenants, func(a, b tenantStatus) int { return cmp.Compare(a.worst(), b.worst()) })
	for _, t := range tenants {
		s.say("\n%s, plan %s, %s\n", painted(s.paint.bold(printable(t.Name))), string(t.Plan), t.TenantID.String())
		if len(t.Connections) == 0 {
			s.say("  Nothing is connected yet; `memberintel connect stripe`, `connect memberpress` and `connect website` do it, with --tenant %s.\n", t.Name)
		}
		for _, c := range t.Connections {
			s.connection(c, t.banner(c.ConnectionID))
		}
	}
}

// worst is the rank of the tenant's worst connection; one without any stands at the end.
func (t tenantStatus) worst() int {
	if len(t.Connections) == 0 {
		return len(worstFirst())
	}
	return rank(t.Connections[0].State)
}

func (s statusText) summary(view statusView) {
	if len(view.Tenants) == 0 {
		s.say("There are no tenants; add one with `memberintel tenant create --name NAME`.\n")
		return
	}
	var parts []string
	all := 0
	for _, state := range worstFirst() {
		if n := view.Summary[state]; n > 0 {
			parts = append(parts, s.paint.state(state, page.Count(int64(n))+" "+string(state)))
			all += n
		}
	}
	if all == 0 {
		s.say("No connections yet.\n")
		return
	}
	s.say("%s: %s.\n", plural(int64(all), "connection"), painted(strings.Join(parts, ", ")))
}

func (s statusText) support(view supportView) {
	if len(view.Support) > 0 {
		s.say("\n%s, %s, the longest first\n", painted(s.paint.bold("Support list")), plural(int64(len(view.Support)), "outage"))
	}
	for _, t := range view.Support {
		s.say("  %s (%s), %s, since %s: %s\n", t.Name, string(t.Plan), t.PipelineType.Label(), s.at(&t.Since), painted(s.paint.level(levelOf(t.Reason), printable(t.Sentence))))
		if t.Cause != nil {
			s.say("    cause: %s\n", *t.Cause)
		}
		if len(t.Mails) == 0 {
			s.say("    nobody was told\n")
		}
		for _, m := range t.Mails {
			s.say("    mail to %s: %s%s\n", m.Recipient, m.Status, because(m.LastError))
		}
	}
	if len(view.Budget) > 0 {
		s.say("\n%s, %s in seven days, the newest first\n", painted(s.paint.bold("Budget for Claude")), plural(int64(len(view.Budget)), "alarm"))
	}
	for _, a := range view.Budget {
		s.say("  %s: %s\n", s.at(&a.RaisedAt), painted(s.paint.level(alert.Warning, printable(a.Detail))))
	}
	if view.Mails.Waiting > 0 {
		s.say("\n%s waiting, the oldest since %s.\n", plural(int64(view.Mails.Waiting), "mail"), s.at(view.Mails.Oldest))
	}
}

func levelOf(r alert.Reason) alert.Level {
	if r == alert.Person {
		return alert.Alarm
	}
	return alert.Warning
}

func because(problem *string) string {
	if problem == nil {
		return ""
	}
	return ", " + *problem
}

func (s statusText) connection(c connectionStatus, b *bannerStatus) {
	since := ""
	if c.Since != nil {
		since = " since " + s.at(c.Since)
	}
	s.say("  %s: %s%s\n", c.PipelineType.Label(), painted(s.paint.state(c.State, string(c.State))), since)
	if c.PausedBecause != nil {
		s.say("    %s\n", *c.PausedBecause)
	}
	switch {
	case b != nil && (c.PausedBecause == nil || *c.PausedBecause != b.Sentence):
		s.say("    %s\n", painted(s.paint.level(b.Level, printable(b.Sentence))))
		s.steps(b.Checklist)
		if b.Next != "" {
			s.say("    %s\n", b.Next)
		}
	case b == nil && c.LastError != nil:
		s.say("    %s\n", *c.LastError)
		s.steps(c.Checklist)
	}
	for _, left := range c.Leftovers {
		s.say("    %s\n", left.Sentence(c.PipelineType))
	}
	s.say("    %s\n", strings.Join(s.facts(c), ", "))
}

func (s statusText) steps(list []string) {
	for _, step := range list {
		s.say("    - %s\n", step)
	}
}

func (s statusText) facts(c connectionStatus) []string {
	facts := []string{"no data yet"}
	if c.DataAsOf != nil {
		facts[0] = "data as of " + s.at(c.DataAsOf)
		if c.Stale {
			facts[0] += ", stale"
		}
	}
	if c.LastSuccessAt != nil {
		facts = append(facts, "last success "+s.at(c.LastSuccessAt))
	}
	if c.ConsecutiveFailures > 0 {
		facts = append(facts, plural(int64(c.ConsecutiveFailures), "failure")+" in a row")
	}
	if c.NextAttemptAt != nil {
		facts = append(facts, "next attempt "+s.at(c.NextAttemptAt))
	}
	if c.ResponseMS != nil {
		facts = append(facts, fmt.Sprintf("usually answers in %d ms", *c.ResponseMS))
	}
	return facts
}

// at is a time with how long ago it was; nil is "never".
func (s statusText) at(t *time.Time) string {
	if t == nil {
		return moment(nil)
	}
	return moment(t) + " (" + page.Ago(s.now, *t) + ")"
}

// say writes a line. What others wrote, a string, loses what a terminal would obey.
func (s statusText) say(format string, args ...any) {
	for i, arg := range args {
		if text, plain := arg.(string); plain {
			args[i] = printable(text)
		}
	}
	writef(s.w, format, args...)
}
