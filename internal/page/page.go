// Package page writes what a browser shows. It knows no other room: a page is given a view, which holds
// everything that is on it. Everything a page needs is in it, so that nothing is fetched from elsewhere.
package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"time"
)

//go:embed status.html layout.html signin.html consent.html notice.html style.css
var assets embed.FS

// ContentSecurityPolicy lets a page use its own style and nothing else.
const ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Pages holds the parsed templates. It is safe for concurrent use.
type Pages struct {
	status, signIn, consent, notice *template.Template
}

// New parses the templates.
func New() (*Pages, error) {
	style, err := assets.ReadFile("style.css")
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	functions := template.FuncMap{
		"ago":          Ago,
		"members":      Members,
		"style":        func() template.CSS { return template.CSS(style) }, //nolint:gosec // it is ours
		"utc":          func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"money":        Money,
		"count":        Count,
		"milliseconds": func(n int) string { return Count(int64(n)) + " ms" },
	}
	p := &Pages{}
	for _, parsed := range []struct {
		into  **template.Template
		files []string // the first is the page, which the others fill
	}{
		{&p.status, []string{"status.html"}},
		{&p.signIn, []string{"layout.html", "signin.html"}},
		{&p.consent, []string{"layout.html", "consent.html"}},
		{&p.notice, []string{"layout.html", "notice.html"}},
	} {
		if *parsed.into, err = template.New(parsed.files[0]).Funcs(functions).ParseFS(assets, parsed.files...); err != nil {
			return nil, fmt.Errorf("page: %w", err)
		}
	}
	return p, nil
}

// Status writes the status page; of a page that cannot be rendered nothing is written.
func (p *Pages) Status(w io.Writer, s Status) error { return write(w, p.status, s) }

// SignIn writes the page that asks who somebody is.
func (p *Pages) SignIn(w io.Writer, s SignIn) error { return write(w, p.signIn, s) }

// Consent writes the page that asks whether a site may be connected.
func (p *Pages) Consent(w io.Writer, c Consent) error { return write(w, p.consent, c) }

// Notice writes a page that only tells something.
func (p *Pages) Notice(w io.Writer, n Notice) error { return write(w, p.notice, n) }

func write(w io.Writer, t *template.Template, view any) error {
	var body bytes.Buffer
	if err := t.Execute(&body, view); err != nil {
		return fmt.Errorf("page: %w", err)
	}
	_, err := body.WriteTo(w)
	return err
}

// Ago says how long before now t was, in words.
func Ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case d < -time.Second:
		return "in " + span(-d)
	case d < time.Second:
		return "just now"
	default:
		return span(d) + " ago"
	}
}

func span(d time.Duration) string {
	for _, unit := range []struct {
		name string
		size time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second}} {
		n := int64(d / unit.size)
		switch {
		case n == 1:
			return "1 " + unit.name
		case n > 1:
			return fmt.Sprintf("%d %ss", n, unit.name)
		}
	}
	return "1 second"
}
