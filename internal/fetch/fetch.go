// Package fetch asks websites that the service does not control. Whatever they do, it ends in time, in memory
// and at a public address, and what went wrong is told as a fault with a sentence and a checklist for the
// site's owner. Site joins it with care: one request at a time, at the site's pace, never while it is left in
// peace. There are no retries here; who asks decides.
//
// Each request has a connection of its own. One that is kept open holds a worker of a small host, and a
// request that goes out on a kept connection can be sent twice without anybody asking for it, which a site
// that remembers nonces would refuse.
package fetch

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Config is what a Client is made of. A zero field takes its default.
type Config struct {
	// UserAgent says honestly who asks, default "memberintel". Firewalls know some words: it should not
	// hold "bot" or "crawler", and it cannot be the one of Go's library.
	UserAgent    string
	MaxBytes     int64          // of an answer, unpacked, default 16 MiB
	MaxRedirects int            // within the site, default 5
	Allow        []netip.Prefix // addresses that the guard lets through although they are not public
	Resolver     *net.Resolver  // nil: the system's
	Roots        *x509.CertPool // who may vouch for a site; nil: the system's

	// Now and After are the clock; nil is the machine's. After's channel is read when the time is over; the
	// function stops it.
	Now   func() time.Time
	After func(d time.Duration) (<-chan time.Time, func() bool)
}

// Client sends requests. It is safe for concurrent use.
type Client struct {
	cfg       Config
	transport *http.Transport
}

// New makes a client.
func New(cfg Config) *Client {
	if cfg.UserAgent == "" {
		cfg.UserAgent = "memberintel"
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 16 << 20
	}
	if cfg.MaxRedirects <= 0 {
		cfg.MaxRedirects = 5
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.After == nil {
		cfg.After = after
	}
	return &Client{cfg: cfg, transport: newTransport(cfg)}
}

// Request is what a site is asked. It is sent with GET, or with POST where there is a Body.
type Request struct {
	URL       string
	Header    http.Header // beside User-Agent; may be nil
	UserAgent string      // "": the client's
	Body      []byte      // nil: GET
	JSON      bool        // the answer must hold JSON: anything else is a fault
	MaxBytes  int64       // of the answer, unpacked; 0: the client's
	Cut       bool        // a larger answer is read up to there and is of use; without, it is a fault

	// Anywhere follows redirects to other sites too, and from https to http. It is for requests that hold nothing
	// secret. May is asked before each redirect that would be followed; nil allows all, and false is Disallowed.
	Anywhere bool
	May      func(next *url.URL) bool

	// Own looks at an answer that came whole, before anything else does; nil looks at nothing. It returns true
	// where the program that was asked has answered, which alone knows what its statuses mean: then the error,
	// a fault with a Failure as its cause, stands as it is. Otherwise the answer is searched for what is wrong
	// with the site, and the error stands where nothing is found.
	Own func(Response) (bool, error)
}

// Response is a site's answer, its body read.
type Response struct {
	Status   int // 0: none came
	Header   http.Header
	Body     []byte
	URL      string // where it came from, after redirects
	Cut      bool   // Body is the beginning of a larger one
	Took     time.Duration
	Requests int // how many were sent, redirects included
}

// Do sends the request and reads the answer, both within timeout. An error is a fault whose cause tells the
// Symptom, except when ctx has ended: then it is ctx's. The answer is returned beside the fault where one
// came, since a pipeline may know what the site means by it.
func (c *Client) Do(ctx context.Context, r Request, timeout time.Duration) (Response, error) {
	target, err := parse(r.URL)
	if err != nil {
		return Response{}, err
	}
	limited, cancel := c.within(ctx, timeout)
	defer cancel()
	start := c.cfg.Now()
	resp, err := c.send(limited, r)
	resp.Took = c.cfg.Now().Sub(start)
	if ctx.Err() != nil {
		return resp, ctx.Err()
	}
	// What came whole too late may not be whole: a site that notices that nobody reads ends its answer well.
	if resp.Took >= timeout || errors.Is(context.Cause(limited), errTimeout) {
		err = errTimeout
	}
	var said error
	if err == nil && r.Own != nil {
		var own bool
		if own, said = r.Own(resp); own {
			return resp, said
		}
	}
	if found := diagnose(resp, err, r.JSON); found != nil {
		found.pages = !r.JSON
		return resp, found.fault(target.Host, timeout, resp, c.cfg.Now())
	}
	return resp, said
}

// send follows redirects within the site and reads the body.
func (c *Client) send(ctx context.Context, r Request) (Response, error) {
	method, body := http.MethodGet, io.Reader(http.NoBody)
	if r.Body != nil {
		method = http.MethodPost
	}
	if len(r.Body) > 0 {
		body = newBody(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, method, r.URL, body)
	if err != nil {
		return Response{}, err
	}
	req.ContentLength = int64(len(r.Body)) // in chunks, some hosts lose a body on its way to PHP
	for name, values := range r.Header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", cmp.Or(r.UserAgent, c.cfg.UserAgent))
	if r.JSON && req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json") // WordPress tells its troubles in JSON then
	}
	trail := &trail{left: c.cfg.MaxRedirects, anywhere: r.Anywhere, may: r.May}
	follower := http.Client{Transport: c.transport, CheckRedirect: trail.follow}
	resp, err := follower.Do(trail.watch(req))
	if err != nil && trail.handshakeFailed.Load() {
		err = fmt.Errorf("%w: %w", errHandshake, err)
	}
	answer := Response{Requests: 1 + trail.followed}
	if resp != nil {
		answer.Status, answer.Header, answer.URL = resp.StatusCode, resp.Header, resp.Request.URL.String()
		defer resp.Body.Close()
	}
	if err != nil {
		return answer, err
	}
	limit := r.MaxBytes
	if limit <= 0 {
		limit = c.cfg.MaxBytes
	}
	answer.Body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if int64(len(answer.Body)) > limit {
		answer.Body, answer.Cut, err = answer.Body[:limit], true, nil
		if !r.Cut {
			err = errTooLarge
		}
	}
	return answer, err
}

// within ends the context with errTimeout after d.
func (c *Client) within(ctx context.Context, d time.Duration) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	over, stop := c.cfg.After(d)
	go func() {
		if wait(ctx, over) == nil {
			cancel(errTimeout)
		}
	}()
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// after is the machine's clock.
func after(d time.Duration) (<-chan time.Time, func() bool) {
	timer := time.NewTimer(d)
	return timer.C, timer.Stop
}

// wait returns nil when the time is over, and ctx's error when that has ended before.
func wait(ctx context.Context, over <-chan time.Time) error {
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
