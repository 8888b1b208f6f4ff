package stripe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"memberintel/internal/canonical"
	"memberintel/internal/fault"
)

// Credential is what a client shows to Stripe: a key of the account itself, or a platform's key and the
// account for which it asks. It prints as nothing, so that a key cannot slip into a log.
type Credential struct {
	Key     string
	Account string // "" when the key is the account's own
}

// String hides the key.
func (Credential) String() string { return "[hidden]" }

// GoString hides the key.
func (Credential) GoString() string { return "[hidden]" }

// LogValue hides the key.
func (Credential) LogValue() slog.Value { return slog.StringValue("[hidden]") }

// MarshalText hides the key.
func (Credential) MarshalText() ([]byte, error) { return []byte("[hidden]"), nil }

// ClientConfig is what a Client is made of. A zero field takes its default.
type ClientConfig struct {
	BaseURL    string // default https://api.stripe.com
	APIVersion string // asked of Stripe with every request; "" leaves it to the account's default
	Credential Credential
	// Pacer is the process's; nil makes one of Stripe's default limits for this client alone.
	Pacer *Pacer
	// AccountKey names the account to the Pacer. Default: the credential's account, else a hash of its key.
	AccountKey  string
	HTTP        *http.Client  // default NewHTTP(); redirects are never followed
	Timeout     time.Duration // of one attempt up to its last byte, default 80 s
	MaxAttempts int           // default 6
	InFlight    int           // requests at once, those that wait for the pace not counted; 0 is any number
	// Sleep waits between attempts and for the pace; nil is a real timer.
	Sleep func(ctx context.Context, d time.Duration) error
	// OnRequest is told of every attempt; status is 0 when no answer came. It must be safe for concurrent use.
	OnRequest func(endpoint string, status int, took time.Duration)
	// OnLimited is told of every answer that asks for patience. It must be safe for concurrent use.
	OnLimited func(scope Scope)
}

// Client reads from one Stripe account. It sends GET requests alone and is safe for concurrent use.
type Client struct {
	base        string
	version     string
	authorize   func(*http.Request) // holds the key, so that printing a Client does not
	hide        func(string) string // replaces the key in a text
	pace        func() *Pace
	http        *http.Client
	timeout     time.Duration
	maxAttempts int
	slots       chan struct{} // one for each request that may be under way; nil is any number
	sleep       sleeper
	onRequest   func(endpoint string, status int, took time.Duration)
	onLimited   func(scope Scope)
	usual       atomic.Int64 // nanoseconds to an answer, smoothed
}

// ResponseMS is how long Stripe usually takes to answer, in milliseconds; 0 before the first answer.
func (c *Client) ResponseMS() int {
	usual := time.Duration(c.usual.Load())
	if usual <= 0 {
		return 0
	}
	return max(int(usual.Milliseconds()), 1)
}

// learn smooths the time to an answer, an eighth of each new one, as TCP does. A lost update is no harm.
func (c *Client) learn(took time.Duration) {
	usual := c.usual.Load()
	if usual == 0 {
		usual = int64(took)
	}
	c.usual.Store(usual + (int64(took)-usual)/8)
}

// NewHTTP makes an HTTP client fit for Stripe, to be shared by all clients of a process. It speaks gzip and
// keeps enough connections for ranges that are read side by side.
func NewHTTP() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		MaxConnsPerHost:        256,
		IdleConnTimeout:        90 * time.Second,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}}
}

// NewClient makes a client. The error is a fault for a base URL that is none, or for a key that cannot be sent.
func NewClient(cfg ClientConfig) (*Client, error) {
	if cfg.BaseURL == "" {
		cfg.BaseURL = "https://api.stripe.com"
	}
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Host == "" || base.User != nil || base.Scheme != "https" && base.Scheme != "http" {
		return nil, fault.New(fault.Invalid, "The address of Stripe's API must look like https://api.stripe.com.")
	}
	key, account := cfg.Credential.Key, cfg.Credential.Account
	if key == "" || strings.Trim(key+account, visible) != "" {
		return nil, fault.New(fault.Invalid, "The Stripe key is empty or holds characters that no key has; copy it again from the dashboard.")
	}
	c := &Client{
		base:    strings.TrimRight(cfg.BaseURL, "/"),
		version: cfg.APIVersion,
		authorize: func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer "+key)
			if account != "" {
				r.Header.Set("Stripe-Account", account)
			}
		},
		hide:        func(s string) string { return strings.ReplaceAll(s, key, "[key]") },
		pace:        paceFor(cfg),
		http:        withoutRedirects(cfg.HTTP),
		timeout:     cfg.Timeout,
		maxAttempts: cfg.MaxAttempts,
		sleep:       cfg.Sleep,
		onRequest:   cfg.OnRequest,
		onLimited:   cfg.OnLimited,
	}
	if cfg.InFlight > 0 {
		c.slots = make(chan struct{}, cfg.InFlight)
	}
	if c.timeout <= 0 {
		c.timeout = 80 * time.Second
	}
	if c.maxAttempts <= 0 {
		c.maxAttempts = 6
	}
	if c.sleep == nil {
		c.sleep = sleep
	}
	if c.onRequest == nil {
		c.onRequest = func(string, int, time.Duration) {}
	}
	if c.onLimited == nil {
		c.onLimited = func(Scope) {}
	}
	return c, nil
}

// visible is what a key or an account's id may consist of.
const visible = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."

// paceFor finds the account's pace anew each time, because the Pacer forgets those that rest.
func paceFor(cfg ClientConfig) func() *Pace {
	pacer, account := cfg.Pacer, cfg.AccountKey
	if pacer == nil {
		pacer = NewPacer(Limits{})
	}
	if account == "" {
		account = cfg.Credential.Account
	}
	if account == "" {
		sum := sha256.Sum256([]byte(cfg.Credential.Key))
		account = hex.EncodeToString(sum[:])
	}
	return func() *Pace { return pacer.For(account) }
}

// withoutRedirects returns a client that takes a redirect for the answer: Stripe's API has none, and a key
// must not follow one.
func withoutRedirects(h *http.Client) *http.Client {
	if h == nil {
		h = NewHTTP()
	}
	own := *h
	own.Jar = nil
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// maxBody is the most of an answer that is read, unpacked. A page of 100 invoices is a few megabytes.
const maxBody = 64 << 20

// errTooLarge is told of an answer over maxBody.
var errTooLarge = errors.New("the answer is larger than 64 MiB")

// answer is one answer of Stripe's with its body read.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	latency time.Duration // from sending to the headers
}

// send makes one attempt.
func (c *Client) send(ctx context.Context, endpoint, path string, q url.Values) (answer, error) {
	if c.slots != nil {
		select {
		case c.slots <- struct{}{}:
			defer func() { <-c.slots }()
		case <-ctx.Done():
			return answer{}, ctx.Err()
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	target := c.base + path
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return answer{}, err
	}
	c.authorize(req)
	req.Header.Set("User-Agent", "memberintel")
	if c.version != "" {
		req.Header.Set("Stripe-Version", c.version)
	}
	start := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		c.onRequest(endpoint, 0, time.Since(start))
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode, header: resp.Header, latency: time.Since(start)}
	c.learn(a.latency)
	a.body, err = readAll(resp)
	c.onRequest(endpoint, resp.StatusCode, time.Since(start))
	return a, err
}

// readAll reads a body at once where its size is told, and never more than maxBody.
func readAll(resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errTooLarge
	}
	return body, err
}

// observed is the span in which the answer's content was read, on Stripe's clock. It rests on the Date header
// alone, so an answer without one cannot be used.
func (a answer) observed() (canonical.Observation, error) {
	date, err := http.ParseTime(a.header.Get("Date"))
	if err != nil {
		return canonical.Observation{}, fault.Wrap(fault.Schema, err,
			"Stripe's answer does not say when it was made, so its age is unknown; look for a proxy that takes the Date header away.")
	}
	return canonical.Observation{
		From:    floorSecond(date.Add(-a.latency)),
		Until:   floorSecond(date.Add(a.latency)),
		Fetched: true,
	}, nil
}

func floorSecond(t time.Time) time.Time { return time.Unix(t.Unix(), 0).UTC() }

// apiVersion is the version that rendered the answer.
func (c *Client) apiVersion(a answer) string {
	if v := a.header.Get("Stripe-Version"); v != "" {
		return v
	}
	return c.version
}

// endpointOf is the path without ids: what Stripe counts, and few enough for a metric's label.
func endpointOf(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i := 2; i < len(parts); i += 2 {
		parts[i] = "{id}"
	}
	return "/" + strings.Join(parts, "/")
}
