package stripe

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"memberintel/internal/fault"
)

const testKey = "rk_test_51NotAKeyOfAnybody"

// stage is a server that answers what a test says, and a client of it that waits without waiting.
type stage struct {
	*Client
	mu     sync.Mutex
	asked  []*http.Request
	slept  []time.Duration
	seen   []string
	server *httptest.Server
}

func newStage(t *testing.T, answer http.HandlerFunc, set ...func(*ClientConfig)) *stage {
	t.Helper()
	s := &stage{}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r)
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.server.Close)
	cfg := ClientConfig{
		BaseURL: s.server.URL, APIVersion: "2026-08-26.dahlia", Credential: Credential{Key: testKey},
		Pacer: NewPacer(Limits{Endpoint: 1e6, Account: 1e6, Burst: 1000}), HTTP: s.server.Client(),
		Sleep: func(ctx context.Context, d time.Duration) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.slept = append(s.slept, d.Round(100*time.Millisecond))
			return ctx.Err()
		},
		OnRequest: func(endpoint string, status int, _ time.Duration) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.seen = append(s.seen, fmt.Sprint(endpoint, " ", status))
		},
	}
	for _, f := range set {
		f(&cfg)
	}
	client, err := NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Client = client
	return s
}

// inTurn answers each request with the next of the handlers, and the last one ever after.
func inTurn(handlers ...http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		h := handlers[0]
		if len(handlers) > 1 {
			handlers = handlers[1:]
		}
		mu.Unlock()
		h(w, r)
	}
}

func say(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}
}

func refuse(status int, kind, code, param, message string, header ...string) http.HandlerFunc {
	body, _ := json.Marshal(map[string]any{"error": map[string]string{"type": kind, "code": code, "param": param, "message": message}})
	return say(status, string(body), header...)
}

const emptyList = `{"object":"list","data":[],"has_more":false}`

func TestARequestCarriesCredentialAndVersion(t *testing.T) {
	s := newStage(t, say(200, emptyList, "Stripe-Version", "2025-01-01.acacia", "Date", "Sun, 01 Nov 2026 12:00:00 GMT"),
		func(c *ClientConfig) { c.Credential.Account = "acct_1" })
	page, err := s.List(t.Context(), "/v1/customers", url.Values{"created[gte]": {"5"}})
	if err != nil {
		t.Fatal(err)
	}
	r := s.asked[0]
	got := []string{r.Method, r.URL.String(), r.Header.Get("Authorization"), r.Header.Get("Stripe-Account"), r.Header.Get("Stripe-Version"), r.Header.Get("Accept-Encoding")}
	want := []string{"GET", "/v1/customers?created%5Bgte%5D=5&limit=100", "Bearer " + testKey, "acct_1", "2026-08-26.dahlia", "gzip"}
	wantSame(t, []any{got, page.APIVersion, s.seen}, []any{want, "2025-01-01.acacia", []string{"/v1/customers 200"}})

	date := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	if from := date.Sub(page.Observed.From); from < time.Second || from > 5*time.Second || page.Observed.From.Nanosecond() != 0 {
		t.Errorf("observed from %v", page.Observed.From)
	}
	if until := page.Observed.Until.Sub(date); until < 0 || until > 4*time.Second || !page.Observed.Fetched {
		t.Errorf("observed until %v", page.Observed.Until)
	}
}

func TestWithoutADateNothingIsKnownOfAge(t *testing.T) {
	for _, date := range []string{"", "yesterday"} {
		s := newStage(t, say(200, emptyList, "Date", date))
		if date == "" {
			s = newStage(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Date"] = nil
				fmt.Fprint(w, emptyList)
			})
		}
		if _, err := s.List(t.Context(), "/v1/customers", nil); !fault.Is(err, fault.Schema) {
			t.Errorf("%q: got %v", date, err)
		}
	}
}

func TestWhatPassesIsTriedAgain(t *testing.T) {
	broken := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		fmt.Fprint(w, `{"object":"list"`)
	}
	reset := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	for name, trouble := range map[string]http.HandlerFunc{
		"500":                    say(500, "oops"),
		"503":                    say(503, ""),
		"409":                    refuse(409, "idempotency_error", "", "", ""),
		"429":                    refuse(429, "invalid_request_error", "rate_limit", "", ""),
		"429 lock":               refuse(429, "invalid_request_error", "lock_timeout", "", ""),
		"400 limit":              refuse(400, "invalid_request_error", "rate_limit", "", ""),
		"400 limit by type":      refuse(400, "rate_limit_error", "", "", ""),
		"402 that says so":       refuse(402, "api_error", "", "", "", "Stripe-Should-Retry", "true"),
		"a body that breaks off": broken,
		"a body that is cut":     say(200, `{"object":"list","data":[`),
		"a page of a proxy":      say(200, "<html>"),
		"a connection reset":     reset,
	} {
		s := newStage(t, inTurn(trouble, trouble, say(200, emptyList)))
		if _, err := s.List(t.Context(), "/v1/customers", nil); err != nil || len(s.asked) != 3 || len(s.slept) != 2 {
			t.Errorf("%s: %v after %d requests, slept %v", name, err, len(s.asked), s.slept)
		}
	}
}

func TestAttemptsAreBounded(t *testing.T) {
	for status, want := range map[int]fault.Kind{500: fault.Unavailable, 409: fault.Unavailable, 429: fault.RateLimited} {
		s := newStage(t, say(status, "", "Retry-After", "120"), func(c *ClientConfig) { c.MaxAttempts = 3 })
		_, err := s.List(t.Context(), "/v1/customers", nil)
		var f *fault.Error
		if !errors.As(err, &f) || f.Kind != want || f.Status != status || f.RetryAfter != 2*time.Minute || len(s.asked) != 3 {
			t.Errorf("%d: %v after %d requests", status, err, len(s.asked))
		}
		wantSame(t, []any{s.slept}, []any{[]time.Duration{time.Minute, time.Minute}})
	}
}

func TestWaitsGrowUnlessStripeNamesThem(t *testing.T) {
	s := newStage(t, inTurn(say(500, ""), say(500, ""), say(500, ""), say(500, "", "Retry-After", "7"),
		say(429, "", "Retry-After", time.Now().Add(20*time.Second).UTC().Format(http.TimeFormat)), say(200, emptyList)))
	if _, err := s.List(t.Context(), "/v1/customers", nil); err != nil {
		t.Fatal(err)
	}
	for i, most := range []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second} {
		if got := s.slept[i]; got < most/2-100*time.Millisecond || got > most {
			t.Errorf("wait %d was %v", i, got)
		}
	}
	if s.slept[3] != 7*time.Second || s.slept[4] < 18*time.Second || s.slept[4] > 20*time.Second {
		t.Errorf("got %v", s.slept)
	}
}

func TestALimitPausesWhatItIsAbout(t *testing.T) {
	for reason, paused := range map[string][]string{
		"global-rate": {"customers", "charges"}, "global-concurrency": {"customers", "charges"},
		"endpoint-rate": {"customers"}, "endpoint-concurrency": {"customers"}, "": {"customers"}, "resource-specific": {},
	} {
		s := newStage(t, inTurn(say(429, "", "Retry-After", "30", "Stripe-Rate-Limited-Reason", reason), say(200, emptyList)),
			func(c *ClientConfig) { c.MaxAttempts = 1 })
		_, _ = s.List(t.Context(), "/v1/customers", nil)
		var got []string
		for _, list := range []string{"customers", "charges"} {
			s.slept = nil
			if _, err := s.List(t.Context(), "/v1/"+list, nil); err != nil {
				t.Fatal(err)
			}
			if len(s.slept) > 0 {
				got = append(got, list)
			}
		}
		if strings.Join(got, " ") != strings.Join(paused, " ") {
			t.Errorf("%s: paused %v, want %v", reason, got, paused)
		}
	}
}

func TestRefusalsAreClassed(t *testing.T) {
	const message = "No such thing."
	for _, c := range []struct {
		name   string
		answer http.HandlerFunc
		list   bool
		want   fault.Kind
		says   string
	}{
		{"401", refuse(401, "invalid_request_error", "", "", "Invalid API Key provided: rk_test_****body"), true, fault.Unauthorized, "refuses the key"},
		{"403", refuse(403, "invalid_request_error", "", "", "needs rak_customer_read"), true, fault.NotPermitted, "rak_customer_read"},
		{"404 list", refuse(404, "invalid_request_error", "", "", message), true, fault.NotPermitted, message},
		{"404 object", refuse(404, "invalid_request_error", "resource_missing", "id", message), false, fault.NotFound, "/v1/customers/{id}"},
		{"cursor", refuse(400, "invalid_request_error", "resource_missing", "starting_after", message), true, fault.BadCursor, "again"},
		{"cursor back", refuse(400, "invalid_request_error", "resource_missing", "ending_before", message), true, fault.BadCursor, "again"},
		{"400", refuse(400, "invalid_request_error", "parameter_unknown", "x", message), true, fault.Invalid, message},
		{"a refusal in no JSON", say(400, "<html>"), true, fault.Invalid, "status 400"},
		{"302", say(302, "", "Location", "https://example.org/"), true, fault.Schema, "status 302"},
		{"204", say(204, ""), true, fault.Schema, "status 204"},
		{"500 that says no", say(500, "", "Stripe-Should-Retry", "false"), true, fault.Unavailable, "trouble"},
		{"429 that says no", say(429, "", "Stripe-Should-Retry", "false"), true, fault.RateLimited, "fewer"},
		{"not a list", say(200, `{"object":"customer"}`), true, fault.Schema, "not a list"},
		{"a list of no kind", say(200, `{"object":"list","data":{},"has_more":false}`), true, fault.Schema, "not a list"},
		{"a list without an end", say(200, `{"object":"list","data":[]}`), true, fault.Schema, "not a list"},
		{"an array", say(200, `[]`), true, fault.Schema, "not a list"},
		{"no object", say(200, `7`), false, fault.Schema, "not an object"},
		{"too deep", say(200, strings.Repeat("[", 1<<20)), true, fault.Schema, "too deep"},
	} {
		s := newStage(t, c.answer)
		var err error
		if c.list {
			_, err = s.List(t.Context(), "/v1/customers", nil)
		} else {
			_, err = s.Get(t.Context(), "/v1/customers/cus_1", nil)
		}
		if !fault.Is(err, c.want) || !strings.Contains(fault.Sentence(err), c.says) || len(s.asked) != 1 {
			t.Errorf("%s: %v after %d requests", c.name, err, len(s.asked))
		}
	}
}

func TestAnEndedContextIsNoFaultOfStripes(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err := s.List(ctx, "/v1/customers", nil); !errors.Is(err, context.Canceled) || fault.KindOf(err) != "" {
		t.Errorf("got %v", err)
	}
}

func TestAnAttemptThatHangsIsGivenUp(t *testing.T) {
	s := newStage(t, inTurn(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, say(200, emptyList)),
		func(c *ClientConfig) { c.Timeout = 50 * time.Millisecond })
	if _, err := s.List(t.Context(), "/v1/customers", nil); err != nil || len(s.asked) < 2 || s.seen[0] != "/v1/customers 0" {
		t.Errorf("%v after %v", err, s.seen)
	}
}

func TestAllPagesAreRead(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		after, _ := strconv.Atoi(strings.TrimPrefix(r.URL.Query().Get("starting_after"), "cus_"))
		limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
		fmt.Fprint(w, `{"object": "list", "has_more": `, after+limit < 250, `, "data": [`)
		for i := after + 1; i <= min(after+limit, 250); i++ {
			if i > after+1 {
				fmt.Fprint(w, ", ")
			}
			fmt.Fprintf(w, `{"id": "cus_%d"}`, i)
		}
		fmt.Fprint(w, `]}`)
	})
	q := url.Values{"active": {"true"}}
	var ids []string
	err := s.ListAll(t.Context(), "/v1/customers", q, func(p Page) error {
		for _, raw := range p.Objects {
			ids = append(ids, string(raw))
		}
		return nil
	})
	if err != nil || len(ids) != 250 || ids[249] != `{"id": "cus_250"}` || len(s.asked) != 3 || len(q) != 1 {
		t.Errorf("%v, %d objects in %d pages, query %v", err, len(ids), len(s.asked), q)
	}
	if got := s.asked[2].URL.Query(); got.Get("starting_after") != "cus_200" || got.Get("active") != "true" {
		t.Errorf("got %v", got)
	}
	stop := errors.New("enough")
	if err := s.ListAll(t.Context(), "/v1/customers", nil, func(Page) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
}

func TestAListThatDoesNotAdvanceIsNotReadForEver(t *testing.T) {
	for _, body := range []string{
		`{"object":"list","data":[],"has_more":true}`, `{"object":"list","data":[{"id":"cus_1"}],"has_more":true}`,
		`{"object":"list","data":[7],"has_more":true}`,
	} {
		s := newStage(t, say(200, body))
		if err := s.ListAll(t.Context(), "/v1/customers", nil, func(Page) error { return nil }); !fault.Is(err, fault.Schema) {
			t.Errorf("%s: got %v", body, err)
		}
	}
}

func TestOneOddObjectDoesNotSpoilItsPage(t *testing.T) {
	s := newStage(t, say(200, `{"object":"list","data":[{"id":"cus_1","name":"\u0000"},7,{"id":"cus_2"}],"has_more":false}`))
	page, err := s.List(t.Context(), "/v1/customers", nil)
	if err != nil || len(page.Objects) != 3 {
		t.Fatal(page, err)
	}
}

func TestTheAccountIsTold(t *testing.T) {
	s := newStage(t, say(200, string(fixture(t, "account"))))
	account, err := s.Account(t.Context())
	if err != nil || account != (Account{ID: "acct_1PgafTB7WZ01zgkW", Country: "US", DefaultCurrency: "usd"}) || s.asked[0].URL.Path != "/v1/account" {
		t.Errorf("%+v, %v", account, err)
	}
	s = newStage(t, say(403, ""))
	if _, err := s.Account(t.Context()); !fault.Is(err, fault.NotPermitted) {
		t.Errorf("got %v", err)
	}
}

func TestACutListIsPutTogether(t *testing.T) {
	first := asAny(t, fixture(t, "subscription_item"))
	second := asAny(t, change(t, fixture(t, "subscription_item"), map[string]any{"id": "si_2"}))
	s := newStage(t, func(w http.ResponseWriter, r *http.Request) {
		more, item := true, first
		if r.URL.Query().Get("starting_after") != "" {
			more, item = false, second
		}
		w.Header().Set("Date", "Sun, 01 Nov 2026 12:00:00 GMT")
		_, _ = w.Write(asJSON(t, map[string]any{"object": "list", "data": []any{item}, "has_more": more}))
	})
	stream, _ := StreamNamed("subscriptions")
	raw := append([]byte("\n "), change(t, fixture(t, "subscription"), map[string]any{"items.has_more": true, "items.data": []any{first}})...)
	at := time.Date(2026, 11, 1, 11, 59, 0, 0, time.UTC)
	o := Object{Raw: raw, APIVersion: "v"}
	o.Observed.From, o.Observed.Until = at, at
	whole, err := s.Whole(t.Context(), stream, o)
	if err != nil {
		t.Fatal(err)
	}
	m := mapOne(t, "subscriptions", whole.Raw)
	sub := m.Batch.Subscriptions[0]
	wantSame(t, []any{m.Incomplete, len(sub.Items), sub.Items[1].SourceID, s.asked[0].URL.Query().Get("subscription"), *sub.MemberSourceID},
		[]any{"", 2, "si_2", sub.SourceID, "cus_QXg1o8vcGmoR32"})
	if !whole.Observed.From.Equal(at) || whole.Observed.Until.Before(at.Add(time.Minute)) {
		t.Errorf("observed %v to %v", whole.Observed.From, whole.Observed.Until)
	}
	asked := len(s.asked)
	same, err := s.Whole(t.Context(), stream, Object{Raw: fixture(t, "subscription")})
	if err != nil || !bytes.Equal(same.Raw, fixture(t, "subscription")) || len(s.asked) != asked {
		t.Error("a whole object was asked for again")
	}
}

func TestAnAnswerThatUnpacksWithoutEndIsRefused(t *testing.T) {
	s := newStage(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		blank := bytes.Repeat([]byte(" "), 1<<20)
		for range 70 {
			_, _ = z.Write(blank)
		}
		_ = z.Close()
	})
	if _, err := s.List(t.Context(), "/v1/customers", nil); !fault.Is(err, fault.Schema) || len(s.asked) != 1 {
		t.Errorf("%v after %d requests", err, len(s.asked))
	}
}

func TestTheKeyNeverLeaks(t *testing.T) {
	var told []string
	for _, answer := range []http.HandlerFunc{
		refuse(401, "invalid_request_error", "", "", "Invalid API Key provided: "+testKey),
		refuse(403, "invalid_request_error", "", "", testKey+" may not"),
		refuse(400, testKey, testKey, testKey, testKey+"\n"+testKey),
		say(200, testKey), say(302, "", "Location", "/"+testKey), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		s := newStage(t, answer, func(c *ClientConfig) { c.MaxAttempts = 2 })
		_, err := s.List(t.Context(), "/v1/customers", nil)
		var f *fault.Error
		if !errors.As(err, &f) {
			t.Fatal(err)
		}
		told = append(told, err.Error(), f.Sentence, fmt.Sprintf("%+v %#v", f, f.Cause), fmt.Sprintf("%+v", s.Client), fmt.Sprintf("%#v", s.Client))
		for _, r := range s.asked {
			told = append(told, r.URL.String())
		}
	}
	c := Credential{Key: testKey}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "credential", c, "config", ClientConfig{Credential: c}.Credential)
	text, _ := json.Marshal(c)
	told = append(told, log.String(), string(text), fmt.Sprintf("%v %+v %#v %s", c, ClientConfig{Credential: c}, &c, c))
	_, err := NewClient(ClientConfig{Credential: Credential{Key: testKey + "\n"}})
	told = append(told, fmt.Sprint(err))
	_, err = NewClient(ClientConfig{BaseURL: "https://" + testKey + "@example.org", Credential: c})
	told = append(told, fmt.Sprint(err))
	for _, text := range told {
		if strings.Contains(text, testKey) {
			t.Errorf("the key stands in %s", text)
		}
	}
}

func TestAClientNeedsAnAddressAndAKey(t *testing.T) {
	for _, cfg := range []ClientConfig{
		{}, {Credential: Credential{Key: "a b"}}, {Credential: Credential{Key: "sk_1", Account: "acct\r\nX: y"}},
		{BaseURL: "stripe", Credential: Credential{Key: "sk_1"}}, {BaseURL: "ftp://x", Credential: Credential{Key: "sk_1"}},
	} {
		if _, err := NewClient(cfg); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: got %v", cfg, err)
		}
	}
	if _, err := NewClient(ClientConfig{Credential: Credential{Key: "sk_1"}}); err != nil {
		t.Error(err)
	}
}
