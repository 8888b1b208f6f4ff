package stripe

import (
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FaultKind is what goes wrong.
type FaultKind int

// The faults. Slow does nothing by itself but wait.
const (
	Slow FaultKind = iota
	RateLimited
	RateLimited400
	LockTimeout
	ServerError
	Unavailable
	Reset
	Truncated
	CursorGone
)

// Fault makes requests go wrong until it has hit often enough or is taken back.
type Fault struct {
	Kind FaultKind
	// Endpoint is a path with {id} for ids, such as /v1/customers/{id}, a path of one object, or empty for all.
	Endpoint string
	// Skip lets so many matching requests pass first; Count ends the fault after so many hits, 0 never does.
	Skip, Count int
	// Probability hits only some of the requests, by the sim's seed; 0 hits all.
	Probability float64
	// Reason is the Stripe-Rate-Limited-Reason; endpoint-rate when empty.
	Reason string
	// RetryAfter is given in whole seconds when positive.
	RetryAfter time.Duration
	// ShouldRetry is the Stripe-Should-Retry header: true, false or empty for none.
	ShouldRetry string
	// Wait is called after the state was read and before anything is written: a test that blocks in it makes the answer
	// late and stale.
	Wait func(*http.Request)

	hits int
}

type faults struct {
	mu   sync.Mutex
	list []*Fault
	rnd  *rand.Rand
}

// Fault makes requests of every account go wrong; the function that it returns takes the fault back.
func (s *Sim) Fault(f Fault) (remove func()) { return s.faults.add(f) }

// Fault makes requests to this account go wrong; the function that it returns takes the fault back.
func (a *Account) Fault(f Fault) (remove func()) { return a.faults.add(f) }

func (f *faults) add(one Fault) func() {
	f.mu.Lock()
	defer f.mu.Unlock()
	added := &one
	f.list = append(f.list, added)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.list = slices.DeleteFunc(f.list, func(other *Fault) bool { return other == added })
	}
}

func (f *faults) hit(c *call) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.list {
		if g.Endpoint != "" && g.Endpoint != c.endpoint && strings.TrimSuffix(g.Endpoint, "/") != c.URL.Path {
			continue
		}
		if g.Kind == CursorGone && !c.URL.Query().Has("starting_after") && !c.URL.Query().Has("ending_before") {
			continue
		}
		switch {
		case g.Skip > 0:
			g.Skip--
		case g.Count > 0 && g.hits >= g.Count:
		case g.Probability > 0 && f.rnd.Float64() >= g.Probability:
		default:
			g.hits++
			return g
		}
	}
	return nil
}

// fault finds what goes wrong with a request, and the answer where that is one of Stripe's errors.
func (s *Sim) fault(c *call) (*Fault, *apiError) {
	f := c.account.faults.hit(c)
	if f == nil {
		f = s.faults.hit(c)
	}
	if f == nil {
		return nil, nil
	}
	var e *apiError
	switch f.Kind {
	case RateLimited, RateLimited400:
		reason := f.Reason
		if reason == "" {
			reason = "endpoint-rate"
		}
		e = errRate(reason)
		if f.Kind == RateLimited400 {
			e.status, e.reason = http.StatusBadRequest, ""
		}
	case LockTimeout:
		e = invalid(http.StatusTooManyRequests, "lock_timeout", "", "This object cannot be accessed right now because another API "+
			"request or Stripe process is currently accessing it. If you see this error intermittently, retry the request.")
	case ServerError:
		e = &apiError{status: http.StatusInternalServerError, typ: "api_error", message: "An unknown error occurred."}
	case Unavailable:
		e = &apiError{status: http.StatusServiceUnavailable, typ: "api_error", message: "Stripe is temporarily unavailable. Please try again."}
	case CursorGone:
		c.cursorGone = true
	}
	if e != nil {
		e.retry = f.ShouldRetry
		if f.RetryAfter > 0 {
			e.retrySecond = strconv.Itoa(int((f.RetryAfter + time.Second - 1) / time.Second))
		}
	}
	return f, e
}

func errRate(reason string) *apiError {
	e := invalid(http.StatusTooManyRequests, "rate_limit", "",
		"Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits.")
	e.reason = reason
	return e
}

func (f *Fault) breaks() bool { return f.Kind == Reset || f.Kind == Truncated }

// broken writes half of an answer: a truncated one ends as if it were whole, a reset one takes the connection with it.
// It returns the status that the client saw.
func (f *Fault) broken(w http.ResponseWriter, body []byte) int {
	half := body[:len(body)/2]
	if f.Kind == Truncated {
		w.Header().Set("Content-Length", strconv.Itoa(len(half)))
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(half) // a client that went away is no matter to Stripe
		return http.StatusOK
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(half)
	control := http.NewResponseController(w)
	_ = control.Flush()
	conn, _, err := control.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // a connection that cannot be taken over is cut by the server itself
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
	return 0
}
