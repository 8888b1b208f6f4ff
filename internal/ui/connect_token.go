package ui

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"memberintel/internal/consent"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
)

// token gives a site's server its key for a code. What the answers hold stands in wordpress/contract; an error never
// says what was wrong.
func (u *UI) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	err := u.limited(r.Context(), identity.Limit{Name: "exchange of a code", Max: 60, Per: 15 * time.Minute}, r)
	if err != nil {
		u.refuse(w, r, err)
		return
	}
	var exchange consent.Exchange
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := json.NewDecoder(r.Body).Decode(&exchange); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
		return
	}
	granted, err := u.Flow.Exchange(r.Context(), exchange)
	if err != nil {
		u.refuse(w, r, err)
		return
	}
	answer(w, http.StatusOK, granted)
}

func (u *UI) refuse(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, consent.ErrInvalidGrant):
		answer(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
	case fault.Is(err, fault.RateLimited):
		retryAfter(w, err)
		answer(w, http.StatusTooManyRequests, map[string]string{"error": "slow_down"})
	default:
		if r.Context().Err() == nil {
			u.Log.ErrorContext(r.Context(), "a code could not be exchanged", "error", err)
		}
		answer(w, status(err), map[string]string{"error": "server_error"})
	}
}

// answer writes JSON; whoever hung up does not read it.
func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}
