package app

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"memberintel/internal/page"
)

// answer writes a command's result: the value as one JSON object with --json, else what text writes, whose
// columns are separated by tabs. It is called once in a run.
func (p *program) answer(value any, text func(io.Writer)) {
	p.answered = true
	if p.json {
		encoder := json.NewEncoder(p.Stdout)
		encoder.SetEscapeHTML(false)
		_ = encoder.Encode(value) // a reader that went away is told by the exit of what it reads from
		return
	}
	if text == nil {
		return
	}
	columns := tabwriter.NewWriter(p.Stdout, 0, 4, 2, ' ', 0)
	text(columns)
	_ = columns.Flush()
}

// line returns an answer of one line.
func line(format string, args ...any) func(io.Writer) {
	return func(w io.Writer) { writef(w, format+"\n", args...) }
}

func writef(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// plural returns the number and the noun, in the plural unless it is one.
func plural(n int64, noun string) string {
	switch n {
	case 0:
		return "no " + noun + "s"
	case 1:
		return "1 " + noun
	}
	return page.Count(n) + " " + noun + "s"
}

// moment writes a time for people; nil is "never".
func moment(at *time.Time) string {
	if at == nil {
		return "never"
	}
	return at.UTC().Format("2006-01-02 15:04:05 UTC")
}
