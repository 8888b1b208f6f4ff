package claude_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/sim/claude"
	"memberintel/internal/sim/clock"
)

type world struct {
	t     *testing.T
	sim   *claude.Sim
	clock *clock.Clock
	url   string
}

func newWorld(t *testing.T, cfg claude.Config) *world {
	t.Helper()
	w := &world{t: t, clock: clock.At(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))}
	cfg.Clock, cfg.Key = w.clock, "key"
	w.sim = claude.New(cfg)
	server := httptest.NewServer(w.sim)
	t.Cleanup(server.Close)
	w.url = server.URL
	return w
}

// do sends a request and returns the status, the request's id and the body.
func (w *world) do(method, path, body string) (int, http.Header, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, bytes.NewBufferString(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-Api-Key", "key")
	r.Header.Set("Anthropic-Version", "2023-06-01")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

func (w *world) json(method, path, body string) (object map[string]any) {
	w.t.Helper()
	status, _, text := w.do(method, path, body)
	if err := json.Unmarshal([]byte(text), &object); err != nil || status != 200 {
		w.t.Fatalf("%s %s: %d %s", method, path, status, text)
	}
	return object
}

const asked = `{"model":"claude-haiku-5-5","max_tokens":500,"messages":[{"role":"user","content":"A club for players.\nIt costs $9."}]`

func TestWhatTheAPIRefuses(t *testing.T) {
	w := newWorld(t, claude.Config{})
	for body, want := range map[string]string{
		`{`: "invalid_request_error",
		`{"model":"claude-haiku-5-5","messages":[{"role":"user","content":"x"}]}`:           "invalid_request_error",
		`{"model":"claude-none","max_tokens":5,"messages":[{"role":"user","content":"x"}]}`: "not_found_error",
		asked + `,"temperature":0.2}`:                                  "invalid_request_error",
		asked + `,"top_p":0.2}`:                                        "invalid_request_error",
		asked + `,"colour":"red"}`:                                     "invalid_request_error",
		asked + `,"tool_choice":{"type":"tool","name":"x"}}`:           "invalid_request_error",
		asked + `,"thinking":{"type":"enabled","budget_tokens":2000}}`: "invalid_request_error",
		`{"model":"claude-haiku-5-5","max_tokens":5,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"{"}]}`:     "invalid_request_error",
		asked + `,"output_config":{"format":{"type":"json_schema","schema":{"type":"object","properties":{}}}}}`:                        "invalid_request_error",
		asked + `,"output_config":{"format":{"type":"json_schema","schema":{"type":"array","items":{"type":"string","maxLength":3}}}}}`: "invalid_request_error",
	} {
		status, header, text := w.do("POST", "/v1/messages", body)
		var got struct {
			Type      string
			Error     struct{ Type, Message string }
			RequestID string `json:"request_id"`
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil || got.Type != "error" || got.Error.Type != want || got.Error.Message == "" ||
			got.RequestID == "" || header.Get("Request-Id") != got.RequestID || status < 400 {
			t.Errorf("%s: %d %s", body, status, text)
		}
	}
	if n := len(w.sim.Bills()); n != 0 {
		t.Errorf("%d were charged for", n)
	}
}

func TestTokensAreCountedForNothing(t *testing.T) {
	w := newWorld(t, claude.Config{})
	counted := w.json("POST", "/v1/messages/count_tokens", strings.Replace(asked, `"max_tokens":500,`, "", 1)+"}")
	w.json("POST", "/v1/messages", asked+"}")
	if bills := w.sim.Bills(); len(bills) != 1 || counted["input_tokens"] != float64(bills[0].Input) {
		t.Errorf("counted %v, charged %+v", counted, bills)
	}
}

func batchOf(n int) string {
	requests := make([]string, n)
	for i := range requests {
		requests[i] = fmt.Sprintf(`{"custom_id":"q-%d","params":%s}}`, i, asked)
	}
	return `{"requests":[` + strings.Join(requests, ",") + `]}`
}

func TestTheLifeOfABatch(t *testing.T) {
	w := newWorld(t, claude.Config{})
	made := w.json("POST", "/v1/messages/batches", batchOf(3))
	path := "/v1/messages/batches/" + made["id"].(string)
	if made["processing_status"] != "in_progress" || made["results_url"] != nil || made["ended_at"] != nil {
		t.Errorf("made %v", made)
	}
	if status, _, text := w.do("GET", path+"/results", ""); status != 404 {
		t.Errorf("results of a batch that has not ended: %d %s", status, text)
	}
	if status, _, _ := w.do("DELETE", path, ""); status != 400 {
		t.Errorf("deleted while it was worked on")
	}
	w.clock.Advance(10 * time.Minute)
	ended := w.json("GET", path, "")
	if ended["processing_status"] != "ended" || ended["results_url"] == nil || ended["request_counts"].(map[string]any)["succeeded"] != 3.0 {
		t.Errorf("ended %v", ended)
	}
	_, header, text := w.do("GET", path+"/results", "")
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], `{"custom_id":"q-2","result":{"message":`) || header.Get("Content-Type") != "application/x-jsonl" {
		t.Errorf("results %s", text)
	}
	if n := len(w.sim.Bills()); n != 3 {
		t.Errorf("%d bills", n)
	}
	w.clock.Advance(30 * 24 * time.Hour)
	if old := w.json("GET", path, ""); old["archived_at"] == nil || old["results_url"] != nil {
		t.Errorf("archived %v", old)
	}
	if status, _, _ := w.do("GET", path+"/results", ""); status != 404 {
		t.Errorf("results after a month")
	}
	w.json("DELETE", path, "")
	if status, _, _ := w.do("GET", path, ""); status != 404 {
		t.Errorf("there after it was deleted")
	}
}

func TestABatchIsCanceledOrExpires(t *testing.T) {
	w := newWorld(t, claude.Config{BatchTime: 48 * time.Hour})
	canceled := "/v1/messages/batches/" + w.json("POST", "/v1/messages/batches", batchOf(1))["id"].(string)
	expired := "/v1/messages/batches/" + w.json("POST", "/v1/messages/batches", batchOf(1))["id"].(string)
	if got := w.json("POST", canceled+"/cancel", ""); got["processing_status"] != "canceling" {
		t.Errorf("got %v", got)
	}
	w.clock.Advance(24 * time.Hour)
	for path, want := range map[string]string{canceled: "canceled", expired: "expired"} {
		w.json("GET", path, "")
		if _, _, text := w.do("GET", path+"/results", ""); text != `{"custom_id":"q-0","result":{"type":"`+want+`"}}`+"\n" {
			t.Errorf("%s: %s", want, text)
		}
	}
	if n := len(w.sim.Bills()); n != 0 {
		t.Errorf("%d bills", n)
	}
}

func TestBatchesAreListedNewestFirst(t *testing.T) {
	w := newWorld(t, claude.Config{})
	var made []string
	for range 5 {
		made = append([]string{w.json("POST", "/v1/messages/batches", batchOf(1))["id"].(string)}, made...)
	}
	var listed []string
	for after := ""; ; {
		page := w.json("GET", "/v1/messages/batches?limit=2&after_id="+after, "")
		for _, b := range page["data"].([]any) {
			listed = append(listed, b.(map[string]any)["id"].(string))
		}
		if page["has_more"] != true {
			break
		}
		after = page["last_id"].(string)
	}
	if diff := cmp.Diff(made, listed); diff != "" {
		t.Error(diff)
	}
	if empty := newWorld(t, claude.Config{}).json("GET", "/v1/messages/batches", ""); len(empty["data"].([]any)) != 0 || empty["first_id"] != nil {
		t.Errorf("got %v", empty)
	}
}

func TestABatchWithTwoEqualIDsIsRefused(t *testing.T) {
	w := newWorld(t, claude.Config{})
	for _, body := range []string{strings.ReplaceAll(batchOf(2), "q-1", "q-0"), strings.ReplaceAll(batchOf(1), "q-0", "q 0"), `{"requests":[]}`} {
		if status, _, text := w.do("POST", "/v1/messages/batches", body); status != 400 {
			t.Errorf("%d %s", status, text)
		}
	}
}

// What Profile says can be found in the text, word for word, whatever the schema.
func TestAProfileQuotesTheText(t *testing.T) {
	text := "Lakeside Tennis\nA club for women who play at weekends.\nMonthly membership: $49. Yearly: $490.\nWatch 30 video lessons.\nStart your free trial."
	prompt, _ := json.Marshal(map[string]any{"pages": []map[string]string{{"url": "https://lakeside.example", "text": text}}})
	schema := `{"type":"object","additionalProperties":false,"properties":{
		"niche":{"type":"object","properties":{"value":{"type":"string"},"quote":{"type":"string"}}},
		"audience":{"type":"string"},
		"model":{"type":"string","enum":["free_trial","membership","other"]},
		"pricing_patterns":{"type":"array","items":{"type":"object","properties":{"label":{"type":"string"},"quote":{"type":"string"}}}},
		"confidence":{"type":"integer"},"open":{"type":["boolean","null"]},"note":{"anyOf":[{"type":"string"},{"type":"null"}]}}}`
	said := claude.Profile(claude.Question{Text: "Describe this site.\n" + string(prompt), Schema: json.RawMessage(schema)})
	var got struct {
		Niche    struct{ Value, Quote string }
		Audience string
		Model    string
		Pricing  []struct{ Label, Quote string } `json:"pricing_patterns"`
	}
	if err := json.Unmarshal([]byte(said.Text), &got); err != nil {
		t.Fatal(err)
	}
	if got.Audience != "A club for women who play at weekends." || got.Model != "free_trial" || len(got.Pricing) != 1 {
		t.Errorf("got %+v", got)
	}
	for _, quote := range []string{got.Niche.Quote, got.Audience, got.Pricing[0].Quote} {
		if quote == "" || !strings.Contains(text, quote) {
			t.Errorf("%q is not in the text", quote)
		}
	}
}
