package stripe

import (
	"bytes"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// resource is what the API says about one kind of object.
type resource struct {
	object     string
	permission string
	// parameters of its list beside limit, starting_after, ending_before and expand.
	parameters []string
}

// resourceOf describes a resource that has lists of its own.
func resourceOf(name string) (resource, bool) {
	switch name {
	case "customers":
		return resource{"customer", "customer_read", []string{"created", "email", "test_clock"}}, true
	case "products":
		return resource{"product", "product_read", []string{"active", "created", "ids", "shippable", "url"}}, true
	case "prices":
		return resource{"price", "plan_read", []string{"active", "created", "currency", "product", "type"}}, true
	case "subscriptions":
		return resource{"subscription", "subscription_read", []string{"collection_method", "created", "current_period_end",
			"current_period_start", "customer", "price", "status", "test_clock"}}, true
	case "invoices":
		return resource{"invoice", "invoice_read", []string{"collection_method", "created", "customer", "status", "subscription"}}, true
	case "charges":
		return resource{"charge", "charge_read", []string{"created", "customer", "payment_intent"}}, true
	case "refunds":
		return resource{"refund", "charge_read", []string{"charge", "created", "payment_intent"}}, true
	case "disputes":
		return resource{"dispute", "dispute_read", []string{"charge", "created", "payment_intent"}}, true
	case "payment_intents":
		return resource{"payment_intent", "payment_intent_read", []string{"created", "customer"}}, true
	case "balance_transactions":
		return resource{"balance transaction", "balance_transaction_source_read", []string{"created", "currency", "source", "type"}}, true
	case "invoice_payments":
		return resource{"invoice_payment", "invoice_read", []string{"created", "invoice", "payment", "status"}}, true
	case "events":
		return resource{"event", "event_read", []string{"created", "delivery_success", "type", "types"}}, true
	case "webhook_endpoints":
		return resource{"webhook endpoint", "webhook_read", nil}, true
	}
	return resource{}, false
}

// call is one request on its way: what it asks, and the view in which it is answered.
type call struct {
	*http.Request
	key        *key
	account    *Account
	version    string
	endpoint   string
	cursorGone bool
}

// ServeHTTP answers one request of the API.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery}
	c, refused := s.accept(r, &seen)
	var hit *Fault
	if refused == nil {
		hit, refused = s.fault(c)
	}
	date, body := s.clock.Now(), []byte(nil)
	if refused == nil {
		body, date, refused = c.answer()
	}
	s.read(r)
	if hit != nil && hit.Wait != nil {
		hit.Wait(r)
	}
	if s.clock.Paced() {
		date = s.clock.Now()
	}
	status := http.StatusOK
	h := w.Header()
	if refused != nil {
		status, body = refused.status, refused.body()
		refused.headers(h)
	}
	h.Set("Date", date.UTC().Format(http.TimeFormat))
	h.Set("Content-Type", "application/json")
	h.Set("Request-Id", requestID(r, body))
	if seen.Version != "" {
		h.Set("Stripe-Version", seen.Version)
	}
	seen.Status = status
	if hit != nil && hit.breaks() {
		seen.Status = hit.broken(w, body)
	} else {
		h.Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(status)
		_, _ = w.Write(body) // a client that went away is no matter to Stripe
	}
	s.observed(seen)
}

// accept checks what comes before the endpoint itself: key, account, version of the API, rate limits.
func (s *Sim) accept(r *http.Request, seen *Request) (*call, *apiError) {
	k, a, refused := s.authorize(r)
	if refused != nil {
		return nil, refused
	}
	seen.Account, seen.Livemode = a.id, a.livemode
	c := &call{Request: r, key: k, account: a, version: r.Header.Get("Stripe-Version"), endpoint: endpointOf(r.URL.Path)}
	if c.version == "" {
		a.mu.RLock()
		c.version = a.apiVersion
		a.mu.RUnlock()
	}
	if _, ok := shapeOf(c.version); !ok {
		return nil, errVersion(c.version)
	}
	seen.Version = c.version
	return c, s.limits.allow(a, c.endpoint)
}

// answer reads the account and renders. The time that it returns is the second of the state that was read.
func (c *call) answer() ([]byte, time.Time, *apiError) {
	a := c.account
	a.mu.RLock()
	defer a.mu.RUnlock()
	now := a.sim.clock.Now()
	for {
		served := a.served.Load()
		if served >= now.Unix() || a.served.CompareAndSwap(served, now.Unix()) {
			break
		}
	}
	body, refused := c.route()
	return body, now, refused
}

func (c *call) route() ([]byte, *apiError) {
	parts := strings.Split(strings.Trim(c.URL.Path, "/"), "/")
	if c.Method != http.MethodGet || len(parts) < 2 || len(parts) > 4 || parts[0] != "v1" {
		return nil, errRoute(c.Request)
	}
	name, rest := parts[1], parts[2:]
	switch {
	case name == "account" && len(rest) == 0:
		return c.retrieve("account", c.account.id, "accounts_kyc_basic_read", "account")
	case name == "subscription_items" && len(rest) == 0:
		return c.listItems()
	case name == "invoices" && len(rest) == 2 && rest[1] == "lines":
		return c.listLines(rest[0])
	case name == "charges" && len(rest) == 2 && rest[1] == "refunds":
		return c.listRefunds(rest[0])
	}
	res, known := resourceOf(name)
	switch {
	case !known || len(rest) > 1:
		return nil, errRoute(c.Request)
	case !c.key.may(res.permission):
		return nil, errPermission(c.key.value, c.account.id, res.permission)
	case name == "webhook_endpoints":
		return c.endpoints(rest)
	case len(rest) == 1:
		return c.retrieve(name, rest[0], res.permission, res.object)
	}
	return c.list(name, res)
}

// retrieve answers with one object. Deleted ones are shown as such; events older than the retention are gone.
func (c *call) retrieve(name, id, permission, object string) ([]byte, *apiError) {
	if !c.key.may(permission) {
		return nil, errPermission(c.key.value, c.account.id, permission)
	}
	q, refused := c.parameters("expand")
	if refused != nil {
		return nil, refused
	}
	v := c.account.view(c.version)
	if v.expand, refused = expansionOf(q["expand"], name, false, v.shape); refused != nil {
		return nil, refused
	}
	o := c.account.objects[id]
	if o == nil || o.resource != name || name == "events" && o.created < c.account.reach() {
		return nil, errMissing(404, object, id, "id")
	}
	return append(v.document(o.last().st), '\n'), nil
}

// endpointOf names the endpoint of a path, with {id} for ids, as rate limits count them.
func endpointOf(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	if len(parts) > 2 {
		parts[2] = "{id}"
	}
	return "/" + strings.Join(parts, "/")
}

// requestID is made from the request and its answer, so that concurrent requests do not disturb the account's ids.
func requestID(r *http.Request, body []byte) string {
	h := uint64(14695981039346656037)
	for _, part := range [][]byte{[]byte(r.URL.String()), bytes.TrimSpace(body[:min(len(body), 256)])} {
		for _, b := range part {
			h = (h ^ uint64(b)) * 1099511628211
		}
	}
	return "req_" + random(newRand(h, 1), 14)
}
