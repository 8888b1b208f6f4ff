package claude

import (
	"net/http"
	"time"
)

// settle works the batch off when its time has come, once.
func (s *Sim) settle(b *batch) {
	b.work.Lock()
	defer b.work.Unlock()
	s.mu.Lock()
	ends := b.createdAt.Add(s.cfg.BatchTime)
	expires := b.createdAt.Add(expireAfter)
	expired := s.cfg.BatchTime > expireAfter || s.standing(ExpiredResult)
	if s.cfg.BatchTime > expireAfter {
		ends = expires
	}
	canceled := !b.canceled.IsZero()
	if canceled {
		ends = b.canceled.Add(time.Second)
	}
	errored := s.standing(ErroredResult)
	due := b.endedAt.IsZero() && !s.now().Before(ends)
	if due {
		b.endedAt = ends
	}
	s.mu.Unlock()
	if !due {
		return
	}
	results := make([]result, 0, len(b.requests))
	for _, q := range b.requests {
		var of map[string]any
		switch {
		case canceled:
			of = map[string]any{"type": "canceled"}
		case expired:
			of = map[string]any{"type": "expired"}
		case errored:
			of = erroredWith("api_error", "Internal server error")
		default:
			of = s.process(q)
		}
		results = append(results, result{CustomID: q.customID, Result: of})
	}
	s.mu.Lock()
	b.results = results
	s.mu.Unlock()
}

func (s *Sim) process(q batchRequest) map[string]any {
	if p := q.params.validate(); p != nil {
		return erroredWith(p.kind, p.message)
	}
	said := s.answer(q.params.question(q.customID), "")
	if said.ErrorType != "" {
		return erroredWith(said.ErrorType, "It was to go wrong.")
	}
	return map[string]any{"type": "succeeded", "message": s.charge(q.params, said, q.customID, "")}
}

// erroredWith is the result of a request that failed: an error within an error.
func erroredWith(kind, message string) map[string]any {
	return map[string]any{"type": "errored", "error": errorBody(kind, message, "", nil)}
}

// view is how the API shows a batch.
func (s *Sim) view(b *batch) map[string]any {
	s.settle(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	counts := map[string]int{"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
	status := "in_progress"
	switch {
	case !b.endedAt.IsZero():
		status = "ended"
		for _, r := range b.results {
			counts[r.Result["type"].(string)]++ //nolint:forcetypeassert // written above
		}
	case !b.canceled.IsZero():
		status = "canceling"
		counts["processing"] = len(b.requests)
	default:
		counts["processing"] = len(b.requests)
	}
	view := map[string]any{
		"id": b.id, "type": "message_batch", "processing_status": status, "request_counts": counts,
		"created_at": b.createdAt.Format(time.RFC3339Nano), "expires_at": b.createdAt.Add(expireAfter).Format(time.RFC3339Nano),
		"ended_at": moment(b.endedAt), "cancel_initiated_at": moment(b.canceled), "archived_at": nil, "results_url": nil,
	}
	if status == "ended" {
		view["results_url"] = "/v1/messages/batches/" + b.id + "/results"
	}
	if s.now().Sub(b.createdAt) > keptFor {
		view["archived_at"], view["results_url"] = moment(b.createdAt.Add(keptFor)), nil
	}
	return view
}

func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Format(time.RFC3339Nano)
}

var _ http.Handler = (*Sim)(nil)
