// Package claude is a Claude to run against: Anthropic's API at the wire, over real HTTP, with messages, token counts and
// batches. What it answers is a function of the request; by default a profile made of the text that was sent, so that
// everything works offline. It refuses what the API refuses, keeps a bill of what it would have charged for, and goes
// wrong on request: overloaded, rate limited, refusing, cut off, or with an answer that is lost on its way.
package claude

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"memberintel/internal/sim/clock"
)

// Config says what a Sim is like. Its zero value takes any key and answers by Profile.
type Config struct {
	Key       string                // what x-api-key must hold; "" takes anything but nothing
	Clock     *clock.Clock          // nil: the machine's time
	Answer    func(Question) Answer // nil: Profile
	BatchTime time.Duration         // how long a batch takes; 0 means 10 minutes
}

// Question is a request for a message.
type Question struct {
	Model     string
	System    string
	Text      string // of the user's turns
	Schema    json.RawMessage
	MaxTokens int64
	CustomID  string // "" outside of a batch
}

// Answer is what is to be said. A zero Stop means end_turn, and zero tokens are counted from the text.
type Answer struct {
	Text                                 string
	Stop                                 string
	Thinking                             string // a block ahead of the text
	Input, CacheWrite, CacheRead, Output int64
	ErrorType                            string // of a batch: the request ends as errored with it
}

// Bill is a message that was charged for.
type Bill struct {
	Model, CustomID, RequestID           string
	Input, CacheWrite, CacheRead, Output int64
	Batch                                bool
}

// Sim answers as Claude's API does. It is safe for concurrent use.
type Sim struct {
	cfg Config
	mux *http.ServeMux

	mu      sync.Mutex
	faults  []*Fault
	batches []*batch // oldest first
	bills   []Bill
	asked   []Question
	serial  int
}

// New returns a Claude that nobody has asked yet.
func New(cfg Config) *Sim {
	if cfg.Clock == nil {
		cfg.Clock = clock.Follow(time.Now(), 1)
	}
	if cfg.Answer == nil {
		cfg.Answer = Profile
	}
	if cfg.BatchTime == 0 {
		cfg.BatchTime = 10 * time.Minute
	}
	s := &Sim{cfg: cfg, mux: http.NewServeMux()}
	s.mux.HandleFunc("POST /v1/messages", s.message)
	s.mux.HandleFunc("POST /v1/messages/count_tokens", s.countTokens)
	s.mux.HandleFunc("POST /v1/messages/batches", s.createBatch)
	s.mux.HandleFunc("GET /v1/messages/batches", s.listBatches)
	s.mux.HandleFunc("GET /v1/messages/batches/{id}", s.getBatch)
	s.mux.HandleFunc("DELETE /v1/messages/batches/{id}", s.deleteBatch)
	s.mux.HandleFunc("POST /v1/messages/batches/{id}/cancel", s.cancelBatch)
	s.mux.HandleFunc("GET /v1/messages/batches/{id}/results", s.results)
	s.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "not_found_error", "Not Found")
	})
	return s
}

// ServeHTTP answers one request.
func (s *Sim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("request-id", s.name("req_"))
	if key := r.Header.Get("X-Api-Key"); key == "" || s.cfg.Key != "" && key != s.cfg.Key {
		refuse(w, http.StatusUnauthorized, "authentication_error", "invalid x-api-key")
		return
	}
	if r.Header.Get("Anthropic-Version") != "2023-06-01" {
		refuse(w, http.StatusBadRequest, "invalid_request_error", "anthropic-version: header is required")
		return
	}
	for name, left := range map[string]string{"requests": "3999", "input-tokens": "1990000", "output-tokens": "399000"} {
		w.Header().Set("anthropic-ratelimit-"+name+"-limit", "4000000")
		w.Header().Set("anthropic-ratelimit-"+name+"-remaining", left)
		w.Header().Set("anthropic-ratelimit-"+name+"-reset", s.now().Add(time.Minute).Format(time.RFC3339))
	}
	if f, hit := s.hit(r); hit && !f.answers() {
		f.serve(w)
		return
	} else if hit {
		r = r.WithContext(withFault(r.Context(), f))
	}
	s.mux.ServeHTTP(w, r)
}

// Bills returns what was charged for so far, in order.
func (s *Sim) Bills() []Bill {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Bill{}, s.bills...)
}

// Asked returns the questions that were answered so far, those of a batch when it has ended.
func (s *Sim) Asked() []Question {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Question{}, s.asked...)
}

func (s *Sim) now() time.Time { return s.cfg.Clock.Now().UTC().Truncate(time.Microsecond) }

// name makes an id that has not been there.
func (s *Sim) name(prefix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nextName(prefix)
}

func (s *Sim) nextName(prefix string) string {
	s.serial++
	return fmt.Sprintf("%s01%022d", prefix, s.serial)
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, status int, kind, message string) {
	refuseWith(w, status, kind, message, nil)
}

func refuseWith(w http.ResponseWriter, status int, kind, message string, details map[string]any) {
	reply(w, status, errorBody(kind, message, w.Header().Get("request-id"), details))
}

func errorBody(kind, message, request string, details map[string]any) map[string]any {
	inner := map[string]any{"type": kind, "message": message}
	if details != nil {
		inner["details"] = details
	}
	return map[string]any{"type": "error", "error": inner, "request_id": request}
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
