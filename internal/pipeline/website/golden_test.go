package website

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memberintel/internal/sim/claude"
)

var (
	record = flag.String("record", "", "write the golden set's recordings anew: claude asks the API with ANTHROPIC_API_KEY, stand-in the simulated reader")
	model  = flag.String("model", "claude-haiku-5-5", "the model that -record claude asks")
)

// golden is a site with what anybody would say of it, and what was answered about it.
type golden struct {
	Site     string `json:"site"`
	Expected struct {
		Niche   []string `json:"niche"`  // the sentences hold one of the words
		Prices  []string `json:"prices"` // most of them are told
		Pricing []string `json:"pricing"`
		Content []string `json:"content"`
	} `json:"expected"`
	// Recordings are answers by the key of their question, so that none outlives the prompt, the shape or the text.
	Recordings map[string]recording `json:"recordings"`
}

type recording struct {
	By     string          `json:"by"` // the model; stand-in: the simulated reader, and no model at all
	Answer json.RawMessage `json:"answer"`
}

// TestGoldenSet reads recorded answers about sites of which it is known what they are. A prompt without a recording fails:
// `make eval` makes one.
func TestGoldenSet(t *testing.T) {
	files, err := filepath.Glob("testdata/golden/*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d sites, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			g, text := readGolden(t, file)
			q, err := questionAbout(g.Site, text, nil, *model)
			if err != nil {
				t.Fatal(err)
			}
			if *record != "" {
				g.Recordings = map[string]recording{q.key(): answerNow(t, q)}
				g.write(t, file)
			}
			found, ok := g.Recordings[q.key()]
			if !ok {
				t.Fatalf("there is no answer to this prompt (%.12s); `make eval` asks for one", q.key())
			}
			g.judge(t, string(found.Answer), text)
		})
	}
}

// key names the question whichever model is asked.
func (q question) key() string { return digest(q.System, q.Text, string(q.Schema)) }

func readGolden(t *testing.T, file string) (g golden, text string) {
	t.Helper()
	for _, path := range []string{file, strings.TrimSuffix(file, ".json") + ".txt"} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if path != file {
			return g, string(content)
		}
		if err := json.Unmarshal(content, &g); err != nil {
			t.Fatal(err)
		}
	}
	return g, text
}

func (g golden) write(t *testing.T, file string) {
	t.Helper()
	content, err := json.MarshalIndent(g, "", "  ")
	if err == nil {
		err = os.WriteFile(file, append(content, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// answerNow asks whom -record names.
func answerNow(t *testing.T, q question) recording {
	t.Helper()
	switch *record {
	case "stand-in":
		return recording{"stand-in", json.RawMessage(claude.Reader(claude.Question{Text: q.Text}).Text)}
	case "claude":
	default:
		t.Fatalf("-record %s: there are claude and stand-in", *record)
	}
	a, err := askForReal(t.Context(), os.Getenv("ANTHROPIC_BASE_URL"), os.Getenv("ANTHROPIC_API_KEY"), q)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d tokens in, %d out", a.Model, a.Usage.Input, a.Usage.Output)
	return recording{a.Model, json.RawMessage(a.Text)}
}

// askForReal asks Claude, and says in one sentence what to do where that does not work. Nothing was recorded then.
func askForReal(ctx context.Context, url, key string, q question) (answer, error) {
	if key == "" {
		return answer{}, errors.New("set ANTHROPIC_API_KEY to a key of Anthropic's API; nothing was recorded")
	}
	a, err := newClaude(url, key).ask(ctx, q)
	var failed *callError
	switch {
	case errors.As(err, &failed) && failed.Status == http.StatusUnauthorized:
		return a, fmt.Errorf("the API does not know the key in ANTHROPIC_API_KEY; set a valid one, nothing was recorded: %w", err)
	case err != nil:
		return a, fmt.Errorf("the API did not answer %s; nothing was recorded: %w", q.Model, err)
	case !a.whole():
		return a, fmt.Errorf("%s ended with %q; nothing was recorded", q.Model, a.Stop)
	}
	return a, nil
}

func TestWhoeverEvaluatesIsToldWhatToSet(t *testing.T) {
	api := newAPI(t, claude.Config{})
	for key, want := range map[string]string{"": "set ANTHROPIC_API_KEY", "sk-ant-api03-made-up": "does not know the key in ANTHROPIC_API_KEY", secretKey: ""} {
		a, err := askForReal(t.Context(), api.url, key, aQuestion())
		if want == "" && (err != nil || !a.whole()) || want != "" && (err == nil || !strings.Contains(err.Error(), want) || key != "" && strings.Contains(err.Error(), key)) {
			t.Errorf("with %q: %v", key, err)
		}
	}
	api.Fault(claude.Fault{Kind: claude.Refusal, Count: 1})
	if _, err := askForReal(t.Context(), api.url, secretKey, aQuestion()); err == nil || !strings.Contains(err.Error(), "refusal") {
		t.Errorf("a refusal: %v", err)
	}
}

// judge compares an answer with what is known of the site.
func (g golden) judge(t *testing.T, answer, text string) {
	t.Helper()
	d, err := decode(answer)
	if err != nil {
		t.Fatal(err)
	}
	d, ratio := ground(d, text, nil)
	p := d.profile()
	if ratio < 0.8 {
		t.Errorf("%.0f %% of it is borne out by the site's words", 100*ratio)
	}
	if p.Niche == nil || p.Positioning == nil {
		t.Fatalf("a sentence is missing: %+v", p)
	}
	says := strings.ToLower(*p.Niche + " " + *p.Positioning)
	if !slices.ContainsFunc(g.Expected.Niche, func(word string) bool { return strings.Contains(says, word) }) {
		t.Errorf("%q says nothing of %v", says, g.Expected.Niche)
	}
	var prices string
	for _, pattern := range p.PricingPatterns {
		prices += strings.Join(pattern.Prices, " ") + " "
	}
	for what, r := range map[string]float64{
		"prices":            recall(g.Expected.Prices, func(s string) bool { return strings.Contains(prices, s) }),
		"ways of charging":  recall(g.Expected.Pricing, func(s string) bool { return slices.Contains(kindsOfPricing(p), s) }),
		"kinds of contents": recall(g.Expected.Content, func(s string) bool { return slices.Contains(kindsOfContent(p), s) }),
	} {
		if r < 0.75 {
			t.Errorf("%.0f %% of the %s were told: %+v", 100*r, what, p)
		}
	}
}

func recall(expected []string, has func(string) bool) float64 {
	n := 0
	for _, one := range expected {
		if has(one) {
			n++
		}
	}
	return float64(n) / float64(len(expected))
}
