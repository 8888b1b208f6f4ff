package app

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// demoFolderForTest is a folder that the database's own user can reach.
func demoFolderForTest(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "memberintel-demo-") //nolint:usetesting // the database's own user cannot enter t.TempDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "demo")
}

func demoArgs(folder string, more ...string) []string {
	return append([]string{"demo", "--folder", folder, "--listen", "127.0.0.1:0", "--members", "20", "--months", "6"}, more...)
}

func demoEnv() (env []string) {
	if bin := os.Getenv("MEMBERINTEL_POSTGRES_BIN"); bin != "" {
		env = append(env, "MEMBERINTEL_POSTGRES_BIN="+bin)
	}
	return env
}

func TestDemo(t *testing.T) {
	folder := demoFolderForTest(t)
	t.Run("once", func(t *testing.T) {
		var out, log strings.Builder
		code := Run(t.Context(), Process{Args: demoArgs(folder, "--once", "--json"), Env: demoEnv(), Stdout: &out, Stderr: &log})
		var view demoView
		if err := json.Unmarshal([]byte(out.String()), &view); err != nil || code != exitDone {
			t.Fatalf("exit %d, %v\n%s%s", code, err, out.String(), log.String())
		}
		if len(view.Syncs) != 3 || len(view.Verdicts) != 3 || view.Payments == 0 || view.Members["active"] == 0 {
			t.Errorf("the warehouse is not filled: %s", out.String())
		}
		for i, sync := range view.Syncs {
			if sync.Status != "succeeded" || view.Verdicts[i].Drift() || view.Verdicts[i].Checked == 0 {
				t.Errorf("%s: %s", sync.PipelineType, out.String())
			}
		}
		both, stripe, site := view.People.Linked, view.People.ByPlatform["stripe"], view.People.ByPlatform["memberpress"]
		if both == 0 || both >= stripe || both >= site || view.People.Candidates == 0 {
			t.Errorf("not everybody is where they should be: %s", out.String())
		}
		if strings.Contains(log.String(), "mail server") {
			t.Errorf("nothing leaves the machine, so no mail server is missing: %s", log.String())
		}
	})
	t.Run("lives until it is interrupted, in the same folder", func(t *testing.T) { liveDemo(t, folder) })
	t.Run("another folder is left alone", func(t *testing.T) {
		other := t.TempDir()
		precious := filepath.Join(other, "precious")
		if err := os.WriteFile(precious, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var log strings.Builder
		code := Run(t.Context(), Process{Args: demoArgs(other), Stdout: io.Discard, Stderr: &log})
		entries, err := os.ReadDir(other)
		if code != exitError || !strings.Contains(log.String(), "--folder") || err != nil || len(entries) != 1 {
			t.Errorf("exit %d, %d entries, %v: %s", code, len(entries), err, log.String())
		}
	})
}

// In a container as it usually is, the home of root is closed to the database's own user, and there is no user
// namespace to make up for it: the demo still works where somebody just starts it.
func TestDemoWhereTheDatabaseCannotGet(t *testing.T) {
	open := filepath.Dir(demoFolderForTest(t))
	closed, state := filepath.Join(open, "closed"), filepath.Join(open, "state")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{self, "demo", "--once", "--json", "--data-dir", state, "--listen", "127.0.0.1:0", "--members", "5", "--months", "2"}
	command := inContainer(t, args)
	command.Dir = closed
	command.Env = append(append(os.Environ(), demoEnv()...), asProgram+"=1")
	var out, log strings.Builder
	command.Stdout, command.Stderr = &out, &log
	if err := command.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), log.String())
	}
	taken, line := filepath.Join(closed, "demo"), ""
	if os.Geteuid() == 0 { // whoever is not root runs the database as himself
		taken = filepath.Join(state, "demo")
		line = filepath.Join(closed, "demo") + " is closed to the user that PostgreSQL runs as in place of root; using " + taken + ".\n"
		if _, err := os.Stat(filepath.Join(closed, "demo")); !os.IsNotExist(err) {
			t.Errorf("something is left of the folder that could not be used: %v", err)
		}
	}
	if !strings.HasPrefix(log.String(), line) {
		t.Errorf("the demo says %q, want %q first", log.String(), line)
	}
	if _, err := os.Stat(filepath.Join(taken, "postgres", "data", "PG_VERSION")); err != nil {
		t.Errorf("the demo did not take %s: %v", taken, err)
	}
}

func liveDemo(t *testing.T, folder string) {
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	read, write := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- Run(ctx, Process{Args: demoArgs(folder, "--pace", "20ms"), Env: demoEnv(), Stdout: write, Stderr: io.Discard})
		_ = write.Close()
	}()
	var base, database, website string
	terminal := demoEnv() // another one, with what the demo says to set
	exported, public := regexp.MustCompile(`export (\w+)="([^"]*)"`), regexp.MustCompile(`Website:\s+(http://127\.0\.0\.1:\d+)`)
	address, reader := regexp.MustCompile(`Status page:\s+(http://127\.0\.0\.1:\d+)`), regexp.MustCompile(`psql "([^"]+)"`)
	for lines := bufio.NewScanner(read); lines.Scan(); {
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			base = found[1]
		}
		if found := reader.FindStringSubmatch(lines.Text()); found != nil {
			database = found[1]
		}
		if found := exported.FindStringSubmatch(lines.Text()); found != nil {
			terminal = append(terminal, found[1]+"="+found[2])
		}
		if found := public.FindStringSubmatch(lines.Text()); found != nil {
			website = found[1]
		}
		if strings.Contains(lines.Text(), "Ctrl-C ends it") {
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	if base == "" || database == "" || website == "" {
		t.Fatalf("no address; exit %d", <-code)
	}
	for _, applied := range []string{ // what the first changes leave behind; the test's own deadline bounds it
		`memberintel_webhooks_received_total\{outcome="ok"\}`,
		`memberintel_runs_finished_total\{mode="incremental",pipeline="memberpress",status="succeeded"\}`,
	} {
		for arrived := regexp.MustCompile(applied); ; {
			status, body := get(t, base+"/metrics", "")
			if status != http.StatusOK {
				t.Fatalf("/metrics: %d", status)
			}
			if arrived.MatchString(body) {
				break
			}
		}
	}
	mustAnswer(t, database)
	mustDescribe(t, website, terminal)
	if status, body := get(t, base+"/", ""); status != http.StatusOK || !strings.Contains(body, "demo") || !strings.Contains(body, "active members") || !strings.Contains(body, "MemberPress") {
		t.Errorf("the status page: %d %s", status, body)
	}
	if other := Run(t.Context(), Process{Args: demoArgs(folder), Env: demoEnv(), Stdout: io.Discard, Stderr: io.Discard}); other != exitError {
		t.Errorf("a second demo in the same folder ended with %d", other)
	}
	interrupt()
	if ended := <-code; ended != exitDone {
		t.Errorf("the demo ended with %d", ended)
	}
	if _, err := os.Stat(filepath.Join(folder, "postgres", "data", "postmaster.pid")); !os.IsNotExist(err) {
		t.Errorf("the database is still running: %v", err)
	}
}

// mustAnswer runs what the demo says to look at, as its reader does.
func mustAnswer(t *testing.T, database string) {
	t.Helper()
	reader, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close(context.WithoutCancel(t.Context())) }()
	for _, query := range demoQueries() {
		rows, err := reader.Query(t.Context(), query.sql)
		if err != nil {
			t.Fatalf("%s: %v", query.asks, err)
		}
		n := 0
		for rows.Next() {
			n++
		}
		if rows.Err() != nil || n == 0 {
			t.Errorf("%s: %d rows, %v", query.asks, n, rows.Err())
		}
	}
}

// mustDescribe describes the club's website from another terminal, once it has its new headline and its new prices.
func mustDescribe(t *testing.T, website string, terminal []string) {
	t.Helper()
	for changed := ""; !strings.Contains(changed, "$49"); { // the test's own deadline bounds it
		_, changed = get(t, website+"/membership-pricing/", "")
	}
	sync := func() object {
		t.Helper()
		var out, log strings.Builder
		args := []string{"sync", "--tenant", "demo", "--pipeline", "website", "--json"}
		if code := Run(t.Context(), Process{Args: args, Env: terminal, Stdout: &out, Stderr: &log}); code != exitDone {
			t.Fatalf("exit %d: %s%s", code, out.String(), log.String())
		}
		var o object
		if err := json.Unmarshal([]byte(out.String()), &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	first := sync()
	if told := strings.Join(said(first), "\n"); first.at("calls") != 1.0 || !strings.Contains(told, "added headline The friendliest indoor tennis club on the river") || !strings.Contains(told, "added prices $49") {
		t.Errorf("told of the changes: %s", first)
	}
	if again := sync(); again.at("calls") != 0.0 || again.at("unchanged") != true || again.at("profile", "version") != first.at("profile", "version") {
		t.Errorf("nothing changed: %s", again)
	}
}
