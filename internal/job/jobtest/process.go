package jobtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"memberintel/internal/job"
)

// processVariable makes the test binary a process that works on jobs, and holds the address.
const processVariable = "MEMBERINTEL_JOBTEST_PROCESS"

// Main runs the tests, or, when a test has started this executable as a process to be killed, that process: it
// joins at the address, takes jobs and never ends one.
func Main(m *testing.M, join func(ctx context.Context, address string) (Engine, error)) {
	address := os.Getenv(processVariable)
	if address == "" {
		os.Exit(m.Run())
	}
	go func() { // the test that started us is gone
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	ctx := context.Background()
	e, err := join(ctx, address)
	if err == nil {
		err = e.Run(ctx, map[job.Kind]job.Handler{job.Sync: func(_ context.Context, j job.Job) error {
			_, _ = fmt.Fprintln(os.Stdout, j.RunID)
			select {}
		}})
	}
	_, _ = fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func deliversAgainWhatWasHeld(t *testing.T, h House) {
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), processVariable+"="+h.Address)
	process.Stderr = os.Stderr
	stdin, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stdin.Close() }()
	stdout, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	e := h.Process(t)
	h.enqueue(t, e, numbered(1))
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != "1\n" {
		t.Fatalf("the process works on %q, %v", line, err)
	}
	if err := process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = process.Wait() // killed

	killed, seen := time.Now(), newLog()
	start(t, e, map[job.Kind]job.Handler{job.Sync: seen.note})
	h.enqueue(t, e, numbered(2))
	seen.awaitJob(t, numbered(2))
	seen.await(t, "for the job of the process that was killed", redelivery, func() bool { return len(seen.of(numbered(1))) > 0 })
	t.Logf("delivered again %.1f s after the kill", time.Since(killed).Seconds())
	h.awaitDone(t)
}
