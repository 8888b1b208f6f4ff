package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"memberintel/internal/page"
	"memberintel/internal/syncrun"
)

const (
	redrawEvery = 200 * time.Millisecond // on a terminal
	logEvery    = 10 * time.Second       // elsewhere
)

// progress shows how a run goes: on a terminal one line that is drawn again and again, elsewhere a log line
// now and then. watch is given to the pipeline; done ends the showing and may be called without a run.
func (p *program) progress() (watch func(*syncrun.Run), done func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var shown sync.WaitGroup
	watch = func(run *syncrun.Run) {
		shown.Go(func() {
			if isTerminal(p.Stderr) {
				p.drawProgress(ctx, run)
			} else {
				p.logProgress(ctx, run)
			}
		})
	}
	return watch, func() { cancel(); shown.Wait() }
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

func (p *program) drawProgress(ctx context.Context, run *syncrun.Run) {
	const clear = "\r\x1b[K"
	began := time.Now()
	every(ctx, redrawEvery, func() {
		records, expected := run.Progress()
		writef(p.Stderr, "%s%s", clear, progressLine(records, expected, time.Since(began)))
	})
	writef(p.Stderr, clear)
}

func (p *program) logProgress(ctx context.Context, run *syncrun.Run) {
	began := time.Now()
	every(ctx, logEvery, func() {
		records, expected := run.Progress()
		p.log.Info("syncing", "run_id", run.ID, "records", records, "expected", expected,
			"per_second", int64(float64(records)/time.Since(began).Seconds()))
	})
}

// every calls fn again and again until ctx ends.
func every(ctx context.Context, pause time.Duration, fn func()) {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			fn()
		}
	}
}

// progressLine says how far a run is; expected is 0 when nobody knows.
func progressLine(records, expected int64, took time.Duration) string {
	rate := float64(records) / max(took.Seconds(), 0.001)
	parts := []string{page.Count(records) + " records"}
	if expected > 0 {
		parts[0] = fmt.Sprintf("%s of about %s records", page.Count(records), page.Count(max(expected, records)))
	}
	parts = append(parts, page.Count(int64(rate))+" a second")
	if expected > records && rate > 0 {
		left := time.Duration(float64(expected-records) / rate * float64(time.Second))
		parts = append(parts, "about "+left.Round(time.Second).String()+" left")
	}
	return strings.Join(parts, ", ")
}
