// Package fault gives an error two faces where the outside world is met: one sentence that the customer can
// act on, and the cause for the operator. The Kind decides what happens next.
package fault

import (
	"errors"
	"fmt"
	"time"
)

// Kind classes an error by what helps against it.
type Kind string

// The kinds of fault.
const (
	Unavailable  Kind = "unavailable"   // the source is down, slow or broken: try again later
	RateLimited  Kind = "rate_limited"  // the source asks for patience: wait RetryAfter
	Unauthorized Kind = "unauthorized"  // the credential is refused: only a person helps
	NotPermitted Kind = "not_permitted" // the credential lacks a right, or the source has no such list
	NotFound     Kind = "not_found"     // the source does not know the object
	BadCursor    Kind = "bad_cursor"    // the object that a page was to follow is gone: start the range again
	Schema       Kind = "schema"        // an answer or object of a shape that is not understood
	Drift        Kind = "drift"         // the warehouse is not what the source shows
	Busy         Kind = "busy"          // somebody else is at it
	Stopped      Kind = "stopped"       // a switch is on, or the connection was paused or disconnected
	Conflict     Kind = "conflict"      // what was asked contradicts what is there
	Invalid      Kind = "invalid"       // what was asked makes no sense
)

// Error is a fault with both faces. Sentence never holds a secret or personal data.
type Error struct {
	Kind       Kind
	Sentence   string        // for the customer: what happened and what to do
	Cause      error         // for the operator; may be nil
	RetryAfter time.Duration // when the source named one, else 0
	Status     int           // the HTTP status that told it, else 0
	Checklist  []string      // what helps against this very error; nil: what helps against its kind at that source
}

// New makes a fault without a cause.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Sentence: fmt.Sprintf(format, args...)}
}

// Wrap makes a fault of cause.
func Wrap(kind Kind, cause error, format string, args ...any) *Error {
	return &Error{Kind: kind, Sentence: fmt.Sprintf(format, args...), Cause: cause}
}

// Error shows both faces, for the operator's log.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Sentence
	}
	return e.Sentence + " (" + e.Cause.Error() + ")"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the first fault in err's chain, or "" when there is none.
func KindOf(err error) Kind {
	var f *Error
	if errors.As(err, &f) {
		return f.Kind
	}
	return ""
}

// Sentence returns what the customer is told about err. An error that is no fault is ours, and says so
// without its details.
func Sentence(err error) string {
	var f *Error
	if errors.As(err, &f) {
		return f.Sentence
	}
	return "memberintel met an unexpected error; the operator's log has the details."
}

// Is reports whether err is a fault of the kind.
func Is(err error, kind Kind) bool { return KindOf(err) == kind }
