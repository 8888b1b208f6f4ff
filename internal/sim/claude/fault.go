package claude

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// FaultKind is what goes wrong.
type FaultKind string

// The faults. Those in the first group happen instead of the work, those in the second to its answer, and those in the
// third to the results of a batch.
const (
	Overloaded   FaultKind = "overloaded"   // 529
	Broken       FaultKind = "broken"       // 500
	RateLimited  FaultKind = "rate_limited" // 429 with retry-after
	SpendLimit   FaultKind = "spend_limit"  // 429 of the month's cap, without
	UsageLimit   FaultKind = "usage_limit"  // 400: the organisation's own limit
	Unauthorized FaultKind = "unauthorized" // 401
	Unpaid       FaultKind = "unpaid"       // 402
	Forbidden    FaultKind = "forbidden"    // 403
	TooLarge     FaultKind = "too_large"    // 413
	Dropped      FaultKind = "dropped"      // the connection ends before anything is done
	HTMLError    FaultKind = "html_error"   // a proxy answers 502 with a page
	Redirected   FaultKind = "redirected"   // something sends the client, with its key, elsewhere

	Lost      FaultKind = "lost"       // the work is done and charged for, and the connection ends before the answer
	Late      FaultKind = "late"       // the work is done and charged for, and the API answers 504 in place of it
	Cut       FaultKind = "cut"        // the answer ends in its midst
	Refusal   FaultKind = "refusal"    // stop_reason refusal, HTTP 200
	MaxTokens FaultKind = "max_tokens" // stop_reason max_tokens, HTTP 200, the text cut
	Thinking  FaultKind = "thinking"   // a thinking block comes first
	Garbled   FaultKind = "garbled"    // 200 with a body that is no JSON

	Doubled       FaultKind = "doubled"        // each result comes twice
	Missing       FaultKind = "missing"        // the first result does not come
	Unreadable    FaultKind = "unreadable"     // the first result is a line that is no JSON
	ExpiredResult FaultKind = "expired_result" // the batch ends with all of its requests expired
	ErroredResult FaultKind = "errored_result" // or errored
)

// Fault makes requests go wrong until it has hit often enough or is taken back. Those of results are looked for when the
// results are asked for, except that a batch expires or errs when it ends.
type Fault struct {
	Kind  FaultKind
	Path  string // hits only addresses that end in it; "" is all
	Skip  int    // so many requests pass first
	Count int    // ends the fault after so many hits; 0 never does
	After int    // seconds of a retry-after; 0 sends none, except with RateLimited
}

// Fault makes requests go wrong; the function that it returns takes the fault back. The first that fits hits.
func (s *Sim) Fault(f Fault) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	added := &f
	s.faults = append(s.faults, added)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(other *Fault) bool { return other == added })
	}
}

// hit finds the fault that hits the request and counts it.
func (s *Sim) hit(r *http.Request) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if !strings.HasSuffix(r.URL.Path, f.Path) || f.ofResults() && !strings.HasSuffix(r.URL.Path, "/results") {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Count == 1 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		} else if f.Count > 1 {
			f.Count--
		}
		return *f, true
	}
	return Fault{}, false
}

// standing reports whether a fault of the kind is set, without counting it.
func (s *Sim) standing(kind FaultKind) bool {
	for _, f := range s.faults {
		if f.Kind == kind {
			return true
		}
	}
	return false
}

func (f Fault) ofResults() bool {
	return f.Kind == Doubled || f.Kind == Missing || f.Kind == Unreadable || f.Kind == ExpiredResult || f.Kind == ErroredResult
}

// answers reports whether the work is done all the same.
func (f Fault) answers() bool {
	switch f.Kind {
	case Lost, Late, Cut, Refusal, MaxTokens, Thinking, Garbled, Doubled, Missing, Unreadable, ExpiredResult, ErroredResult:
		return true
	default:
		return false
	}
}

// serve answers instead of the API's work.
func (f Fault) serve(w http.ResponseWriter) {
	if f.After > 0 {
		w.Header().Set("retry-after", strconv.Itoa(f.After))
	}
	switch f.Kind {
	case Overloaded:
		refuse(w, 529, "overloaded_error", "Overloaded")
	case RateLimited:
		if f.After == 0 {
			w.Header().Set("retry-after", "30")
		}
		refuse(w, http.StatusTooManyRequests, "rate_limit_error", "This request would exceed your organization's rate limit of 4,000 requests per minute.")
	case SpendLimit:
		refuseWith(w, http.StatusTooManyRequests, "rate_limit_error", "Your organization has reached its monthly spend limit.",
			map[string]any{"error_code": "enforced_spend_limit_reached"})
	case UsageLimit:
		refuse(w, http.StatusBadRequest, "invalid_request_error", "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC.")
	case Unauthorized:
		refuse(w, http.StatusUnauthorized, "authentication_error", "invalid x-api-key")
	case Unpaid:
		refuse(w, http.StatusPaymentRequired, "billing_error", "Your credit balance is too low to access the Claude API.")
	case Forbidden:
		refuse(w, http.StatusForbidden, "permission_error", "Your API key does not have permission to use the specified resource.")
	case TooLarge:
		refuse(w, http.StatusRequestEntityTooLarge, "request_too_large", "Request exceeds the maximum allowed number of bytes.")
	case HTMLError:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusBadGateway)
		_, _ = w.Write([]byte("<html><body><h1>502 Bad Gateway</h1></body></html>"))
	case Redirected:
		w.Header().Set("Location", "http://elsewhere.invalid/v1/messages")
		w.WriteHeader(http.StatusTemporaryRedirect)
	case Dropped:
		panic(http.ErrAbortHandler)
	default:
		refuse(w, http.StatusInternalServerError, "api_error", "Internal server error")
	}
}

type faultKey struct{}

func withFault(ctx context.Context, f Fault) context.Context {
	return context.WithValue(ctx, faultKey{}, f)
}

// faultOf returns the fault that hits an answer, "" for none.
func faultOf(ctx context.Context) FaultKind {
	f, _ := ctx.Value(faultKey{}).(Fault)
	return f.Kind
}

// send answers 200, or lets the answer be lost on its way.
func send(w http.ResponseWriter, r *http.Request, contentType string, body []byte) {
	w.Header().Set("Content-Type", contentType)
	switch faultOf(r.Context()) {
	case Lost:
		panic(http.ErrAbortHandler)
	case Late:
		refuse(w, http.StatusGatewayTimeout, "timeout_error", "Request timed out.")
	case Cut:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		panic(http.ErrAbortHandler)
	case Garbled:
		_, _ = w.Write([]byte(`{"id":"msg_`))
	default:
		_, _ = w.Write(body)
	}
}
