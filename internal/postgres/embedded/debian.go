package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// unpackDebian unpacks the distribution's own PostgreSQL into the cache folder.
// It works without root and touches nothing of the system: no package is
// installed, no user, service or cluster is made. The package lists are read
// from the system's sources into the cache folder, and only PostgreSQL and the
// libraries that the system lacks are downloaded; apt checks their signatures.
func (s *search) unpackDebian(ctx context.Context) (binaries, bool) {
	const source = "the distribution's packages"
	for _, tool := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			s.reject(source, fmt.Errorf("there is no %s", tool))
			return binaries{}, false
		}
	}
	return s.unpackOnce(ctx, source, func(work string) (string, error) {
		return fetchDebian(ctx, work, s.major)
	})
}

func debianBinDir(root string) string { return filepath.Join(root, "usr/lib/postgresql/*/bin") }

// debianLibraries lists the folders of the unpacked shared libraries.
func debianLibraries(root string) []string {
	var dirs []string
	for _, pattern := range []string{"usr/lib/*-linux-*", "lib/*-linux-*", "usr/lib", "lib"} {
		matches, _ := filepath.Glob(filepath.Join(root, pattern))
		dirs = append(dirs, matches...)
	}
	return dirs
}

// apt runs the distribution's tools on lists and a cache of their own.
type apt struct{ dir string }

func (a apt) run(ctx context.Context, tool string, args ...string) ([]byte, error) {
	options := []string{
		"-o", "Dir::State::lists=" + filepath.Join(a.dir, "lists"),
		"-o", "Dir::State::status=" + filepath.Join(a.dir, "status"),
		"-o", "Dir::Cache=" + filepath.Join(a.dir, "cache"),
		"-o", "APT::Sandbox::User=root", // apt's own user cannot reach these folders
		"-o", "Debug::NoLocking=1", // the system's locks need root
		"-o", "Acquire::Languages=none",
		"-o", "Acquire::Retries=3",
	}
	cmd := exec.CommandContext(ctx, tool, append(options, args...)...)
	cmd.Dir = filepath.Join(a.dir, "debs")
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var problems bytes.Buffer
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", tool, args[0], err, strings.TrimSpace(problems.String()))
	}
	return out, nil
}

// fetchDebian downloads and unpacks into work and returns a name for the result.
func fetchDebian(ctx context.Context, work string, major int) (string, error) {
	a := apt{dir: work + ".apt"}
	defer func() { _ = os.RemoveAll(a.dir) }()
	for _, dir := range []string{"lists/partial", "cache/archives/partial", "debs"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			return "", err
		}
	}
	if err := copyStatus("/var/lib/dpkg/status", filepath.Join(a.dir, "status")); err != nil {
		return "", err
	}
	if _, err := a.run(ctx, "apt-get", "-q", "update"); err != nil {
		return "", err
	}
	major, err := a.newest(ctx, major)
	if err != nil {
		return "", err
	}
	name := "postgresql-" + strconv.Itoa(major)
	plan, err := a.run(ctx, "apt-get", "-s", "--no-install-recommends", "install", name)
	if err != nil {
		return "", err
	}
	if _, err := a.run(ctx, "apt-get", append([]string{"-q", "download"}, wanted(plan, major)...)...); err != nil {
		return "", err
	}
	debs, _ := filepath.Glob(filepath.Join(a.dir, "debs", "*.deb"))
	for _, deb := range debs {
		if out, err := exec.CommandContext(ctx, "dpkg-deb", "-x", deb, work).CombinedOutput(); err != nil {
			return "", fmt.Errorf("unpacking %s: %w: %s", filepath.Base(deb), err, out)
		}
	}
	return "debian-" + strconv.Itoa(major), nil
}

// copyStatus copies the list of installed packages without PostgreSQL's own:
// one that is installed and unusable would not be downloaded otherwise.
func copyStatus(from, to string) error {
	raw, err := os.ReadFile(from)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	var kept [][]byte
	for _, stanza := range bytes.Split(raw, []byte("\n\n")) {
		stanza = bytes.TrimLeft(stanza, "\n")
		if bytes.HasPrefix(stanza, []byte("Package: postgresql")) || bytes.HasPrefix(stanza, []byte("Package: libpq")) {
			continue
		}
		kept = append(kept, stanza)
	}
	return os.WriteFile(to, bytes.Join(kept, []byte("\n\n")), 0o644)
}

var serverPackage = regexp.MustCompile(`(?m)^postgresql-(\d+) `)

// newest returns the version to take: the one asked for, or the highest offered.
func (a apt) newest(ctx context.Context, major int) (int, error) {
	out, err := a.run(ctx, "apt-cache", "search", "--names-only", `^postgresql-[0-9]+$`)
	if err != nil {
		return 0, err
	}
	var offered []int
	for _, match := range serverPackage.FindAllSubmatch(out, -1) {
		if number, err := strconv.Atoi(string(match[1])); err == nil && number >= oldestMajor && (major == 0 || number == major) {
			offered = append(offered, number)
		}
	}
	if len(offered) == 0 {
		return 0, fmt.Errorf("they offer no PostgreSQL %d or newer that fits: %s", oldestMajor, strings.ReplaceAll(strings.TrimSpace(string(out)), "\n", ", "))
	}
	return slices.Max(offered), nil
}

var installLine = regexp.MustCompile(`(?m)^Inst (\S+) (?:\[\S+\] )?\((\S+) `)

// wanted picks from apt's plan what a running server needs: PostgreSQL and
// shared libraries, not the C library, which must stay the system's, nor the
// compiler for jit, which is off and large, nor Perl for the packages' scripts.
func wanted(plan []byte, major int) []string {
	unwanted := regexp.MustCompile(`^(libc6|libc-|libllvm|libz3|libperl|lib.*-perl$)`)
	number := strconv.Itoa(major)
	var names []string
	for _, match := range installLine.FindAllSubmatch(plan, -1) {
		name, version := string(match[1]), string(match[2])
		server := name == "postgresql-"+number || name == "postgresql-client-"+number
		library := strings.HasPrefix(name, "lib") && !unwanted.MatchString(name)
		if server || library {
			names = append(names, name+"="+version)
		}
	}
	return names
}
