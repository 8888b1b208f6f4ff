package stripe_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
	"time"

	"memberintel/internal/sim/clock"
	simstripe "memberintel/internal/sim/stripe"
)

var day = time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC)

// world is a Stripe with one account, served over HTTP.
type world struct {
	t     *testing.T
	clock *clock.Clock
	sim   *simstripe.Sim
	acct  *simstripe.Account
	key   string
	url   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := clock.At(day)
	s := simstripe.New(c, 1)
	a := s.NewAccount(simstripe.AccountOptions{})
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return &world{t, c, s, a, a.SecretKey(), srv.URL}
}

// list is a page as the API gives it.
type list struct {
	Object  string
	Data    []map[string]any
	HasMore bool `json:"has_more"`
	URL     string
}

func (l list) ids() []string {
	var out []string
	for _, o := range l.Data {
		out = append(out, o["id"].(string))
	}
	return out
}

// get asks for a path with name, value pairs of headers and decodes the answer into v.
func (w *world) get(path string, v any, header ...string) *http.Response {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodGet, w.url+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+w.key)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		w.t.Fatalf("%s: %v\n%s", path, err, raw)
	}
	return resp
}

func (w *world) list(path string, header ...string) list {
	w.t.Helper()
	var l list
	if resp := w.get(path, &l, header...); resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s", path, resp.Status)
	}
	return l
}

func (w *world) object(path string, header ...string) map[string]any {
	w.t.Helper()
	var o map[string]any
	if resp := w.get(path, &o, header...); resp.StatusCode != http.StatusOK {
		w.t.Fatalf("%s: %s %v", path, resp.Status, o)
	}
	return o
}

// problem is the body of an error.
type problem struct {
	Error struct{ Type, Code, Message, Param string }
}

// refused asks for a path that must be answered with a status other than 200.
func (w *world) refused(path string, status int, header ...string) problem {
	w.t.Helper()
	var p problem
	if resp := w.get(path, &p, header...); resp.StatusCode != status {
		w.t.Fatalf("%s: %s, want %d (%+v)", path, resp.Status, status, p)
	}
	return p
}

// all walks a list forward to its end and returns the ids.
func (w *world) all(path string) []string {
	w.t.Helper()
	u, err := url.Parse(path)
	if err != nil {
		w.t.Fatal(err)
	}
	var out []string
	for {
		l := w.list(u.String())
		out = append(out, l.ids()...)
		if !l.HasMore {
			return out
		}
		q := u.Query()
		q.Set("starting_after", out[len(out)-1])
		u.RawQuery = q.Encode()
	}
}

// price makes a product with a price.
func (w *world) price(amount int64, interval string) string {
	p := w.acct.CreateProduct(simstripe.ProductParams{Name: "Membership"})
	return w.acct.CreatePrice(simstripe.PriceParams{Product: p, Amount: amount, Interval: interval})
}

// member makes a customer with an active monthly subscription.
func (w *world) member() (customer, subscription string) {
	w.t.Helper()
	customer = w.acct.CreateCustomer(simstripe.CustomerParams{Name: "Zoë Smith", Email: "zoe@club.example"})
	return customer, w.subscribe(simstripe.SubscriptionParams{Customer: customer, Prices: []string{w.price(4500, "month")}})
}

func (w *world) subscribe(p simstripe.SubscriptionParams) string {
	w.t.Helper()
	id, err := w.acct.CreateSubscription(p)
	w.must(err)
	return id
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) status(subscription string) string {
	w.t.Helper()
	return w.object("/v1/subscriptions/" + subscription)["status"].(string)
}

// dig follows keys and indexes into decoded JSON; nil where the way ends.
func dig(v any, path ...any) any {
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			s, _ := v.([]any)
			if p >= len(s) {
				return nil
			}
			v = s[p]
		}
	}
	return v
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
