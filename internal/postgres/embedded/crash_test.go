package embedded

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestKilledDuringInitdb(t *testing.T) {
	dir := stateDir(t)
	files := layoutFor(t, dir)
	starter := startHelper(t, "hold", dir)
	await(t, "initdb did not begin", func() bool { return exists(filepath.Join(files.newData(), "PG_VERSION")) })
	starter.signal(syscall.SIGKILL)
	if exists(files.data()) {
		t.Fatal("the starter was killed too late to tell anything")
	}
	instance := start(t, Options{DataDir: dir, Fast: true})
	value[int32](t, instance.URL("postgres", "postgres"), "SELECT 1")
	if exists(files.newData()) {
		t.Error("the broken attempt is still there")
	}
}

func TestTwelveSimultaneousStarts(t *testing.T) {
	dir := stateDir(t)
	var users []*helper
	for range 12 {
		users = append(users, startHelper(t, "hold", dir))
	}
	servers := map[string]bool{}
	for _, user := range users {
		servers[value[string](t, user.say("up"), "SELECT pg_postmaster_start_time()::text")] = true
	}
	if len(servers) != 1 {
		t.Errorf("%d servers ran", len(servers))
	}
	for i, user := range users {
		if !readPostmaster(layoutFor(t, dir)).alive {
			t.Fatalf("the server stopped while %d used it", len(users)-i)
		}
		user.leave()
	}
	if readPostmaster(layoutFor(t, dir)).alive {
		t.Error("the server runs on after the last Close has returned")
	}
}

func TestStarterKilledWhileAnotherStays(t *testing.T) {
	dir := stateDir(t)
	starter := startHelper(t, "hold", dir)
	url := starter.say("up")
	other := startHelper(t, "hold", dir)
	other.say("up")
	connection := connect(t, url)
	starter.signal(syscall.SIGKILL)
	for range 20 {
		if _, err := connection.Exec(t.Context(), "SELECT pg_sleep(0.01)"); err != nil {
			t.Fatalf("the server did not outlive its starter: %v", err)
		}
	}
	value[int32](t, url, "SELECT 1")
	other.leave()
	if readPostmaster(layoutFor(t, dir)).alive {
		t.Error("the server runs on")
	}
}

func TestInterruptFromTheTerminal(t *testing.T) {
	dir := stateDir(t)
	starter := startHelper(t, "hold", dir)
	url := starter.say("up")
	other := startHelper(t, "hold", dir)
	other.say("up")
	connection := connect(t, url)
	starter.signal(syscall.SIGINT)
	for range 20 {
		if _, err := connection.Exec(t.Context(), "SELECT pg_sleep(0.01)"); err != nil {
			t.Fatalf("Ctrl-C reached the server: %v", err)
		}
	}
	other.leave()
}

func TestServerStopsWhenEveryUserIsKilled(t *testing.T) {
	dir := stateDir(t)
	var users []*helper
	for range 3 {
		users = append(users, startHelper(t, "hold", dir))
	}
	for _, user := range users {
		user.say("up")
	}
	for _, user := range users {
		user.signal(syscall.SIGKILL)
	}
	awaitGone(t, layoutFor(t, dir))
}

// A start that comes while the watchdog of killed users stops the server must
// not take the dying server for a running one.
func TestStartRightAfterEveryUserWasKilled(t *testing.T) {
	dir := stateDir(t)
	for range 10 {
		user := startHelper(t, "hold", dir)
		user.say("up")
		user.signal(syscall.SIGKILL)
		next, err := Start(t.Context(), Options{DataDir: dir, Fast: true})
		if err != nil {
			t.Fatal(err)
		}
		connection := connect(t, next.URL("postgres", "postgres"))
		if _, err := connection.Exec(t.Context(), "SELECT pg_sleep(0.05)"); err != nil {
			t.Fatalf("joined a dying server: %v", err)
		}
		if err := next.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStaleFileWithReusedNumber(t *testing.T) {
	dir := stateDir(t)
	files := layoutFor(t, dir)
	instance := start(t, Options{DataDir: dir})
	raw, err := os.ReadFile(filepath.Join(files.data(), "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	if err := instance.Close(); err != nil {
		t.Fatal(err)
	}
	owner, exists, err := ownerOf(files.data())
	if err != nil || !exists {
		t.Fatal(err)
	}
	// The number now belongs to another program of the same user; PostgreSQL
	// itself would take that for a running server.
	other := exec.Command("cat")
	instance.who.prepare(other, nil)
	if _, err := other.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Process.Kill(); _ = other.Wait() })
	_, rest, _ := strings.Cut(string(raw), "\n")
	for _, name := range []string{filepath.Join(files.data(), "postmaster.pid"), filepath.Join(files.socketDir, socketName+".lock")} {
		if err := os.WriteFile(name, []byte(strconv.Itoa(other.Process.Pid)+"\n"+rest), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(name, owner.uid, owner.gid); err != nil {
			t.Fatal(err)
		}
	}
	again := start(t, Options{DataDir: dir})
	value[int32](t, again.URL("postgres", "postgres"), "SELECT 1")
}

// A server that dies under its users is started anew by the next user, and
// serves the earlier ones as long as they stay.
func TestCrashedServerIsReplacedForAllUsers(t *testing.T) {
	dir := stateDir(t)
	files := layoutFor(t, dir)
	early := startHelper(t, "hold", dir)
	url := early.say("up")
	if err := syscall.Kill(readPostmaster(files).pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, files)
	late := startHelper(t, "hold", dir)
	late.say("up")
	late.leave()
	connection := connect(t, url)
	if _, err := connection.Exec(t.Context(), "SELECT pg_sleep(0.2)"); err != nil {
		t.Fatalf("the server left with the later user: %v", err)
	}
	early.signal(syscall.SIGKILL)
	awaitGone(t, files)
}

func TestAServerThatIsKeptIsStartedAgain(t *testing.T) {
	dir := stateDir(t)
	files := layoutFor(t, dir)
	instance := start(t, Options{DataDir: dir, Fast: true})
	ctx, leave := context.WithCancel(t.Context())
	var keeping sync.WaitGroup
	keeping.Go(func() { instance.Keep(ctx) })
	for range 2 {
		before := readPostmaster(files).pid
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		await(t, "the server was not started again", func() bool { s := readPostmaster(files); return s.ready && s.pid != before })
		value[int32](t, instance.URL("postgres", "postgres"), "SELECT 1")
	}
	leave()
	keeping.Wait()
	if err := instance.Close(); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, files)
}

func TestKillsLoseNoAcknowledgedInsert(t *testing.T) {
	dir := stateDir(t)
	files := layoutFor(t, dir)
	setup := start(t, Options{DataDir: dir})
	if _, err := connect(t, setup.URL("postgres", "postgres")).Exec(t.Context(), "CREATE TABLE kept (number bigint GENERATED ALWAYS AS IDENTITY)"); err != nil {
		t.Fatal(err)
	}
	if err := setup.Close(); err != nil {
		t.Fatal(err)
	}
	acknowledged := map[int64]bool{}
	for round := range 6 {
		user := startHelper(t, "insert", dir)
		for range 20 + rand.IntN(80) {
			number, err := strconv.ParseInt(user.say("kept"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			acknowledged[number] = true
		}
		server := readPostmaster(files).pid
		if round%2 == 0 { // the server too, not its user alone
			if err := syscall.Kill(server, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
		if err := syscall.Kill(user.cmd.Process.Pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		for user.lines.Scan() { // what it had acknowledged before the kill
			var number int64
			if _, err := fmt.Sscanf(user.lines.Text(), "kept %d", &number); err == nil {
				acknowledged[number] = true
			}
		}
	}
	instance := start(t, Options{DataDir: dir})
	rows, err := connect(t, instance.URL("postgres", "postgres")).Query(t.Context(), "SELECT number FROM kept")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var number int64
		if err := rows.Scan(&number); err != nil {
			t.Fatal(err)
		}
		delete(acknowledged, number)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if len(acknowledged) != 0 {
		t.Errorf("%d acknowledged inserts are lost", len(acknowledged))
	}
}
