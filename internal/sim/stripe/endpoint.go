package stripe

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// EndpointParams describe a webhook endpoint.
type EndpointParams struct {
	URL string
	// Secrets sign each delivery, one signature each; one is made when there is none.
	Secrets []string
	// APIVersion pins the version of what is delivered; empty means the account's default of the event's day.
	APIVersion string
	// Events are the enabled types; empty means all.
	Events []string
	// Connect gives a platform the events of its connected accounts instead of its own. That of a platform's live mode
	// gets the live and the test events of those accounts.
	Connect bool
	// Manual leaves the deliveries to the test; else the background sender makes them.
	Manual bool
	// Client sends; nil means http.DefaultClient.
	Client *http.Client
	// Backoff is how long after so many failed attempts the next is made, in real time; nil means a second at first,
	// doubling up to an hour.
	Backoff func(attempts int) time.Duration
	// SignedAt is the time in the signature; nil means the sim's clock.
	SignedAt func() time.Time
}

// Endpoint is a webhook endpoint and the deliveries that wait for it.
type Endpoint struct {
	id      string
	owner   *Account
	connect bool
	params  EndpointParams
	created int64

	mu       sync.Mutex
	secrets  []string
	disabled bool
	pending  []*Delivery
	rnd      *rand.Rand
	sending  int
	answered chan struct{}
}

// Delivery is an event on its way to an endpoint.
type Delivery struct {
	EventID, Type string
	Account       string
	Livemode      bool
	// Attempts is how often it was sent without a 2xx answer, LastStatus the last answer, 0 for none.
	Attempts, LastStatus int

	event  *event
	source *Account
	next   time.Time
	busy   bool
}

// AddEndpoint registers a webhook endpoint; events made from now on are delivered to it.
func (a *Account) AddEndpoint(p EndpointParams) *Endpoint {
	a.mu.Lock()
	if len(p.Secrets) == 0 {
		p.Secrets = []string{"whsec_" + random(a.ids, 32)}
	}
	ep := &Endpoint{id: a.newID("we"), owner: a, connect: p.Connect, params: p, secrets: slices.Clone(p.Secrets),
		created: a.now(), answered: make(chan struct{}), rnd: newRand(a.sim.seed, 7+uint64(len(a.endpoints)))}
	a.endpoints = append(slices.Clone(a.endpoints), ep)
	a.mu.Unlock()
	if p.Connect {
		a.sim.mu.Lock()
		a.sim.connectTo[a] = append(slices.Clone(a.sim.connectTo[a]), ep)
		a.sim.mu.Unlock()
	}
	if !p.Manual {
		a.sim.sender.add(ep)
	}
	return ep
}

// ID returns the endpoint's id, we_....
func (ep *Endpoint) ID() string { return ep.id }

// Secrets returns the signing secrets in force.
func (ep *Endpoint) Secrets() []string {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	return slices.Clone(ep.secrets)
}

// SetSecrets replaces the signing secrets. During a rotation both the old and the new one sign.
func (ep *Endpoint) SetSecrets(secrets ...string) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.secrets = slices.Clone(secrets)
}

// Enable enables the endpoint or disables it, as Stripe does with one that
// keeps failing. A disabled endpoint gets no new events,
// and what waits for it is not sent.
func (ep *Endpoint) Enable(yes bool) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	ep.disabled = !yes
}

// queue adds an event to the endpoint's deliveries if it is enabled for it.
func (ep *Endpoint) queue(source *Account, ev *event, account string) {
	if len(ep.params.Events) > 0 && !slices.Contains(ep.params.Events, ev.typ) && !slices.Contains(ep.params.Events, "*") {
		return
	}
	ep.mu.Lock()
	enabled := !ep.disabled
	if enabled {
		ev.undelivered.Add(1)
		ep.pending = append(ep.pending, &Delivery{EventID: ev.id, Type: ev.typ, Account: account, Livemode: source.livemode,
			event: ev, source: source})
	}
	ep.mu.Unlock()
	if enabled && !ep.params.Manual {
		source.sim.sender.wake()
	}
}

// forward gives an event of a connected account to the platform's Connect endpoints, in both modes of the platform where
// they are due.
func (a *Account) forward(source *Account, ev *event) {
	platforms := []*Account{a}
	if !source.livemode {
		if live := a.sim.Account(a.id, true); live != nil && live != a {
			platforms = append(platforms, live)
		}
	}
	for _, p := range platforms {
		a.sim.mu.RLock()
		endpoints := a.sim.connectTo[p]
		a.sim.mu.RUnlock()
		for _, ep := range endpoints {
			ep.queue(source, ev, source.id)
		}
	}
}

// Signed is one delivery as it would be sent.
type Signed struct {
	Body      []byte
	Signature string
}

// sign renders a delivery and signs it with every secret in force.
func (ep *Endpoint) sign(d *Delivery) Signed {
	version := ep.params.APIVersion
	if version == "" {
		version = d.event.version
	}
	var e enc
	d.source.mu.RLock()
	d.event.renderAs(&e, d.source, version, d.Account)
	d.source.mu.RUnlock()
	at := ep.owner.sim.clock.Now()
	if ep.params.SignedAt != nil {
		at = ep.params.SignedAt()
	}
	return Signed{e.b, Sign(e.b, at, ep.Secrets()...)}
}

// Sign makes a Stripe-Signature header for a body.
func Sign(body []byte, at time.Time, secrets ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "t=%d", at.Unix())
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		fmt.Fprintf(mac, "%d.", at.Unix())
		mac.Write(body)
		b.WriteString(",v1=" + hex.EncodeToString(mac.Sum(nil)))
	}
	return b.String()
}

// send makes one attempt and returns the status of the answer.
func (ep *Endpoint) send(ctx context.Context, s Signed) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, ep.params.URL, bytes.NewReader(s.Body))
	if err != nil {
		return 0, fmt.Errorf("stripe sim: delivery: %w", err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)")
	req.Header.Set("Stripe-Signature", s.Signature)
	client := ep.params.Client
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("stripe sim: delivery: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // the answer was judged by its status
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, nil
}

// endpoints answers /v1/webhook_endpoints and one of them.
func (c *call) endpoints(rest []string) ([]byte, *apiError) {
	q, refused := c.parameters("limit", "starting_after", "ending_before", "expand")
	if refused != nil {
		return nil, refused
	}
	var ids []string
	list := slices.Clone(c.account.endpoints)
	slices.Reverse(list)
	for _, ep := range list {
		ids = append(ids, ep.id)
	}
	if len(rest) == 0 {
		return c.nestedPage(q, "/v1/webhook_endpoints", "webhook endpoint", ids, func(e *enc, i int) { list[i].render(e) })
	}
	i := slices.Index(ids, rest[0])
	if i < 0 {
		return nil, errMissing(404, "webhook endpoint", rest[0], "webhook_endpoint")
	}
	var e enc
	list[i].render(&e)
	return append(e.b, '\n'), nil
}

func (ep *Endpoint) render(e *enc) {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	e.begin('{')
	e.str("id", ep.id)
	e.str("object", "webhook_endpoint")
	e.text("api_version", ep.params.APIVersion)
	e.null("application")
	e.num("created", ep.created)
	e.null("description")
	events := ep.params.Events
	if len(events) == 0 {
		events = []string{"*"}
	}
	e.strings("enabled_events", events...)
	e.flag("livemode", ep.owner.livemode)
	e.emptyObject("metadata")
	if ep.disabled {
		e.str("status", "disabled")
	} else {
		e.str("status", "enabled")
	}
	e.str("url", ep.params.URL)
	e.close()
}
