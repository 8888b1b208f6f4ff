package embedded

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeBin makes a folder bin that looks like a PostgreSQL of that version.
func fakeBin(t *testing.T, bin, version string, extensions ...string) string {
	t.Helper()
	share := bin + "-share"
	for _, dir := range []string{bin, filepath.Join(share, "extension")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, extension := range extensions {
		if err := os.WriteFile(filepath.Join(share, "extension", extension+".control"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	script(t, filepath.Join(bin, "postgres"), "exit 0")
	script(t, filepath.Join(bin, "initdb"), fmt.Sprintf("echo VERSION=%s; echo share_path=%s", version, share))
	return bin
}

func script(t *testing.T, path, body string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

func fakeSearch(t *testing.T) (*search, string) {
	t.Helper()
	root := filepath.Dir(stateDir(t))
	who, err := identify(layoutFor(t, filepath.Join(root, "state")))
	if err != nil {
		t.Fatal(err)
	}
	// No apt-get and no npm: nothing is downloaded here.
	t.Setenv("PATH", "/nonexistent")
	return &search{cacheDir: filepath.Join(root, "cache"), who: who, log: slog.New(slog.DiscardHandler)}, root
}

var contrib = []string{"pg_trgm", "btree_gin"}

func TestSearchOrder(t *testing.T) {
	s, root := fakeSearch(t)
	named := fakeBin(t, root+"/named", "15.1", contrib...)
	onPath := fakeBin(t, root+"/installed", "16.2", contrib...)
	if err := os.Mkdir(root+"/links", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(onPath+"/postgres", root+"/links/postgres"); err != nil {
		t.Fatal(err)
	}
	byConfig := fakeBin(t, root+"/configured", "17.3", contrib...)
	if err := os.Mkdir(root+"/config", 0o755); err != nil {
		t.Fatal(err)
	}
	script(t, root+"/config/pg_config", "echo "+byConfig)
	fakeBin(t, root+"/known/15/bin", "15.9", contrib...)
	known := fakeBin(t, root+"/known/18/bin", "18.0", contrib...)
	fakeBin(t, root+"/known/14/bin", "14.20", contrib...)
	private := fakeBin(t, s.unpackDir("debian-15")+"/usr/lib/postgresql/15/bin", "15.4", contrib...)
	npm := fakeBin(t, s.unpackDir("npm-x")+"/bin", "18.4", contrib...)

	s.binDir = named
	s.path = root + "/links:" + root + "/config"
	s.wellKnown = []string{root + "/known/*/bin"}
	// What is found is taken away, so that the next in order comes up.
	for _, step := range []struct {
		want   string
		remove func()
	}{
		{named, func() { s.binDir = "" }},
		{onPath, func() { s.path = root + "/config" }},
		{byConfig, func() { s.path = "" }},
		{known, func() { s.wellKnown = nil }},
		{private, func() { _ = os.Remove(private + "/initdb") }},
		{npm, func() { _ = os.Remove(npm + "/initdb") }},
	} {
		found, err := find(t.Context(), s, "")
		if err != nil || found.dir != step.want {
			t.Fatalf("found %q (%v), want %q", found.dir, err, step.want)
		}
		step.remove()
	}
	if found, err := find(t.Context(), s, ""); err == nil {
		t.Errorf("found %s where nothing is left", found.dir)
	}
}

func TestExistingDataChoosesItsVersion(t *testing.T) {
	s, root := fakeSearch(t)
	fakeBin(t, root+"/known/18/bin", "18.0", contrib...)
	want := fakeBin(t, root+"/known/16/bin", "16.9", contrib...)
	s.wellKnown, s.major = []string{root + "/known/*/bin"}, 16
	if found, err := find(t.Context(), s, ""); err != nil || found.dir != want {
		t.Errorf("found %q (%v), want %q", found.dir, err, want)
	}
}

func TestFailureSaysWhyAndWhatToDo(t *testing.T) {
	s, root := fakeSearch(t)
	fakeBin(t, root+"/known/14/bin", "14.20", contrib...)
	fakeBin(t, root+"/known/16/bin", "16.9", "btree_gin")
	broken := fakeBin(t, root+"/known/17/bin", "17.0", contrib...)
	script(t, broken+"/initdb", "echo a library is missing >&2; exit 127")
	alone := fakeBin(t, root+"/known/18/bin", "18.0", contrib...)
	if err := os.Remove(alone + "/initdb"); err != nil {
		t.Fatal(err)
	}
	s.wellKnown = []string{root + "/known/*/bin"}
	_, err := find(t.Context(), s, "")
	if err == nil {
		t.Fatal("found one")
	}
	for _, want := range []string{
		"known/14/bin: is version 14.20, older than 15", "known/16/bin: lacks the extension pg_trgm",
		"known/17/bin: does not run: exit status 127: a library is missing", "known/18/bin: has no initdb",
		"the distribution's packages: there is no apt-get", "there is no npm",
		"apt-get install postgresql", "dnf install", "apk add", "pacman -S", "brew install",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
}

func TestNamedFolderIsNotReplacedByAnother(t *testing.T) {
	s, root := fakeSearch(t)
	fakeBin(t, root+"/known/18/bin", "18.0", contrib...)
	s.wellKnown = []string{root + "/known/*/bin"}
	s.binDir = fakeBin(t, root+"/named", "13.1", contrib...)
	if found, err := find(t.Context(), s, ""); err == nil {
		t.Errorf("took %s", found.dir)
	}
}

func TestDataOfAnotherMajorIsLeftAlone(t *testing.T) {
	dir := stateDir(t)
	instance := start(t, Options{DataDir: dir})
	if err := instance.Close(); err != nil {
		t.Fatal(err)
	}
	major, err := majorOf(instance.layout)
	if err != nil {
		t.Fatal(err)
	}
	newer := fakeBin(t, filepath.Dir(dir)+"/newer", fmt.Sprintf("%d.0", major+1), contrib...)
	before := fingerprint(t, instance.layout.root)
	_, err = Start(t.Context(), Options{DataDir: dir, BinDir: newer})
	if err == nil {
		t.Fatal("the start went through")
	}
	for _, want := range []string{fmt.Sprintf("made by PostgreSQL %d", major), fmt.Sprintf("is version %d.0", major+1), "nothing was changed"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
	if fingerprint(t, instance.layout.root) != before {
		t.Error("the folder has changed")
	}
	again := start(t, Options{DataDir: dir})
	value[int32](t, again.URL("postgres", "postgres"), "SELECT 1")
}

// fingerprint sums up every name, mode and content below root.
func fingerprint(t *testing.T, root string) string {
	t.Helper()
	sum := sha256.New()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintln(sum, path, info.Mode())
		if !info.Mode().IsRegular() {
			return nil
		}
		raw, err := os.ReadFile(path)
		_, _ = sum.Write(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// The private copies are really downloaded and run, on machines that have the
// tool for it.
func TestPrivateCopies(t *testing.T) {
	for tool, unpack := range map[string]func(*search) (binaries, bool){
		"apt-get": func(s *search) (binaries, bool) { return s.unpackDebian(t.Context()) },
		"npm":     func(s *search) (binaries, bool) { return s.unpackNpm(t.Context()) },
	} {
		t.Run(tool, func(t *testing.T) {
			if _, err := exec.LookPath(tool); err != nil {
				t.Logf("this machine has no %s", tool)
				return
			}
			dir := stateDir(t)
			who, err := identify(layoutFor(t, dir))
			if err != nil {
				t.Fatal(err)
			}
			s := &search{cacheDir: filepath.Dir(dir), who: who, log: slog.New(slog.DiscardHandler)}
			found, ok := unpack(s)
			if !ok {
				t.Fatalf("nothing was unpacked: %s", strings.Join(s.rejected, "; "))
			}
			if !strings.HasPrefix(found.dir, s.cacheDir) {
				t.Fatalf("unpacked to %s", found.dir)
			}
			files := layoutFor(t, dir)
			starting, err := lockExclusive(t.Context(), files.startLock())
			if err != nil {
				t.Fatal(err)
			}
			defer unlock(starting)
			if err := privateDir(files.socketDir, who); err != nil {
				t.Fatal(err)
			}
			users, err := launchWith(t.Context(), Options{Log: s.log, Fast: true}, files, who, found, starting)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = users.Close() }()
			instance := &Instance{layout: files}
			if !value[bool](t, instance.URL("postgres", "postgres"), "SELECT 'É' ILIKE 'é'") {
				t.Error("É and é do not match")
			}
			if _, err := connect(t, instance.URL("postgres", "postgres")).Exec(t.Context(), "CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gin"); err != nil {
				t.Error(err)
			}
		})
	}
}
