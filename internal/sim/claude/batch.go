package claude

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"
)

// batch is a batch of questions. It is worked off when somebody looks after its time.
type batch struct {
	id        string
	createdAt time.Time
	canceled  time.Time // when that was asked for
	endedAt   time.Time
	requests  []batchRequest

	work    sync.Mutex // held while it is worked off
	results []result   // when it has ended
}

type batchRequest struct {
	customID string
	params   params
}

type result struct {
	CustomID string         `json:"custom_id"`
	Result   map[string]any `json:"result"`
}

const (
	mostInBatch = 100_000
	expireAfter = 24 * time.Hour
	keptFor     = 29 * 24 * time.Hour
)

var (
	customIDs = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	statusOf  = map[string]int{
		"invalid_request_error": 400, "authentication_error": 401, "billing_error": 402, "permission_error": 403, "not_found_error": 404,
		"request_too_large": 413, "rate_limit_error": 429, "api_error": 500, "timeout_error": 504, "overloaded_error": 529,
	}
)

func (s *Sim) createBatch(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, largestBatch))
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		refuse(w, http.StatusRequestEntityTooLarge, "request_too_large", "Request exceeds the maximum allowed number of bytes.")
		return
	}
	var body struct {
		Requests []struct {
			CustomID string          `json:"custom_id"`
			Params   json.RawMessage `json:"params"`
		} `json:"requests"`
	}
	if err := json.Unmarshal(raw, &body); err != nil || len(body.Requests) == 0 || len(body.Requests) > mostInBatch {
		refuse(w, http.StatusBadRequest, "invalid_request_error", "requests: a batch has 1 to 100,000 requests")
		return
	}
	b := &batch{createdAt: s.now()}
	seen := map[string]bool{}
	for i, q := range body.Requests {
		if !customIDs.MatchString(q.CustomID) || seen[q.CustomID] {
			refuse(w, http.StatusBadRequest, "invalid_request_error", "requests."+strconv.Itoa(i)+".custom_id: not unique, or not of 1 to 64 letters, digits, _ and -")
			return
		}
		seen[q.CustomID] = true
		p, problem := parse(q.Params) // what the values are is looked at when the request is processed
		if problem != nil {
			refuse(w, problem.status, problem.kind, problem.message)
			return
		}
		b.requests = append(b.requests, batchRequest{q.CustomID, p})
	}
	b.id = s.name("msgbatch_")
	s.mu.Lock()
	s.batches = append(s.batches, b)
	s.mu.Unlock()
	s.sendBatch(w, r, b)
}

func (s *Sim) listBatches(w http.ResponseWriter, r *http.Request) {
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		limit = 20
	}
	if limit < 1 || limit > 1000 {
		refuse(w, http.StatusBadRequest, "invalid_request_error", "limit: Input should be 1 to 1000")
		return
	}
	after, before := r.URL.Query().Get("after_id"), r.URL.Query().Get("before_id")
	s.mu.Lock()
	newest := make([]*batch, 0, len(s.batches))
	for i := len(s.batches) - 1; i >= 0; i-- {
		newest = append(newest, s.batches[i])
	}
	s.mu.Unlock()
	page := []*batch{}
	for i, b := range newest {
		switch {
		case after != "" && b.id == after:
			page = newest[i+1:]
		case before != "" && b.id == before:
			page = newest[:i]
		}
	}
	if after == "" && before == "" {
		page = newest
	}
	more := len(page) > limit
	if more && before != "" {
		page = page[len(page)-limit:]
	} else if more {
		page = page[:limit]
	}
	data := make([]map[string]any, 0, len(page))
	for _, b := range page {
		data = append(data, s.view(b))
	}
	list := map[string]any{"data": data, "has_more": more, "first_id": nil, "last_id": nil}
	if len(page) > 0 {
		list["first_id"], list["last_id"] = page[0].id, page[len(page)-1].id
	}
	body, _ := json.Marshal(list)
	send(w, r, "application/json", body)
}

func (s *Sim) getBatch(w http.ResponseWriter, r *http.Request) {
	if b := s.find(w, r); b != nil {
		s.sendBatch(w, r, b)
	}
}

func (s *Sim) deleteBatch(w http.ResponseWriter, r *http.Request) {
	b := s.find(w, r)
	if b == nil {
		return
	}
	s.settle(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.endedAt.IsZero() {
		refuse(w, http.StatusBadRequest, "invalid_request_error", "A batch can be deleted once it has ended.")
		return
	}
	s.batches = slices.DeleteFunc(s.batches, func(other *batch) bool { return other == b })
	reply(w, http.StatusOK, map[string]string{"id": b.id, "type": "message_batch_deleted"})
}

func (s *Sim) cancelBatch(w http.ResponseWriter, r *http.Request) {
	b := s.find(w, r)
	if b == nil {
		return
	}
	s.settle(b)
	s.mu.Lock()
	if b.endedAt.IsZero() && b.canceled.IsZero() {
		b.canceled = s.now()
	}
	s.mu.Unlock()
	s.sendBatch(w, r, b)
}

func (s *Sim) results(w http.ResponseWriter, r *http.Request) {
	b := s.find(w, r)
	if b == nil {
		return
	}
	s.settle(b)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.endedAt.IsZero() || s.now().Sub(b.createdAt) > keptFor {
		refuse(w, http.StatusNotFound, "not_found_error", "The batch has no results.")
		return
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for i := len(b.results) - 1; i >= 0; i-- { // not in the order of the requests
		if faultOf(r.Context()) == Missing && i == 0 {
			continue
		}
		if faultOf(r.Context()) == Unreadable && i == len(b.results)-1 { // ahead of those that can be read
			lines.WriteString(`{"custom_id":"` + b.results[i].CustomID + `","result":{"type":"succeeded","message":{"usage":` + "\n")
			continue
		}
		_ = encoder.Encode(b.results[i])
		if faultOf(r.Context()) == Doubled {
			_ = encoder.Encode(b.results[i])
		}
	}
	send(w, r, "application/x-jsonl", lines.Bytes())
}

func (s *Sim) find(w http.ResponseWriter, r *http.Request) *batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.batches {
		if b.id == r.PathValue("id") {
			return b
		}
	}
	refuse(w, http.StatusNotFound, "not_found_error", "No batch with this id was found.")
	return nil
}

func (s *Sim) sendBatch(w http.ResponseWriter, r *http.Request, b *batch) {
	body, err := json.Marshal(s.view(b))
	if err != nil {
		refuse(w, http.StatusInternalServerError, "api_error", err.Error())
		return
	}
	send(w, r, "application/json", body)
}
