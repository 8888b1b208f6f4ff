// Package memberintel_test holds the tests that read the house itself: that the
// rooms use each other as ARCHITECTURE.md says, and that each of them can be read.
package memberintel_test

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module      = "memberintel/"
	page        = "ARCHITECTURE.md"
	tableHeader = "| room | what it is for | may use |"
	maxLines    = 500
)

// A room is a folder with Go files, named as ARCHITECTURE.md names it: its path
// below internal/, or its path from the root for cmd/ and bench/.
type room struct {
	name  string
	files []file
}

type file struct {
	path    string
	test    bool
	lines   int
	doc     bool
	inits   bool
	imports []string // rooms that it imports, by name
}

// A row is one line of ARCHITECTURE.md's table. Rows stand in the order of the
// page, and a room may use only what stands further down.
type row struct {
	room    string
	purpose string
	uses    []string
	line    int
}

func TestRoomsUseEachOtherAsTheTableSays(t *testing.T) {
	rooms, table := readRooms(t), readTable(t)
	rows := map[string]row{}
	place := map[string]int{}
	for i, r := range table {
		if _, twice := rows[r.room]; twice {
			t.Errorf("%s:%d: %s has two rows; keep one", page, r.line, r.room)
		}
		if r.purpose == "" {
			t.Errorf("%s:%d: say what %s is for", page, r.line, r.room)
		}
		rows[r.room], place[r.room] = r, i
	}
	for _, name := range slices.Sorted(maps.Keys(rooms)) {
		if _, ok := rows[name]; !ok {
			t.Errorf("%s has no row in %s; add one that says what it is for and what it may use", name, page)
		}
	}
	for _, r := range table {
		here, ok := rooms[r.room]
		if !ok {
			t.Errorf("%s:%d: there is no room %s; take the row out, or the room was moved", page, r.line, r.room)
			continue
		}
		used := imports(here)
		for _, name := range slices.Sorted(maps.Keys(used)) {
			if !slices.Contains(r.uses, name) {
				t.Errorf("%s imports %s, which %s:%d does not allow; go another way, or allow it there and say why in the commit",
					used[name], name, page, r.line)
			}
		}
		for _, name := range r.uses {
			if _, ok := used[name]; !ok {
				t.Errorf("%s:%d: %s may use %s and does not; take the permission out", page, r.line, r.room, name)
			}
			if below, known := place[name]; known && below <= place[r.room] {
				t.Errorf("%s:%d: %s may use %s, which stands above it; arrows run down, so move a row or turn the dependency round",
					page, r.line, r.room, name)
			}
		}
	}
}

func TestPipelinesDoNotKnowEachOther(t *testing.T) {
	for _, r := range readRooms(t) {
		if !isPipeline(r.name) {
			continue
		}
		for _, f := range r.files {
			for _, name := range f.imports {
				if isPipeline(name) && name != r.name {
					t.Errorf("%s imports %s; pipelines meet in syncrun, canonical and pipelinetest only", f.path, name)
				}
			}
		}
	}
}

func TestTestRoomsStayOutOfTheProgram(t *testing.T) {
	for _, r := range readRooms(t) {
		for _, f := range r.files {
			for _, name := range f.imports {
				if isTestRoom(name) && !mayUseTestRooms(r.name, f) {
					t.Errorf("%s imports %s, which is for tests, for the demo (internal/app/demo*.go) and for bench", f.path, name)
				}
			}
		}
	}
}

func TestEveryRoomSaysWhatItIs(t *testing.T) {
	for _, r := range readRooms(t) {
		documented := func(f file) bool { return f.doc }
		if !slices.ContainsFunc(r.files, documented) {
			t.Errorf("%s has no package comment; write one that says why the room exists", r.name)
		}
	}
}

func TestFilesStayReadable(t *testing.T) {
	for _, r := range readRooms(t) {
		for _, f := range r.files {
			if !f.test && f.lines > maxLines {
				t.Errorf("%s has %d lines, over %d; divide it by what it tells", f.path, f.lines, maxLines)
			}
			if f.inits {
				t.Errorf("%s has an init function; let internal/app call what must happen at the start", f.path)
			}
		}
	}
}

// imports tells which rooms a room depends on, each with one file that does.
// Tests may use what they like; bench consists of little else, so there they count.
func imports(r room) map[string]string {
	used := map[string]string{}
	for _, f := range r.files {
		if f.test && !isBench(r.name) {
			continue
		}
		for _, name := range f.imports {
			if name != r.name {
				used[name] = f.path
			}
		}
	}
	return used
}

func isPipeline(name string) bool {
	return path.Dir(name) == "pipeline" && name != "pipeline/pipelinetest"
}

func isBench(name string) bool {
	return name == "bench" || strings.HasPrefix(name, "bench/")
}

func isTestRoom(name string) bool {
	return strings.HasPrefix(name, "sim/") || strings.HasSuffix(name, "test")
}

func mayUseTestRooms(name string, f file) bool {
	demo := name == "app" && strings.HasPrefix(path.Base(f.path), "demo")
	return f.test || demo || isBench(name) || isTestRoom(name)
}

// readRooms reads every Go file below cmd, internal and bench, whatever its
// build tags, so that the answer is the same on every operating system.
func readRooms(t *testing.T) map[string]room {
	t.Helper()
	rooms := map[string]room{}
	for _, top := range []string{"cmd", "internal", "bench"} {
		err := filepath.WalkDir(top, func(at string, entry fs.DirEntry, err error) error {
			switch {
			case os.IsNotExist(err) && at == top:
				return nil
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "testdata":
				return fs.SkipDir
			case entry.IsDir() || path.Ext(at) != ".go":
				return nil
			}
			at = filepath.ToSlash(at)
			name := roomName(path.Dir(at))
			r := rooms[name]
			r.name, r.files = name, append(r.files, readFile(t, at))
			rooms[name] = r
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(rooms) == 0 {
		t.Fatal("no Go files below cmd, internal or bench; the test must run at the module's root")
	}
	return rooms
}

func roomName(folder string) string {
	return strings.TrimPrefix(folder, "internal/")
}

func readFile(t *testing.T, at string) file {
	t.Helper()
	source, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), at, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	f := file{
		path:  at,
		test:  strings.HasSuffix(at, "_test.go"),
		lines: strings.Count(string(source), "\n"),
		doc:   parsed.Doc != nil,
	}
	for _, spec := range parsed.Imports {
		if imported, ours := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), module); ours {
			f.imports = append(f.imports, roomName(imported))
		}
	}
	for _, decl := range parsed.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			f.inits = true
		}
	}
	return f
}

var quoted = regexp.MustCompile("`([^`]+)`")

// readTable reads the rows below tableHeader: a room's name in backquotes, its
// purpose, and the rooms that it may use in backquotes.
func readTable(t *testing.T) []row {
	t.Helper()
	f, err := os.Open(page)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	var rows []row
	inside, number := false, 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimSpace(lines.Text())
		number++
		switch {
		case line == tableHeader:
			inside = true
		case !inside || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| ---"):
		case !strings.HasPrefix(line, "|"):
			inside = false
		default:
			cells := strings.Split(strings.Trim(line, "|"), "|")
			if len(cells) != 3 || !quoted.MatchString(cells[0]) {
				t.Fatalf("%s:%d: a row needs three cells, the first a room's name in backquotes", page, number)
			}
			r := row{room: quoted.FindStringSubmatch(cells[0])[1], purpose: strings.TrimSpace(cells[1]), line: number}
			for _, use := range quoted.FindAllStringSubmatch(cells[2], -1) {
				r.uses = append(r.uses, use[1])
			}
			rows = append(rows, r)
		}
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no table below the line %q", page, tableHeader)
	}
	return rows
}
