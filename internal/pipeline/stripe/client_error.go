package stripe

import (
	"errors"
	"net/http"
	"strings"
	"unicode"

	"github.com/tidwall/gjson"

	"memberintel/internal/fault"
)

// apiError is what Stripe says in the body of a refusal; all of it may be empty.
type apiError struct {
	kind, code, param, message, request string
}

// apiError reads the body of a refusal, which may come from a proxy and be no JSON at all. Whatever it repeats
// of the request, the key is not in it.
func (c *Client) apiError(a answer) apiError {
	clean := func(s string) string { return plain(c.hide(s)) }
	e := apiError{request: clean(a.header.Get("Request-Id"))}
	if scan(a.body, false) != "" || !gjson.ValidBytes(a.body) {
		return e
	}
	said := gjson.GetBytes(a.body, "error")
	e.kind, e.code = clean(said.Get("type").String()), clean(said.Get("code").String())
	e.param, e.message = clean(said.Get("param").String()), clean(said.Get("message").String())
	return e
}

// plain makes one line of a text from outside, and a short one.
func plain(s string) string {
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if short := []rune(s); len(short) > 300 {
		s = string(short[:300]) + " ..."
	}
	return s
}

// fault classes the refusal by what helps against it.
func (e apiError) fault(a answer, endpoint string, list bool) *fault.Error {
	switch {
	case a.status == http.StatusTooManyRequests || e.limited() && a.status == http.StatusBadRequest:
		return fault.Wrap(fault.RateLimited, e.cause(), "Stripe asks for fewer requests.")
	case a.status >= 500:
		return fault.Wrap(fault.Unavailable, e.cause(), "Stripe has trouble (status %d).", a.status)
	case a.status == http.StatusConflict:
		return fault.Wrap(fault.Unavailable, e.cause(), "Stripe is busy with the same object.")
	case a.status == http.StatusUnauthorized:
		return fault.Wrap(fault.Unauthorized, e.cause(), "Stripe refuses the key.")
	case a.status == http.StatusForbidden:
		return fault.Wrap(fault.NotPermitted, e.cause(), "Stripe does not let the key read %s.%s", endpoint, e.says())
	case a.status == http.StatusNotFound && list:
		return fault.Wrap(fault.NotPermitted, e.cause(), "Stripe has no list %s for this account.%s", endpoint, e.says())
	case a.status == http.StatusNotFound:
		return fault.Wrap(fault.NotFound, e.cause(), "Stripe does not know the object asked for at %s.", endpoint)
	case e.code == "resource_missing" && (e.param == "starting_after" || e.param == "ending_before"):
		return fault.Wrap(fault.BadCursor, e.cause(), "The object after which the next page begins is gone from Stripe; its range is read again.")
	case a.status >= 400:
		return fault.Wrap(fault.Invalid, e.cause(), "Stripe refuses the request for %s (status %d).%s", endpoint, a.status, e.says())
	}
	return fault.Wrap(fault.Schema, e.cause(), "Stripe answered %s with status %d, which its API never does; check the address of the API.", endpoint, a.status)
}

// limited reports whether a refusal by status 400 is a rate limit in disguise.
func (e apiError) limited() bool {
	return e.code == "rate_limit" || e.code == "rate_limit_exceeded" || e.kind == "rate_limit_error"
}

// says is Stripe's message as a further sentence, "" when there is none.
func (e apiError) says() string {
	if e.message == "" {
		return ""
	}
	return " Stripe says: " + e.message
}

// cause is everything said, for the operator.
func (e apiError) cause() error {
	var parts []string
	for _, part := range []string{e.kind, e.code, e.param, e.request, e.message} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	return errors.New(strings.Join(parts, " "))
}
