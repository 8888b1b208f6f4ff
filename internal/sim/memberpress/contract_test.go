package memberpress_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"

	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/sim/clock"
	"memberintel/internal/sim/memberpress"
)

// contract is a file of wordpress/contract, which the plugin's tests and the service's read too.
type contract struct {
	Name, From string
	Key        struct{ ID, Secret string }
	Request    struct {
		Method, Route string
		Query         map[string]string
		Headers       map[string]string
		Body          string
	}
	Response struct {
		Status  int
		Headers map[string]string
		Body    string
		JSON    map[string]any
	}
}

func contracts(t *testing.T) map[string]contract {
	t.Helper()
	files, err := filepath.Glob("../../../wordpress/contract/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	all := map[string]contract{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c contract
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatal(file, err)
		}
		all[c.Name] = c
	}
	return all
}

// world is the site of the contract: its clock, its key and its rows.
func world(t *testing.T, all map[string]contract, without ...string) *memberpress.Site {
	t.Helper()
	now := time.Date(2026, 11, 22, 4, 30, 0, 0, time.UTC)
	s := memberpress.New(memberpress.Config{
		Clock: clock.At(now), Gateways: []memberpress.Gateway{{ID: "rk3f9a-1c2", Class: "MeprStripeGateway", Account: "acct_1QLakeside"}},
		CustomFields: []memberpress.CustomField{{Key: "mepr_phone", Name: "Phone", Type: "tel"}},
		Emails:       []memberpress.Email{{Name: "MeprUserWelcomeEmail", Enabled: true, Subject: "Welcome"}},
		Reminders:    []memberpress.Post{{ID: 90, Title: "Renews", Status: "publish"}}, Without: without,
	})
	s.SetID("6f1d1c0e-3b52-4f0e-9a55-2f6f0c1f7d10")
	connect(t, s, all["sync"])
	put[memberpress.Member](t, s, all["members"])
	put[memberpress.Transaction](t, s, all["transactions"])
	put[memberpress.Subscription](t, s, all["subscriptions"])
	put[memberpress.Product](t, s, all["products"])
	put[memberpress.Rule](t, s, all["rules"])
	put[memberpress.Coupon](t, s, all["coupons"])
	put[memberpress.Group](t, s, all["groups"])
	put[memberpress.Order](t, s, all["orders"])
	put[memberpress.Event](t, s, all["events"])
	put[memberpress.CorporateAccount](t, s, all["corporate_accounts"])
	return s
}

func connect(t *testing.T, s *memberpress.Site, c contract) {
	t.Helper()
	secret, err := base64.RawURLEncoding.DecodeString(c.Key.Secret)
	if err != nil {
		t.Fatal(err)
	}
	s.SetKey(c.Key.ID, secret)
}

// put gives the site the rows of a page, and sees that none of their fields is lost.
func put[T memberpress.Row](t *testing.T, s *memberpress.Site, c contract) {
	t.Helper()
	var page struct{ Rows []json.RawMessage }
	body, _, _ := strings.Cut(c.Response.Body, "\n")
	if err := json.Unmarshal([]byte(body), &page); err != nil || len(page.Rows) == 0 {
		t.Fatal(c.Name, err)
	}
	for _, raw := range page.Rows {
		var row T
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&row); err != nil {
			t.Fatal(c.Name, err)
		}
		s.Put(row)
	}
	for i, shown := range s.Shown(strings.TrimPrefix(c.Request.Route, "/memberintel/v1/sync/")) {
		if diff := cmp.Diff(object(t, page.Rows[i]), object(t, shown), hashes()); diff != "" {
			t.Errorf("%s: %s", c.Name, diff)
		}
	}
}

func hashes() cmp.Option {
	return cmp.FilterPath(func(p cmp.Path) bool { return strings.Contains(p.String()+p.GoString(), `"hash"`) }, cmp.Ignore())
}

func object(t *testing.T, raw []byte) (fields map[string]any) {
	t.Helper()
	if err := json.Unmarshal(raw, &fields); err != nil {
		t.Fatal(err)
	}
	return fields
}

// send sends the request of a contract as it stands.
func send(t *testing.T, s http.Handler, c contract, pretty bool) (status int, header http.Header, body string) {
	t.Helper()
	query := url.Values{}
	for key, value := range c.Request.Query {
		query.Set(key, value)
	}
	address := "https://lakeside.example/wp-json" + c.Request.Route + "?" + query.Encode()
	if !pretty {
		query.Set("rest_route", c.Request.Route)
		address = "https://lakeside.example/?" + query.Encode()
	}
	r := httptest.NewRequest(c.Request.Method, address, strings.NewReader(c.Request.Body))
	for name, value := range c.Request.Headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, w.Result().Header, string(text)
}

// TestTheSiteAnswersAsTheContractSays sends each request of the contract and compares what comes: refusals to the byte,
// everything else by fields and types, since a site's rows and watermarks are its own.
func TestTheSiteAnswersAsTheContractSays(t *testing.T) {
	all := contracts(t)
	prepare := map[string]func(*memberpress.Site){
		"error_auth_replayed":       func(s *memberpress.Site) { send(t, s, all["error_auth_replayed"], true) },
		"error_site_moved":          func(s *memberpress.Site) { s.Move("https://staging.lakeside.example") },
		"error_memberpress_missing": func(s *memberpress.Site) { s.Activate(false) },
		"error_busy":                func(s *memberpress.Site) { s.Fault(memberpress.Fault{Kind: memberpress.Busy}) },
		"error_failed":              func(s *memberpress.Site) { s.Fault(memberpress.Fault{Kind: memberpress.Failed}) },
		"connect_push": func(s *memberpress.Site) {
			s.Await("mic_Zm9vYmFyYmF6cXV4", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
		},
		"connect_push_refused": func(s *memberpress.Site) {
			s.Await("mic_Zm9vYmFyYmF6cXV4", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
		},
	}
	compared := 0
	for name, c := range all {
		if c.From != "service" {
			continue
		}
		s := world(t, all)
		if name == "error_entity_unsupported" {
			s = world(t, all, "corporate_accounts")
		}
		if f := prepare[name]; f != nil {
			f(s)
		}
		if strings.HasPrefix(name, "changes") {
			c = reading(t, s, c)
		}
		compared++
		status, header, body := send(t, s, c, name != "sync")
		if status != c.Response.Status {
			t.Errorf("%s: status %d, %s", name, status, body)
			continue
		}
		for key, want := range c.Response.Headers {
			if got := header.Get(key); got != want && (key != "X-MemberIntel-Response-Signature" || got == "" && want != "") {
				t.Errorf("%s: %s is %q, not %q", name, key, got, want)
			}
		}
		want, wantTrailer, _ := strings.Cut(c.Response.Body, "\n")
		got, trailer, _ := strings.Cut(body, "\n")
		if (trailer == "") != (wantTrailer == "") || trailer != "" && trailer != `{"mi_signature":"`+header.Get("X-MemberIntel-Response-Signature")+`"}` {
			t.Errorf("%s: trailer %q", name, trailer)
		}
		switch {
		case status != http.StatusOK && name == "error_resync_required": // its epoch is the site's own
			want = strings.Replace(want, "a3f09c51d27e4b88", s.Epoch(), 1)
			fallthrough
		case status != http.StatusOK, name == "connect_push":
			if got != want {
				t.Errorf("%s:\ngot  %s\nwant %s", name, got, want)
			}
		default:
			if diff := cmp.Diff(order(t, want), order(t, got)); diff != "" {
				t.Errorf("%s: fields %s", name, diff)
			}
			if diff := cmp.Diff(shape(object(t, []byte(want))), shape(object(t, []byte(got)))); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	}
	if compared < 28 {
		t.Errorf("%d requests", compared)
	}
}

// reading puts the site's own watermark in the place of the contract's, which another site has made, and signs anew.
func reading(t *testing.T, s *memberpress.Site, c contract) contract {
	t.Helper()
	a := ask(t, s, "/sync", nil)
	since := a.watermark
	s.Vanish("members", s.Rows("members")[0].(memberpress.Member).ID)
	query := map[string]string{"since": since, "limit": c.Request.Query["limit"]}
	switch c.Name {
	case "changes_last":
		for ask(t, s, "/sync/changes", map[string]string{"since": query["since"]}).more {
			t.Fatal("a round is not over in one request")
		}
		query["since"] = ask(t, s, "/sync/changes", map[string]string{"since": query["since"]}).watermark
	case "changes_entities":
		query["entities"] = c.Request.Query["entities"]
	case "changes_since_time":
		query["since"], query["sweep"] = "2026-11-22T04:30:00+00:00", "0"
	}
	c.Request.Headers, c.Request.Query = signedHeaders(t, s, http.MethodGet, c.Request.Route, query, "", c.Request.Headers["X-MemberIntel-Request-Id"])
	return c
}

// order is the order of the fields of an object.
func order(t *testing.T, text string) (names []string) {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	depth := 0
	for key := false; ; {
		token, err := decoder.Token()
		if err == io.EOF {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				depth++
				key = depth == 1
			} else {
				depth--
				key = depth == 1
			}
			continue
		case string:
			if depth == 1 && key {
				names = append(names, token)
				key = false
				continue
			}
		}
		key = depth == 1
	}
}

// shape is an object with types in the place of values, and of lists the first element's.
func shape(value any) any {
	switch value := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, v := range value {
			if key == "rows" || key == "deleted" || key == "custom" || key == "watermark" {
				out[key] = fmt.Sprintf("%T", v) // these differ from site to site
				continue
			}
			out[key] = shape(v)
		}
		return out
	case []any:
		if len(value) == 0 {
			return []any{}
		}
		return []any{shape(value[0])}
	case nil:
		return "null"
	default:
		return fmt.Sprintf("%T", value)
	}
}

// reply is an answer, opened.
type reply struct {
	status    int
	fields    map[string]any
	more      bool
	watermark string
	rows      []any
}

// ask sends a signed request.
func ask(t *testing.T, s *memberpress.Site, path string, query map[string]string) reply {
	t.Helper()
	var c contract
	c.Request.Method, c.Request.Route = http.MethodGet, "/memberintel/v1"+path
	c.Request.Headers, c.Request.Query = signedHeaders(t, s, http.MethodGet, c.Request.Route, query, "", "req")
	status, _, body := send(t, s, c, true)
	text, _, _ := strings.Cut(body, "\n")
	a := reply{status: status, fields: object(t, []byte(text))}
	a.more, _ = a.fields["more"].(bool)
	a.watermark, _ = a.fields["watermark"].(string)
	a.rows, _ = a.fields["rows"].([]any)
	return a
}
