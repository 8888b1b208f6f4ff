package website

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/guard"
	"memberintel/internal/sim/claude"
)

const secretKey = "sk-ant-api03-secret"

// api is a Claude that counts the requests which reach it.
type api struct {
	*claude.Sim
	requests atomic.Int64
	url      string
}

func newAPI(t *testing.T, cfg claude.Config) *api {
	t.Helper()
	cfg.Key = secretKey
	a := &api{Sim: claude.New(cfg)}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.requests.Add(1)
		a.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	a.url = server.URL
	return a
}

func aQuestion() question {
	return question{
		Model: "claude-haiku-5-5", System: "Describe the site.", MaxTokens: 1_200,
		Text:   `{"pages":[{"title":"Lakeside Tennis","text":"A club for people who play at weekends.\nMembership is $49 a month."}]}`,
		Schema: json.RawMessage(`{"type":"object","additionalProperties":false,"required":["pricing","audience"],"properties":{"pricing":{"type":"string"},"audience":{"type":"string"}}}`),
	}
}

func TestAQuestionIsAnswered(t *testing.T) {
	sim := newAPI(t, claude.Config{})
	got, err := newClaude(sim.url, secretKey).ask(t.Context(), aQuestion())
	if err != nil {
		t.Fatal(err)
	}
	var said map[string]string
	if err := json.Unmarshal([]byte(got.Text), &said); err != nil || said["pricing"] != "Membership is $49 a month." || said["audience"] != "A club for people who play at weekends." {
		t.Errorf("said %v: %v", said, err)
	}
	if !got.whole() || got.refused() || got.RequestID == "" {
		t.Errorf("got %+v", got)
	}
	bill := sim.Bills()[0]
	if diff := cmp.Diff(guard.Usage{Input: bill.Input, Output: bill.Output}, got.Usage); diff != "" {
		t.Error(diff)
	}
	if in, out := aQuestion().most(); in < bill.Input || out < bill.Output {
		t.Errorf("the most that it can come to is told as %d and %d, and %d and %d were charged", in, out, bill.Input, bill.Output)
	}
	if asked := sim.Asked()[0]; string(asked.Schema) != string(aQuestion().Schema) || asked.Text != aQuestion().Text || asked.System != "Describe the site." {
		t.Errorf("asked %+v", asked)
	}
}

func TestCachesCount(t *testing.T) {
	sim := newAPI(t, claude.Config{Answer: func(claude.Question) claude.Answer {
		return claude.Answer{Text: "{}", Input: 1, CacheWrite: 2, CacheRead: 3, Output: 4}
	}})
	got, err := newClaude(sim.url, secretKey).ask(t.Context(), aQuestion())
	if diff := cmp.Diff(guard.Usage{Input: 1, CacheWrite: 2, CacheRead: 3, Output: 4}, got.Usage); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func TestAnAnswerThatIsNone(t *testing.T) {
	for kind, want := range map[claude.FaultKind]struct {
		stop           string
		whole, refused bool
	}{
		claude.Refusal:   {"refusal", false, true},
		claude.MaxTokens: {"max_tokens", false, false},
		claude.Thinking:  {"end_turn", true, false},
	} {
		sim := newAPI(t, claude.Config{})
		sim.Fault(claude.Fault{Kind: kind})
		got, err := newClaude(sim.url, secretKey).ask(t.Context(), aQuestion())
		if err != nil || got.Stop != want.stop || got.whole() != want.whole || got.refused() != want.refused {
			t.Errorf("%s: %+v, %v", kind, got, err)
		}
		if strings.Contains(got.Text, "Let me look") {
			t.Errorf("%s: what it thought is in the text: %s", kind, got.Text)
		}
		if got.Usage.Input == 0 {
			t.Errorf("%s: it was paid for", kind)
		}
	}
}

func TestWhatAFailedCallMeans(t *testing.T) {
	for name, test := range map[string]struct {
		fault claude.Fault
		want  callError
	}{
		"overloaded":    {claude.Fault{Kind: claude.Overloaded}, callError{Status: 529, Type: "overloaded_error", Free: true, Retry: true}},
		"with patience": {claude.Fault{Kind: claude.Overloaded, After: 7}, callError{Status: 529, Type: "overloaded_error", Free: true, Retry: true, After: 7 * time.Second}},
		"broken":        {claude.Fault{Kind: claude.Broken}, callError{Status: 500, Type: "api_error", Free: true, Retry: true}},
		"rate limited":  {claude.Fault{Kind: claude.RateLimited}, callError{Status: 429, Type: "rate_limit_error", Free: true, Retry: true, After: 30 * time.Second}},
		"month's cap":   {claude.Fault{Kind: claude.SpendLimit}, callError{Status: 429, Type: "rate_limit_error", Free: true, Operator: true}},
		"own limit":     {claude.Fault{Kind: claude.UsageLimit}, callError{Status: 400, Type: "invalid_request_error", Free: true, Operator: true}},
		"bad key":       {claude.Fault{Kind: claude.Unauthorized}, callError{Status: 401, Type: "authentication_error", Free: true, Operator: true}},
		"unpaid":        {claude.Fault{Kind: claude.Unpaid}, callError{Status: 402, Type: "billing_error", Free: true, Operator: true}},
		"forbidden":     {claude.Fault{Kind: claude.Forbidden}, callError{Status: 403, Type: "permission_error", Free: true, Operator: true}},
		"too large":     {claude.Fault{Kind: claude.TooLarge}, callError{Status: 413, Type: "request_too_large", Free: true}},
		"too late":      {claude.Fault{Kind: claude.Late}, callError{Status: 504, Type: "timeout_error", Retry: true}},
		"a proxy":       {claude.Fault{Kind: claude.HTMLError}, callError{Status: 502, Retry: true}},
		"redirected":    {claude.Fault{Kind: claude.Redirected}, callError{Free: true, Operator: true}},
		"dropped":       {claude.Fault{Kind: claude.Dropped}, callError{Retry: true}},
		"lost":          {claude.Fault{Kind: claude.Lost}, callError{Retry: true}},
		"cut":           {claude.Fault{Kind: claude.Cut}, callError{Retry: true}},
		"garbled":       {claude.Fault{Kind: claude.Garbled}, callError{Retry: true}},
	} {
		t.Run(name, func(t *testing.T) {
			sim := newAPI(t, claude.Config{})
			sim.Fault(test.fault)
			_, err := newClaude(sim.url, secretKey).ask(t.Context(), aQuestion())
			var got *callError
			if !errors.As(err, &got) {
				t.Fatal(err)
			}
			told := err.Error()
			if strings.Contains(told, secretKey) || strings.Contains(told, "Lakeside") {
				t.Errorf("told %q", told)
			}
			if got.Status != 0 && got.RequestID == "" {
				t.Errorf("no request id in %q", told)
			}
			if diff := cmp.Diff(test.want, *got, cmp.FilterPath(func(p cmp.Path) bool {
				return p.Last().String() == ".RequestID" || p.Last().String() == ".cause"
			}, cmp.Ignore()), cmp.AllowUnexported(callError{})); diff != "" {
				t.Errorf("%q (-want +got):\n%s", told, diff)
			}
			if n := sim.requests.Load(); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestARequestThatNeverLeftIsFree(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	_, err := newClaude(server.URL, secretKey).ask(t.Context(), aQuestion())
	var got *callError
	if !errors.As(err, &got) || !got.Free || !got.Retry {
		t.Errorf("got %v", err)
	}
}

// Settled as it stands, such a usage would be free, or would fill every cap until the month ends.
func TestAUsageThatCannotBeTrueIsNotKnown(t *testing.T) {
	for _, usage := range []string{
		`{"input_tokens":1,"output_tokens":-2}`, `{"input_tokens":1,"output_tokens":4600000000000000000}`, `{"input_tokens":1e30,"output_tokens":2}`, `{"output_tokens":2}`,
		`{"input_tokens":1}`, `{"input_tokens":1,"output_tokens":2,"cache_read_input_tokens":9000000000000000000}`, `{}`,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"{}"}],"stop_reason":"end_turn","usage":` + usage + `}`))
		}))
		_, err := newClaude(server.URL, secretKey).ask(t.Context(), aQuestion())
		server.Close()
		var got *callError
		if !errors.As(err, &got) || got.Free || !strings.Contains(err.Error(), "usage") {
			t.Errorf("%s: got %v, want that nobody knows what it cost", usage, err)
		}
	}
}

func TestTheAPIRefusesWhatItDoesNotTake(t *testing.T) {
	sim := newAPI(t, claude.Config{})
	q := aQuestion()
	q.Schema = json.RawMessage(`{"type":"object","properties":{"a":{"type":"string","maxLength":5}},"additionalProperties":false}`)
	_, err := newClaude(sim.url, secretKey).ask(t.Context(), q)
	var got *callError
	if !errors.As(err, &got) || got.Status != 400 || !got.Free || got.Retry || got.Operator || !strings.Contains(err.Error(), "maxLength") {
		t.Errorf("got %v", err)
	}
	q = aQuestion()
	q.Model = "claude-unknown"
	if _, err = newClaude(sim.url, secretKey).ask(t.Context(), q); !errors.As(err, &got) || got.Status != 404 {
		t.Errorf("got %v", err)
	}
}

func TestTheEnvironmentIsNotAsked(t *testing.T) {
	t.Setenv("ANTHROPIC_API_KEY", "sk-of-the-environment")
	t.Setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
	t.Setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Api-Key: another")
	sim := newAPI(t, claude.Config{})
	if _, err := newClaude(sim.url, secretKey).ask(t.Context(), aQuestion()); err != nil {
		t.Error(err)
	}
}
