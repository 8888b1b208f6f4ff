// Package app wires everything: settings, commands, routes and the loops of the server. It is the only room
// that knows all others and the only one that reads settings. A command is one file; run.go says how each of
// them begins and ends.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/telemetry"
)

// The exit codes of every command.
const (
	exitDone         = 0
	exitError        = 1
	exitUsage        = 2
	exitNotHealthy   = 3 // it ran, and something is not as it should be
	exitCodeUnwanted = -1
)

// Process is what one run of the program is given from outside.
type Process struct {
	Args   []string // without the program's name
	Env    []string // NAME=value
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

// Main runs the program as this process and returns its exit code. The first Ctrl-C or SIGTERM ends the work
// in an orderly way, the second kills.
func Main() int {
	collectLess(os.Getenv("GOGC"))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // from now on a signal does what it does by default
	return Run(ctx, Process{Args: os.Args[1:], Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr})
}

// collectLess lets the heap grow to three times what lives before it is collected, unless the environment says
// otherwise. Little lives, a few megabytes; collecting at twice of it took a fifth of the processor's time.
func collectLess(gogc string) {
	if gogc == "" {
		debug.SetGCPercent(200)
	}
}

// Run runs one command to its end and returns its exit code. It starts no process but the embedded
// PostgreSQL, and leaves nothing running.
func Run(ctx context.Context, process Process) int {
	p := &program{Process: process, env: environment(process.Env), json: slices.Contains(process.Args, "--json")}
	return p.run(ctx)
}

func (p *program) run(ctx context.Context) int {
	kctx, code := p.parse()
	if code != exitCodeUnwanted {
		return code
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	return p.end(kctx.Run(p))
}

// program is one run of the program: its settings, and where its answer goes.
type program struct {
	Process
	Settings

	env      map[string]string
	secrets  Secrets
	json     bool
	answered bool                // the one object that --json promises is written
	about    connection.Pipeline // whose troubles the checklist under an error is for; "" until one was found
	log      *slog.Logger
	rhythm   rhythm

	pipelines pipelines // nil until parse: the program's own
}

// rhythm is how often a server looks at what there is to do; zero means each room's own.
type rhythm struct {
	tick  time.Duration // what is due
	look  time.Duration // what stays wrong
	send  time.Duration // what is to be mailed
	carry time.Duration // what travels to Claude

	pause time.Duration // between two pages of a website
	pages int           // of one website in a minute at most
}

// parse reads the command line and the settings. A code other than exitCodeUnwanted ends the program.
func (p *program) parse() (*kong.Context, int) {
	if p.pipelines == nil {
		p.pipelines = ownPipelines()
	}
	commands := &commandLine{}
	helped := false
	parser, err := kong.New(commands,
		kong.Name("memberintel"),
		kong.Description("A live, verified copy of a membership business in one PostgreSQL warehouse."),
		kong.Writers(p.Stdout, p.Stderr),
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true, WrapUpperBound: 110}),
		kong.ValueFormatter(helpWithVariable),
		kong.Help(printHelp),
		kong.Resolvers(fromEnvironment(p.env)),
		p.pipelines.vars(),
	)
	if err != nil {
		return nil, p.end(fmt.Errorf("app: the command line's grammar: %w", err))
	}
	kctx, err := parser.Parse(p.Args)
	if helped {
		return nil, exitDone
	}
	if err != nil {
		return nil, p.end(misuse(err))
	}
	p.Settings, p.json, p.secrets = commands.Settings, commands.JSON, secretsOf(p.env)
	if err := p.complete(p.env); err != nil {
		return nil, p.end(err)
	}
	p.log = telemetry.NewLogger(p.Stderr, p.level(), p.LogFormat == "json")
	return kctx, exitCodeUnwanted
}

// misuse is what the grammar refused, with the command whose help tells more.
func misuse(err error) error {
	path := "memberintel"
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil && parse.Context.Selected() != nil {
		path = parse.Context.Selected().FullPath()
	}
	return usage("%s; try `%s --help`.", err.Error(), path)
}

// errNotHealthy ends a command that ran and has told what is not as it should be.
var errNotHealthy = errors.New("not healthy")

// usageError is wrong use of the command line that the grammar does not see.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// end tells an error to people and, with --json, to programs, and returns the exit code.
func (p *program) end(err error) int {
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errNotHealthy):
		return exitNotHealthy
	}
	err = p.unconnected(err)
	code, kind := exitError, cmp.Or(string(fault.KindOf(err)), "internal")
	if kind == "internal" && errors.Is(err, context.Canceled) {
		kind = "interrupted"
	}
	if wrong := (usageError{}); errors.As(err, &wrong) {
		code, kind = exitUsage, "usage"
	}
	text := hide(tell(err))
	if p.json && !p.answered {
		p.answer(map[string]string{"error": text, "kind": kind}, nil)
	}
	p.errorText(text, err)
	return code
}

// errorText writes the sentence, the cause for the operator and what helps.
func (p *program) errorText(text string, err error) {
	_, _ = fmt.Fprintln(p.Stderr, "memberintel: "+text)
	var f *fault.Error
	if !errors.As(err, &f) {
		return
	}
	if cause := causeOf(f); cause != nil {
		_, _ = fmt.Fprintln(p.Stderr, "  Cause: "+hide(strings.Join(strings.Fields(*cause), " ")))
	}
	for _, step := range p.about.ChecklistOf(f) {
		if step != connection.ByItself { // no next sync catches up with a command
			_, _ = fmt.Fprintln(p.Stderr, "  - "+step)
		}
	}
}

// causeOf is what a fault's cause says beside its sentence, nil for nothing. A fault within of the same kind has said the
// same in other words.
func causeOf(f *fault.Error) *string {
	cause := f.Cause
	for {
		within, ok := cause.(*fault.Error) //nolint:errorlint // what lies between two faults is part of the cause
		if !ok || within.Kind != f.Kind || within.Cause == nil {
			break
		}
		cause = within.Cause
	}
	if cause == nil {
		return nil
	}
	text := cause.Error()
	return beyond(&text, f.Sentence)
}

// unconnected says what to look at when the database does not let the program in.
func (p *program) unconnected(err error) error {
	switch {
	case fault.KindOf(err) != "" || !postgres.CannotConnect(err):
		return err
	case p.DatabaseURL == "":
		return fault.Wrap(fault.Unavailable, err, "The program's own PostgreSQL does not answer; its log is in the data folder %s.", p.DataDir)
	default:
		return fault.Wrap(fault.Unavailable, err,
			"The database cannot be reached; look whether it runs, and whether MEMBERINTEL_DATABASE_URL and MEMBERINTEL_OWNER_DATABASE_URL are right.")
	}
}

// tell is the sentence about an error: here the operator reads it, so an error of our own is shown whole.
func tell(err error) string {
	if fault.KindOf(err) != "" {
		return fault.Sentence(err)
	}
	if errors.Is(err, context.Canceled) {
		return "Interrupted."
	}
	return sentence(err.Error())
}

func sentence(text string) string {
	if text == "" || strings.HasSuffix(text, ".") || strings.Contains(text, "\n") {
		return text
	}
	return text + "."
}

// hide takes out what looks like a credential, should one ever be quoted in an error.
func hide(text string) string {
	keys := regexp.MustCompile(`\b((rk|sk|ssk|mk)_(live|test)_[A-Za-z0-9_]{4,}|whsec_[A-Za-z0-9_]{4,}|sk-ant-[A-Za-z0-9_-]{4,})`)
	passwords := regexp.MustCompile(`(?i)(://[^/\s:@]*:)[^@\s]+@`)
	named := regexp.MustCompile(`(?i)(password=)[^\s&]+`)
	text = keys.ReplaceAllString(text, "[hidden]")
	text = strings.ReplaceAll(passwords.ReplaceAllString(text, "${1}[hidden]@"), "://user:[hidden]@", "://user:password@") // our own examples
	return named.ReplaceAllString(text, "${1}[hidden]")
}
