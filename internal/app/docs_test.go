package app

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// pages are what a reader of the project reads, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	pages := map[string]string{}
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../wordpress/*.md"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %d pages, %v", pattern, len(names), err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			pages[name] = string(text)
		}
	}
	return pages
}

// Each command, flag and setting that a page names is there.
func TestPagesNameWhatIsThere(t *testing.T) {
	parser, err := kong.New(&commandLine{}, kong.Name("memberintel"), ownPipelines().vars())
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"MEMBERINTEL_SERVICE_URL": true} // a constant of the plugin
	for _, f := range parser.Model.Flags {
		known[f.Tag.Get("setting")] = true
	}
	new(Secrets).each(func(name string, _ *string) { known[name] = true })
	code := regexp.MustCompile("(?s)```sh\n.*?```|`[^`\n]+`")
	command, setting := regexp.MustCompile(`(?:^|[\s/(`+"`"+`])memberintel ([a-z-][^\n`+"`"+`#<>|)]*)`), regexp.MustCompile(`(?:MEMBERINTEL|ANTHROPIC)_[A-Z_]+`)
	found := 0
	for name, text := range pages(t) {
		for _, snippet := range code.FindAllString(text, -1) {
			for _, match := range command.FindAllStringSubmatch(snippet, -1) {
				found++
				if unknown := unknownIn(parser.Model.Node, strings.Fields(match[1])); unknown != "" {
					t.Errorf("%s names memberintel %s; there is no %s", name, match[1], unknown)
				}
			}
		}
		for _, variable := range setting.FindAllString(text, -1) {
			if !known[variable] && !strings.HasPrefix(variable, "MEMBERINTEL_TEST_") {
				t.Errorf("%s names the setting %s, which is not there", name, variable)
			}
		}
	}
	if found < 30 {
		t.Errorf("only %d commands were found", found)
	}
}

// unknownIn returns the first word of a command line that the grammar does not have, "" when it has all. Values are not looked at.
func unknownIn(node *kong.Node, words []string) string {
	for _, word := range words {
		if name, isFlag := strings.CutPrefix(word, "--"); isFlag {
			name, _, _ = strings.Cut(name, "=")
			has := false
			for _, group := range node.AllFlags(false) {
				for _, f := range group {
					has = has || f.Name == name
				}
			}
			if !has {
				return word
			}
			continue
		}
		if len(node.Children) == 0 {
			continue
		}
		var next *kong.Node
		for _, child := range node.Children {
			if child.Name == word {
				next = child
			}
		}
		if next == nil {
			return word
		}
		node = next
	}
	return ""
}

// The queries that the README prints run as they stand, for a tenant's reader.
func TestTheQueriesOfTheReadmeRun(t *testing.T) {
	d := newDesk(t)
	d.connected()
	d.sync(exitDone)
	reader := d.reader()
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```sql\n(.*?)```").FindAllStringSubmatch(pages(t)["../../README.md"], -1) {
		for query := range strings.SplitSeq(block[1], ";") {
			if strings.TrimSpace(query) == "" {
				continue
			}
			ran++
			rows, err := reader.Query(t.Context(), query)
			if err == nil {
				rows.Close()
				err = rows.Err()
			}
			if err != nil {
				t.Errorf("%s: %v", query, err)
			}
		}
	}
	if ran < 4 {
		t.Errorf("only %d queries were found", ran)
	}
}
