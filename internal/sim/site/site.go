// Package site is a customer's website as seen from outside, which can be sick on command: the answers are
// those that WordPress, its plugins, proxies, firewalls and parking services really give. Tests mount it in
// httptest; what it answers while it is healthy is the handler that it was made with.
package site

import (
	"net/http"
	"sync"
	"time"
)

// Sickness is what is wrong with the site.
type Sickness string

// The sicknesses.
const (
	Healthy      Sickness = "healthy"
	Fatal        Sickness = "fatal"         // 500, a PHP error
	Unavailable  Sickness = "unavailable"   // 503 without a reason
	Gateway      Sickness = "gateway"       // 504 of the proxy in front
	Hanging      Sickness = "hanging"       // no answer until the client gives up
	Dripping     Sickness = "dripping"      // a byte now and then until the client gives up
	Resetting    Sickness = "resetting"     // the connection is broken off before the answer
	Truncated    Sickness = "truncated"     // the connection is broken off within the answer
	Garbage      Sickness = "garbage"       // bytes that are no HTTP
	GarbageJSON  Sickness = "garbage_json"  // 200, says JSON, and is none
	Noticed      Sickness = "noticed"       // 200, JSON after notices of PHP: an answer of use
	Drifted      Sickness = "drifted"       // 200, JSON of another shape than was agreed
	ComingSoon   Sickness = "coming_soon"   // 200, a page where data was asked for
	Maintenance  Sickness = "maintenance"   // 503 of WordPress with Retry-After
	TooMany      Sickness = "too_many"      // 429 with Retry-After
	Parked       Sickness = "parked"        // 200, a parking service's page
	ParkedAway   Sickness = "parked_away"   // 302 to a parking service
	MovedAway    Sickness = "moved_away"    // 301 to another host
	NotInstalled Sickness = "not_installed" // 302 to the installer
	Looping      Sickness = "looping"       // redirects without end
	Challenge    Sickness = "challenge"     // Cloudflare wants to see a browser
	Wordfence    Sickness = "wordfence"     // 503 of a security plugin
	ModSecurity  Sickness = "mod_security"  // 406 of the host's firewall
	SignedIn     Sickness = "signed_in"     // 401: the REST interface is for signed-in users
	Locked       Sickness = "locked"        // 401: the whole site has a password
	Missing      Sickness = "missing"       // 404 of WordPress' REST interface
	Bomb         Sickness = "bomb"          // a small answer that unpacks without end
	LongHeaders  Sickness = "long_headers"  // more headers than anybody needs
)

// Site is one website. It is safe for concurrent use.
type Site struct {
	well http.Handler

	mu       sync.Mutex
	idle     *sync.Cond
	sickness Sickness
	hook     func(*http.Request)
	requests []Request
	now      int
	most     int
}

// Request is what was asked.
type Request struct {
	Method, Path, Query string
	Header              http.Header
}

// New makes a healthy site that answers with well; nil is a small JSON object for every path.
func New(well http.Handler) *Site {
	if well == nil {
		well = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			write(w, http.StatusOK, "application/json; charset=UTF-8", `{"protocol":1,"rows":[]}`)
		})
	}
	s := &Site{well: well, sickness: Healthy}
	s.idle = sync.NewCond(&s.mu)
	return s
}

// Be makes the site sick, or Healthy again, for the requests that come from now on.
func (s *Site) Be(what Sickness) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sickness = what
}

// OnRequest has f called when a request has been counted and before it is answered: where f waits, the answer
// does. A Dripping site calls it after its first bytes.
func (s *Site) OnRequest(f func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

// Requests returns what was asked so far.
func (s *Site) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// WaitIdle returns when no request is under way: a site may be at work on one that the client gave up.
func (s *Site) WaitIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.now > 0 {
		s.idle.Wait()
	}
}

// MostAtOnce returns how many requests were under way at the same time at most.
func (s *Site) MostAtOnce() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most
}

// ServeHTTP answers as the site is at this moment.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sickness, hook := s.enter(r)
	defer s.leave()
	if hook != nil && sickness != Dripping {
		hook(r)
	}
	switch sickness {
	case Healthy:
		s.well.ServeHTTP(w, r)
	case Dripping:
		drip(w, r, hook)
	default:
		ail(sickness, w, r)
	}
}

func (s *Site) enter(r *http.Request) (Sickness, func(*http.Request)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, Request{r.Method, r.URL.Path, r.URL.RawQuery, r.Header.Clone()})
	s.now++
	s.most = max(s.most, s.now)
	return s.sickness, s.hook
}

func (s *Site) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now--
	s.idle.Broadcast()
}

// drip writes a byte now and then, and tells the hook when some have gone.
func drip(w http.ResponseWriter, r *http.Request, hook func(*http.Request)) {
	w.Header().Set("Content-Type", "application/json")
	control := http.NewResponseController(w)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		if _, err := w.Write([]byte(" ")); err != nil || control.Flush() != nil {
			return
		}
		if n == 30 && hook != nil {
			hook(r)
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
}
