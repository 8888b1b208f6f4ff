package claude

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

const (
	largestRequest = 32 << 20
	largestBatch   = 256 << 20
)

// message answers POST /v1/messages.
func (s *Sim) message(w http.ResponseWriter, r *http.Request) {
	params, ok := readParams(w, r)
	if !ok {
		return
	}
	said := s.answer(params.question(""), faultOf(r.Context()))
	if status, ok := statusOf[said.ErrorType]; ok {
		refuse(w, status, said.ErrorType, "It was to go wrong.")
		return
	}
	body, err := json.Marshal(s.charge(params, said, "", w.Header().Get("request-id")))
	if err != nil {
		refuse(w, http.StatusInternalServerError, "api_error", err.Error())
		return
	}
	send(w, r, "application/json", body)
}

// countTokens answers POST /v1/messages/count_tokens, which costs nothing.
func (s *Sim) countTokens(w http.ResponseWriter, r *http.Request) {
	params, ok := readParams(w, r)
	if ok {
		reply(w, http.StatusOK, map[string]int64{"input_tokens": tokens(params.System.text()+params.text()) + 20})
	}
}

func readParams(w http.ResponseWriter, r *http.Request) (params, bool) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestRequest))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, "request_too_large", "Request exceeds the maximum allowed number of bytes.")
		return params{}, false
	}
	p, problem := parse(raw)
	if problem == nil && strings.HasSuffix(r.URL.Path, "/count_tokens") {
		p.MaxTokens = 1
	}
	if problem == nil {
		problem = p.validate()
	}
	if problem != nil {
		refuse(w, problem.status, problem.kind, problem.message)
		return params{}, false
	}
	return p, true
}

// answer asks the function and does to its answer what the fault says.
func (s *Sim) answer(q Question, fault FaultKind) Answer {
	a := s.cfg.Answer(q)
	switch fault {
	case Refusal:
		a = Answer{Stop: "refusal", Text: ""}
	case MaxTokens:
		a.Stop, a.Text = "max_tokens", a.Text[:len(a.Text)/2]
		for !utf8.ValidString(a.Text) {
			a.Text = a.Text[:len(a.Text)-1]
		}
	case Thinking:
		a.Thinking = "Let me look at the text first."
	}
	return a
}

// charge puts the answer on the bill and makes the message of it.
func (s *Sim) charge(p params, a Answer, customID, request string) map[string]any {
	q := p.question(customID)
	b := Bill{
		Model: p.Model, CustomID: customID, RequestID: request, Batch: customID != "",
		Input: a.Input, CacheWrite: a.CacheWrite, CacheRead: a.CacheRead, Output: a.Output,
	}
	if b.Input+b.CacheWrite+b.CacheRead == 0 {
		b.Input = tokens(q.System+q.Text) + tokens(string(q.Schema)) + 20
	}
	if b.Output == 0 {
		b.Output = min(tokens(a.Thinking+a.Text)+4, p.MaxTokens)
	}
	s.mu.Lock()
	s.bills, s.asked = append(s.bills, b), append(s.asked, q)
	id := s.nextName("msg_")
	s.mu.Unlock()

	content := []map[string]any{}
	if a.Thinking != "" {
		content = append(content, map[string]any{"type": "thinking", "thinking": a.Thinking, "signature": "EqQBCgIYAhIM"})
	}
	if a.Text != "" || a.Stop == "" {
		content = append(content, map[string]any{"type": "text", "text": a.Text})
	}
	stop, tier := a.Stop, "standard"
	if stop == "" {
		stop = "end_turn"
	}
	if b.Batch {
		tier = "batch"
	}
	return map[string]any{
		"id": id, "type": "message", "role": "assistant", "model": p.Model, "content": content, "stop_reason": stop, "stop_sequence": nil,
		"usage": map[string]any{
			"input_tokens": b.Input, "cache_creation_input_tokens": b.CacheWrite, "cache_read_input_tokens": b.CacheRead,
			"output_tokens": b.Output, "service_tier": tier,
		},
	}
}

// tokens is about how many tokens a text has.
func tokens(text string) int64 { return int64(len(text)+2) / 3 }
