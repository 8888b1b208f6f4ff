package embedded

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestStartMakesAClusterAndKeepsIt(t *testing.T) {
	dir := stateDir(t)
	first := start(t, Options{DataDir: dir})
	url := first.URL("postgres", "postgres")
	connection := connect(t, url)
	for _, statement := range []string{
		"CREATE EXTENSION pg_trgm", "CREATE EXTENSION btree_gin",
		"CREATE ROLE club LOGIN", "CREATE DATABASE members OWNER club",
	} {
		if _, err := connection.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, first.layout)
	if err := connection.Ping(t.Context()); err == nil {
		t.Error("the server answers after the last user has closed it")
	}
	if err := first.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}

	second := start(t, Options{DataDir: dir, Settings: map[string]string{"work_mem": "5MB"}})
	if got := value[string](t, second.URL("club", "members"), "SELECT current_user || ' ' || current_database()"); got != "club members" {
		t.Errorf("connected as %q", got)
	}
	checks := map[string]string{
		"SELECT ('ÉLODIE' ILIKE 'élodie')::text":              "true",
		"SELECT (show_trgm('é') = show_trgm('É'))::text":      "true",
		"SELECT (array_length(show_trgm('élodie'), 1))::text": "7",
		"SHOW server_encoding":                                "UTF8",
		"SHOW jit":                                            "off",
		"SHOW listen_addresses":                               "",
		"SHOW fsync":                                          "on",
		"SHOW max_connections":                                "100",
		"SHOW work_mem":                                       "5MB",
		"SELECT usesuper::text FROM pg_user WHERE usename = 'postgres'": "true",
	}
	for query, want := range checks {
		if got := value[string](t, second.URL("postgres", "postgres"), query); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	if info, err := os.Stat(second.layout.socketDir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the socket folder: %v %v", info.Mode(), err)
	}
}

func TestFastTradesSafetyForSpeed(t *testing.T) {
	instance := start(t, Options{DataDir: stateDir(t), Fast: true})
	got := value[string](t, instance.URL("postgres", "postgres"),
		"SELECT string_agg(current_setting(name), ' ' ORDER BY name) FROM unnest(ARRAY['fsync','full_page_writes','synchronous_commit','wal_level']) AS name")
	if got != "off off off minimal" {
		t.Errorf("fsync, full_page_writes, synchronous_commit, wal_level: %s", got)
	}
}

func TestLongSocketPath(t *testing.T) {
	dir := filepath.Join(stateDir(t), strings.Repeat("long", 20), strings.Repeat("path", 20))
	instance := start(t, Options{DataDir: dir})
	if length := len(filepath.Join(instance.layout.socketDir, socketName)); length > maxSocketPath {
		t.Errorf("the socket's path has %d bytes", length)
	}
	t.Cleanup(func() { _ = os.RemoveAll(instance.layout.socketDir) })
	t.Setenv("TMPDIR", t.TempDir())
	joined := start(t, Options{DataDir: dir})
	if joined.URL("a", "b") != instance.URL("a", "b") {
		t.Errorf("another environment leads elsewhere: %s", joined.URL("a", "b"))
	}
	value[int32](t, joined.URL("postgres", "postgres"), "SELECT 1")
}

func TestForeignSocketFolderIsRefused(t *testing.T) {
	dir := filepath.Join(stateDir(t), strings.Repeat("long", 20), strings.Repeat("path", 20))
	files := layoutFor(t, dir)
	t.Cleanup(func() { _ = os.RemoveAll(files.socketDir) })
	if err := os.Mkdir(files.socketDir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(files.socketDir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "open to others") {
		t.Errorf("got %v", err)
	}
}

func TestPollutedEnvironment(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	for name, text := range map[string]string{
		"PGHOST": "127.0.0.1", "PGPORT": port, "PGDATABASE": "nowhere", "PGUSER": "nobody", "PGDATA": "/nonexistent",
		"PGSERVICE": "missing", "PGSERVICEFILE": "/nonexistent", "PGSSLMODE": "verify-full", "PGOPTIONS": "-c search_path=evil",
		"PGTZ": "Mars/Olympus", "PGTARGETSESSIONATTRS": "standby", "PG_COLOR": "always",
		"LC_ALL": "tlh_KX", "LANG": "tlh_KX", "LC_MESSAGES": "tlh_KX", "TZ": "Mars/Olympus",
		"MEMBERINTEL_STRIPE_KEY": "a secret",
	} {
		t.Setenv(name, text)
	}
	instance := start(t, Options{DataDir: stateDir(t)})
	url := instance.URL("postgres", "postgres")
	if got := value[string](t, url, "SELECT current_setting('search_path') || ' ' || current_setting('timezone')"); got != `"$user", public GMT` {
		t.Errorf("search_path and timezone are %s", got)
	}
	connection := connect(t, url)
	if _, err := connection.Exec(t.Context(), "CREATE TABLE seen (line text)"); err != nil {
		t.Fatal(err)
	}
	if _, err := connection.Exec(t.Context(), "COPY seen FROM PROGRAM 'env'"); err != nil {
		t.Fatal(err)
	}
	if got := value[int64](t, url, "SELECT count(*) FROM seen WHERE line LIKE '%secret%'"); got != 0 {
		t.Error("the program's secrets are in the server's environment")
	}
}

func TestFailedStartQuotesTheLog(t *testing.T) {
	_, err := Start(t.Context(), Options{DataDir: stateDir(t), Settings: map[string]string{"shared_buffers": "nonsense"}})
	if err == nil || !strings.Contains(err.Error(), `invalid value for parameter "shared_buffers"`) {
		t.Errorf("got %v", err)
	}
}

func TestFolderWithoutDataIsLeftAlone(t *testing.T) {
	dir := stateDir(t)
	precious := filepath.Join(layoutFor(t, dir).data(), "precious")
	if err := os.MkdirAll(filepath.Dir(precious), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(filepath.Dir(precious), 65534, -1); err != nil && os.Geteuid() == 0 {
		t.Fatal(err)
	}
	if err := os.WriteFile(precious, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{DataDir: dir}); err == nil || !strings.Contains(err.Error(), "PG_VERSION is missing") {
		t.Errorf("got %v", err)
	}
	if !exists(precious) {
		t.Error("the file is gone")
	}
}

func TestCancelledStartCanBeRepeated(t *testing.T) {
	dir := stateDir(t)
	files := layoutFor(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_ = poll(ctx, func() (bool, error) { return exists(filepath.Join(files.newData(), "PG_VERSION")), nil })
		cancel()
	}()
	if _, err := Start(ctx, Options{DataDir: dir}); err == nil {
		t.Fatal("the start went through")
	}
	instance := start(t, Options{DataDir: dir})
	value[int32](t, instance.URL("postgres", "postgres"), "SELECT 1")
}

func TestNoPasswordInURL(t *testing.T) {
	instance := &Instance{layout: layout{socketDir: "/a folder/socket"}}
	config, err := pgx.ParseConfig(instance.URL("memberintel_reader_1", "member intel"))
	if err != nil {
		t.Fatal(err)
	}
	if config.User != "memberintel_reader_1" || config.Database != "member intel" || config.Host != "/a folder/socket" || config.Password != "" {
		t.Errorf("parsed as %q %q %q %q", config.User, config.Database, config.Host, config.Password)
	}
}
