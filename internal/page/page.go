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

//go:embed status.html style.css
var assets embed.FS

// ContentSecurityPolicy lets a page use its own style and nothing else.
const ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Pages holds the parsed templates. It is safe for concurrent use.
type Pages struct {
	status *template.Template
}

// New parses the templates.
func New() (*Pages, error) {
	style, err := assets.ReadFile("style.css")
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	functions := template.FuncMap{
		"ago":          Ago,
		"style":        func() template.CSS { return template.CSS(style) }, //nolint:gosec // it is ours
		"utc":          func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"money":        Money,
		"count":        Count,
		"milliseconds": func(n int) string { return Count(int64(n)) + " ms" },
	}
	status, err := template.New("status.html").Funcs(functions).ParseFS(assets, "status.html")
	if err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return &Pages{status: status}, nil
}

// Status writes the status page; of a page that cannot be rendered nothing is written.
func (p *Pages) Status(w io.Writer, s Status) error {
	var body bytes.Buffer
	if err := p.status.Execute(&body, s); err != nil {
		return fmt.Errorf("page: status: %w", err)
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
