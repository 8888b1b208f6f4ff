package app

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestSettingsPageIsUpToDate(t *testing.T) {
	const path = "../../docs/settings.md"
	got := settingsPage(t)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/settings.md differs (-want +got); `make update` writes it anew:\n%s", diff)
	}
}

func settingsPage(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("# Settings\n\n" +
		"Every setting is an environment variable and a flag of every command; the flag wins. An empty variable counts as unset.\n\n" +
		"| variable | flag | default | what it is |\n| --- | --- | --- | --- |\n")
	parser, err := kong.New(&commandLine{}, kong.Name("memberintel"), ownPipelines().vars())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range parser.Model.Flags {
		if !f.Tag.Has("setting") {
			continue
		}
		preset := ""
		if f.Default != "" {
			preset = "`" + f.Default + "`"
		}
		fmt.Fprintf(&b, "| `%s` | `--%s` | %s | %s |\n", f.Tag.Get("setting"), f.Name, preset, f.Help)
	}
	b.WriteString("\n## Secrets\n\n" +
		"Secrets have no flag, because every user of a machine can read the command lines of its programs. They come from the environment; " +
		"`connect`, `serve`, `user create` and `user password` also read them from stdin, one `NAME=value` a line, where stdin is a file or a pipe. What stdin says wins.\n\n" +
		"| variable | what it is |\n| --- | --- |\n")
	for i := range reflect.TypeFor[Secrets]().NumField() {
		tag := reflect.TypeFor[Secrets]().Field(i).Tag
		fmt.Fprintf(&b, "| `%s` | %s |\n", tag.Get("setting"), tag.Get("help"))
	}
	return b.String()
}

func TestEveryCommandHelpsWithAnExample(t *testing.T) {
	parser, err := kong.New(&commandLine{}, kong.Name("memberintel"), ownPipelines().vars())
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Leaves(true) {
		words := strings.Fields(command.FullPath())[1:]
		var out, log bytes.Buffer
		code := Run(t.Context(), Process{Args: append(slices.Clip(words), "--help"), Stdout: &out, Stderr: &log})
		if code != exitDone || log.Len() > 0 || !strings.Contains(out.String(), "Example:") || !strings.Contains(out.String(), "memberintel "+strings.Join(words, " ")) {
			t.Errorf("memberintel %s --help: exit %d\n%s%s", strings.Join(words, " "), code, out.String(), log.String())
		}
	}
}

func TestHelpTellsDefaults(t *testing.T) {
	for flag, args := range map[string][]string{"--members=N": {"demo"}, "--budget-day=DOLLARS": nil} {
		var out bytes.Buffer
		Run(t.Context(), Process{Args: append(args, "--help"), Stdout: &out})
		_, after, _ := strings.Cut(out.String(), flag)
		if help, _, _ := strings.Cut(after, "\n  -"); !strings.Contains(help, "Default:") {
			t.Errorf("%s: %q", flag, help)
		}
	}
}

func TestFlagWinsOverVariableWinsOverDefault(t *testing.T) {
	for _, test := range []struct {
		env  []string
		args []string
		want string
	}{
		{nil, nil, "127.0.0.1:8080"},
		{[]string{"MEMBERINTEL_LISTEN="}, nil, "127.0.0.1:8080"},
		{[]string{"MEMBERINTEL_LISTEN=127.0.0.1:1"}, nil, "127.0.0.1:1"},
		{[]string{"MEMBERINTEL_LISTEN=127.0.0.1:1"}, []string{"--listen", "127.0.0.1:2"}, "127.0.0.1:2"},
	} {
		var out, log bytes.Buffer
		p := &program{Process: Process{Args: append([]string{"tenant", "list"}, test.args...), Stdout: &out, Stderr: &log}, env: environment(test.env)}
		if _, code := p.parse(); code != exitCodeUnwanted {
			t.Fatalf("exit %d: %s", code, log.String())
		}
		if p.Listen != test.want || p.PublicURL != "http://"+test.want {
			t.Errorf("%v %v: %s, %s", test.env, test.args, p.Listen, p.PublicURL)
		}
	}
}

func TestReachable(t *testing.T) {
	for listen, want := range map[string]string{
		":8080": "127.0.0.1:8080", "0.0.0.0:80": "127.0.0.1:80", "[::]:80": "127.0.0.1:80", "10.0.0.1:80": "10.0.0.1:80", "host:80": "host:80",
	} {
		if got := reachable(listen); got != want {
			t.Errorf("%s is reached at %s, want %s", listen, got, want)
		}
	}
}

func TestHide(t *testing.T) {
	for text, want := range map[string]string{
		"key rk_live_51abcDEF is bad":                  "key [hidden] is bad",
		"whsec_abcdefgh, sk_test_12345":                "[hidden], [hidden]",
		"x-api-key sk-ant-api03-a_b-c is bad":          "x-api-key [hidden] is bad",
		"postgres://me:s3cr3t@db.example/x":            "postgres://me:[hidden]@db.example/x",
		"host=db password=s3cr3t user=me":              "host=db password=[hidden] user=me",
		"There is no tenant \"task_force\"; try again": "There is no tenant \"task_force\"; try again",
		"it must look like smtp://user:password@host":  "it must look like smtp://user:password@host",
	} {
		if got := hide(text); got != want {
			t.Errorf("hide(%q) = %q, want %q", text, got, want)
		}
	}
}
