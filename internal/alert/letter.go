package alert

import (
	"bytes"
	"embed"
	"fmt"
	htmltemplate "html/template"
	"strings"
	"text/template"
	"time"
	"unicode"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
)

//go:embed outage.txt outage.html recovery.txt recovery.html
var templates embed.FS

const (
	subjectLimit = 150  // characters
	bodyLimit    = 1000 // of one sentence in the body
)

// letter is a mail before it has a place in the outbox.
type letter struct {
	recipient, subject, text, html string
}

// contents is what the templates show. Every text in it is one line.
type contents struct {
	Tenant      string
	Source      string // the platform, as a sentence names it
	Recipient   string
	URL         string // where the pages are
	Happened    string
	Since       string
	LastSuccess string // "" when there never was one
	Failures    int    // in a row
	Checklist   []string
	Next        string
	Lasted      string
}

// outageLetter tells one recipient that a connection does not work.
func outageLetter(i Incident, c connection.Connection, tenantName, recipient, url string) (letter, error) {
	v := view(i, c, tenantName, recipient, url)
	v.Happened, v.Checklist, v.Next = oneLine(happened(c, i.Reason), bodyLimit), checklist(c), next(c)
	if c.LastSuccessAt != nil {
		v.LastSuccess = moment(*c.LastSuccessAt)
	}
	what := map[Reason]string{
		Person: "the %s connection needs you", Failing: "the %s sync does not work", Overdue: "the %s sync is overdue",
	}[i.Reason]
	return write(outage, v, fmt.Sprintf(what, v.Source))
}

// recoveryLetter tells one recipient that it works again.
func recoveryLetter(i Incident, c connection.Connection, tenantName, recipient, url string) (letter, error) {
	v := view(i, c, tenantName, recipient, url)
	v.LastSuccess, v.Lasted = moment(*c.LastSuccessAt), span(c.LastSuccessAt.Sub(i.Since))
	return write(recovery, v, fmt.Sprintf("the %s sync works again", v.Source))
}

func view(i Incident, c connection.Connection, tenantName, recipient, url string) contents {
	return contents{
		Tenant: oneLine(tenantName, subjectLimit), Source: c.Pipeline.Label(), Recipient: recipient, URL: url + "/",
		Since: moment(i.Since), Failures: c.ConsecutiveFailures,
	}
}

func write(name string, v contents, what string) (letter, error) {
	l := letter{recipient: v.Recipient, subject: oneLine(v.Tenant, 80) + ": " + what}
	plain, err := template.New(name+".txt").Funcs(template.FuncMap{"inc": func(n int) int { return n + 1 }}).ParseFS(templates, name+".txt")
	if err != nil {
		return l, fmt.Errorf("alert: write a mail: %w", err)
	}
	rich, err := htmltemplate.ParseFS(templates, name+".html")
	if err != nil {
		return l, fmt.Errorf("alert: write a mail: %w", err)
	}
	var text, html bytes.Buffer
	if err := plain.Execute(&text, v); err != nil {
		return l, fmt.Errorf("alert: write a mail: %w", err)
	}
	if err := rich.Execute(&html, v); err != nil {
		return l, fmt.Errorf("alert: write a mail: %w", err)
	}
	l.text, l.html = text.String(), html.String()
	return l, nil
}

// happened is the customer's sentence: the last error, or without one that nothing came.
func happened(c connection.Connection, reason Reason) string {
	switch due := c.DueSince(); {
	case c.LastError != nil:
		return *c.LastError
	case reason == Overdue && due != nil:
		return fmt.Sprintf("A sync was due on %s and has not come to its end.", moment(*due))
	default:
		return "The last attempts did not succeed."
	}
}

// checklist is never empty.
func checklist(c connection.Connection) []string {
	if steps := c.Checklist(); len(steps) > 0 {
		return steps
	}
	return []string{"There is nothing for you to do: the fault is not with your account. It is on the list of whoever runs memberintel."}
}

// next says who acts next.
func next(c connection.Connection) string {
	switch {
	case c.LastErrorKind != nil && *c.LastErrorKind == string(fault.Unauthorized):
		return "memberintel waits for you: a refusal does not get better by trying. It goes on when you have connected again or started a sync."
	case c.State == connection.Failed:
		return "memberintel has spent its attempts for now. It tries again at the next regular time, or as soon as you start a sync."
	default:
		return "memberintel goes on trying by itself."
	}
}

func moment(t time.Time) string { return t.UTC().Format("2 January 2006 at 15:04 UTC") }

// span says how long something lasted, in its largest unit.
func span(d time.Duration) string {
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		switch n := int64(d / unit.size); {
		case n == 1:
			return "1 " + unit.name
		case n > 1:
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return "less than a minute"
}

// oneLine makes one line of any text, at most limit characters long, without what is not seen or turns the
// direction of writing: no text of a tenant's can become a header or hide what follows it.
func oneLine(text string, limit int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, ""), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	if runes := []rune(text); len(runes) > limit {
		return string(runes[:limit-1]) + "…"
	}
	return text
}
