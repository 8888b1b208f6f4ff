package embedded

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// helperVariable makes the test binary a program of its own that uses an
// embedded server, so that tests can kill it.
const helperVariable = "MEMBERINTEL_EMBEDDED_TEST_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helperVariable) {
	case "":
		os.Exit(m.Run())
	case "hold":
		os.Exit(holdUntilEOF(os.Args[1]))
	case "insert":
		os.Exit(insertForever(os.Args[1]))
	case "powerless":
		os.Exit(withoutSetuid())
	}
	os.Exit(2)
}

// holdUntilEOF says "up URL" once it uses the server and leaves at the end of
// its input.
func holdUntilEOF(dataDir string) int {
	instance, err := Start(context.Background(), Options{DataDir: dataDir, Fast: true})
	if err != nil {
		fmt.Println("failed", err)
		return 1
	}
	fmt.Println("up", instance.URL("postgres", "postgres"))
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := instance.Close(); err != nil {
		fmt.Println("failed", err)
		return 1
	}
	return 0
}

// insertForever prints each number after PostgreSQL has acknowledged it.
func insertForever(dataDir string) int {
	ctx := context.Background()
	instance, err := Start(ctx, Options{DataDir: dataDir})
	if err != nil {
		fmt.Println("failed", err)
		return 1
	}
	connection, err := pgx.Connect(ctx, instance.URL("postgres", "postgres"))
	if err != nil {
		fmt.Println("failed", err)
		return 1
	}
	for {
		var number int64
		if err := connection.QueryRow(ctx, "INSERT INTO kept DEFAULT VALUES RETURNING number").Scan(&number); err != nil {
			return 1
		}
		fmt.Println("kept", number)
	}
}

// helper is another process that uses the server.
type helper struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
}

func startHelper(t *testing.T, mode, dataDir string, env ...string) *helper {
	t.Helper()
	cmd := exec.Command(os.Args[0], dataDir)
	cmd.Env = append(append(os.Environ(), helperVariable+"="+mode), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := &helper{t: t, cmd: cmd, stdin: stdin, lines: bufio.NewScanner(stdout)}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_, _ = cmd.Process.Wait()
	})
	return h
}

// say returns the rest of the next line that begins with word.
func (h *helper) say(word string) string {
	h.t.Helper()
	if !h.lines.Scan() {
		h.t.Fatalf("the helper ended before it said %q: %v", word, h.lines.Err())
	}
	said, rest, _ := strings.Cut(h.lines.Text(), " ")
	if said != word {
		h.t.Fatalf("the helper said %q, want %q", h.lines.Text(), word)
	}
	return rest
}

// leave lets the helper close its share.
func (h *helper) leave() {
	h.t.Helper()
	_ = h.stdin.Close()
	if err := h.cmd.Wait(); err != nil {
		h.t.Errorf("the helper ended with %v", err)
	}
}

// signal hits the helper's whole process group, as a terminal does, and waits
// for the helper's end.
func (h *helper) signal(signal syscall.Signal) {
	h.t.Helper()
	if err := syscall.Kill(-h.cmd.Process.Pid, signal); err != nil {
		h.t.Fatal(err)
	}
	_ = h.cmd.Wait()
}

// stateDir is a folder that another user can reach, unlike t.TempDir. At the
// end no server may be left in it.
func stateDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "memberintel-") //nolint:usetesting // another user must reach it
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	dir = filepath.Join(dir, "state")
	t.Cleanup(func() {
		if files, err := prepare(dir); err == nil {
			awaitGone(t, files)
			if !strings.HasPrefix(files.socketDir, files.root) {
				_ = os.RemoveAll(files.socketDir)
			}
		}
		if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func start(t *testing.T, o Options) *Instance {
	t.Helper()
	instance, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := instance.Close(); err != nil {
			t.Error(err)
		}
	})
	return instance
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close(context.Background()) })
	return connection
}

func value[T any](t *testing.T, url, query string) T {
	t.Helper()
	connection := connect(t, url)
	var result T
	if err := connection.QueryRow(t.Context(), query).Scan(&result); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	_ = connection.Close(t.Context())
	return result
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := poll(ctx, func() (bool, error) { return done(), nil }); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func awaitGone(t *testing.T, files layout) {
	t.Helper()
	await(t, "the server did not stop", func() bool { return !readPostmaster(files).alive })
}

func layoutFor(t *testing.T, dataDir string) layout {
	t.Helper()
	files, err := prepare(dataDir)
	if err != nil {
		t.Fatal(err)
	}
	return files
}
