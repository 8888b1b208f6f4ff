// Command bench measures the product against the shortest code that does the same, in one run on one machine
// and one PostgreSQL with durable settings, so that what counts is ratios.
//
// What is measured and what makes it work live in processes of their own: webhook senders, the API that is
// read and the program that reads it are children of this one, started from the same executable with the name
// of their role as the first argument.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime/debug"
	"strings"
)

func main() {
	debug.SetGCPercent(200) // as the program has it
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has been called
	}
}

func run(ctx context.Context) error {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "role-sender":
			return sender(os.Stdin, os.Stdout)
		case "role-api":
			return serveAPI(os.Stdin, os.Stdout)
		case "role-backfill":
			return backfillChild(ctx, os.Stdin, os.Stdout)
		}
	}
	return measure(ctx)
}

// settings is what the command line says.
type settings struct {
	rounds  int
	scale   float64
	profile string
	only    string
	kind    string

	statements bool
}

// measure runs the parts whose name matches the pattern on the command line, all without one.
func measure(ctx context.Context) error {
	var s settings
	flag.IntVar(&s.rounds, "rounds", 3, "how often each figure is taken; the median is shown")
	flag.Float64Var(&s.scale, "scale", 1, "a factor for the amount of work, for a quick look")
	flag.StringVar(&s.profile, "profile", "", "a `file` for a CPU profile of the product's webhook server")
	try := map[string]string{}
	flag.Func("set", "a setting of PostgreSQL to try out, `name=value`; may be repeated", func(v string) error {
		name, value, _ := strings.Cut(v, "=")
		try[name] = value
		return nil
	})
	flag.StringVar(&s.only, "senders", "", "only this number of webhook senders")
	flag.StringVar(&s.kind, "kind", "", "only the backfills whose name holds this `text`")
	flag.BoolVar(&s.statements, "statements", false, "show what each statement of the webhook server or the backfill costs; needs -set shared_preload_libraries=pg_stat_statements")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: go run ./bench [flags] [pattern]\nparts: webhook growth backfill search jobs")
		flag.PrintDefaults()
	}
	flag.Parse()
	pattern, err := regexp.Compile("(?i)" + flag.Arg(0))
	if err != nil {
		return err
	}
	on, err := startServer(ctx, try)
	if err != nil {
		return err
	}
	defer on.close()
	fmt.Println(on.describe(ctx))
	for _, part := range []struct {
		name string
		run  func(context.Context, *server, settings) error
	}{
		{"webhook", webhook}, {"growth", growth}, {"backfill", backfill}, {"search", search}, {"jobs", jobs},
	} {
		if !pattern.MatchString(part.name) {
			continue
		}
		if err := part.run(ctx, on, s); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}
