package website

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/anthropics/anthropic-sdk-go"

	"memberintel/internal/fault"
)

// overloaded is the status with which the API refuses what it has no room for.
const overloaded = 529

// callError is why Claude did not answer.
type callError struct {
	Status    int    // 0: no answer came
	Type      string // overloaded_error, say
	Free      bool   // nothing was charged for it: release the reservation; otherwise nobody can tell
	Retry     bool   // the same may do later
	Operator  bool   // key, budget or rights at Anthropic: nothing helps but the operator
	After     time.Duration
	RequestID string
	cause     string
}

// Error is for the operator; it holds neither key nor prompt.
func (e *callError) Error() string {
	text := "website: claude: " + e.cause
	if e.Status != 0 {
		text = fmt.Sprintf("website: claude: %d %s: %s", e.Status, e.Type, e.cause)
	}
	if e.RequestID != "" {
		text += " (request " + e.RequestID + ")"
	}
	return text
}

// fault tells the customer. What only the operator can mend stops the run and blames no site.
func (e *callError) fault() *fault.Error {
	told := fault.Wrap(fault.Unavailable, e, "The analysis did not answer; it is tried again.")
	switch {
	case e.Operator:
		told = fault.Wrap(fault.Stopped, e, "The analysis of websites is not available at the moment; the operator has been told.")
		told.Checklist = []string{
			"There is nothing to do about the site; its profile stays as it was, and it is tried again.",
			"Whoever runs memberintel: its log has the answer of Claude's API. Mostly the key (ANTHROPIC_API_KEY) is refused, or a limit at Anthropic is reached.",
		}
	case e.Status == http.StatusTooManyRequests || e.Status == overloaded:
		told = fault.Wrap(fault.RateLimited, e, "The analysis is busy; it is tried again.")
	case !e.Retry:
		told = fault.Wrap(fault.Schema, e, "The analysis did not take the question; the operator's log has the details.")
	}
	told.RetryAfter = e.After
	return told
}

// failed reads an error of the SDK. Sent says whether the request had begun to leave: what is refused is free, what never left
// is free, and of everything else nobody knows.
func (c *claudeClient) failed(err error, sent bool) *callError {
	var refused *anthropic.Error
	if errors.Is(err, errRedirected) {
		return &callError{Free: true, Operator: true, cause: errRedirected.Error()}
	}
	if !errors.As(err, &refused) {
		return &callError{Free: !sent, Retry: true, cause: c.clean(err.Error())}
	}
	var body struct {
		Error struct {
			Type    string `json:"type"`
			Message string `json:"message"`
			Details struct {
				ErrorCode string `json:"error_code"`
			} `json:"details"`
		} `json:"error"`
	}
	known := json.Unmarshal([]byte(refused.RawJSON()), &body) == nil && body.Error.Type != ""
	e := &callError{
		Status: refused.StatusCode, Type: body.Error.Type, RequestID: refused.RequestID, After: retryAfter(refused.Response), cause: c.clean(body.Error.Message),
		// Whatever stands between may have lost an answer that the API gave, and what took too long may have been done.
		Free: known && refused.StatusCode != http.StatusGatewayTimeout || refused.StatusCode < 500,
	}
	if !known {
		e.cause = "an answer that is not the API's"
	}
	switch status := refused.StatusCode; {
	case status == http.StatusUnauthorized, status == http.StatusPaymentRequired, status == http.StatusForbidden,
		body.Error.Details.ErrorCode == "enforced_spend_limit_reached",
		status == http.StatusBadRequest && strings.Contains(body.Error.Message, "API usage limits"):
		e.Operator = true
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status == http.StatusConflict, status >= 500:
		e.Retry = true
	}
	return e
}

// clean keeps the key out of a text, whoever put it there, and the text short.
func (c *claudeClient) clean(text string) string {
	if c.key != "" {
		text = strings.ReplaceAll(text, c.key, "***")
	}
	const longest = 300
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "..."
	}
	return text
}

func retryAfter(response *http.Response) time.Duration {
	if response == nil {
		return 0
	}
	seconds, err := strconv.ParseFloat(response.Header.Get("Retry-After"), 64)
	if err != nil || seconds < 0 || seconds > 24*3600 {
		return 0
	}
	return time.Duration(seconds * float64(time.Second))
}
