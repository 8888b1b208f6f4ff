package app

import (
	"strings"
	"unicode"

	"memberintel/internal/alert"
	"memberintel/internal/connection"
)

// palette colours what a terminal shows. The zero value leaves text as it is.
type palette struct{ on bool }

// painted is text that is written as it is, colours and all.
type painted string

// paint returns colours for a terminal, and none where they would be in the way: in a file, a pipe, a terminal that
// has none, or where somebody does not want them (https://no-color.org).
func (p *program) paint() palette {
	return palette{on: isTerminal(p.Stdout) && p.env["NO_COLOR"] == "" && p.env["TERM"] != "dumb"}
}

// The colours are those of the terminal's own theme, which are made to be read on its background.
const (
	bold   = "1"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

func (p palette) in(code, text string) string {
	if !p.on {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p palette) bold(text string) string { return p.in(bold, text) }

func (p palette) state(s connection.State, text string) string {
	switch s {
	case connection.Failed:
		return p.in(bold+";"+red, text)
	case connection.Degraded, connection.Paused:
		return p.in(yellow, text)
	case connection.Pending:
		return p.in(cyan, text)
	case connection.Connected:
		return p.in(green, text)
	default:
		return text
	}
}

func (p palette) level(l alert.Level, text string) string {
	switch l {
	case alert.Alarm:
		return p.in(bold+";"+red, text)
	case alert.Warning:
		return p.in(yellow, text)
	default:
		return text
	}
}

// printable takes out what is not seen, so that a name cannot move the cursor or colour what follows.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		default:
			return r
		}
	}, text)
}
