package stripe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"memberintel/internal/fault"
)

// Between attempts a client waits from firstWait to maxWait, doubling, and at most maxRetryAfter where Stripe
// names the time: a source that asks for more gets it from the caller, by the fault's RetryAfter.
const (
	firstWait     = 500 * time.Millisecond
	maxWait       = 30 * time.Second
	maxRetryAfter = time.Minute
)

// do asks until there is a good answer, a refusal that asking again does not change, or no attempt left. The
// error is a fault, or the context's own.
func (c *Client) do(ctx context.Context, path string, q url.Values, list bool) (answer, error) {
	endpoint := endpointOf(path)
	for attempt := 1; ; attempt++ {
		if err := c.pace().wait(ctx, endpoint, c.sleep); err != nil {
			return answer{}, fmt.Errorf("stripe: wait for %s: %w", endpoint, err)
		}
		a, err := c.send(ctx, endpoint, path, q)
		if ctx.Err() != nil {
			return answer{}, fmt.Errorf("stripe: get %s: %w", endpoint, ctx.Err())
		}
		v := c.judge(a, err, endpoint, list)
		if v.fault == nil {
			return a, nil
		}
		d := backoff(attempt)
		if v.fault.RetryAfter > 0 {
			d = min(v.fault.RetryAfter, maxRetryAfter)
		}
		if v.scope != "" {
			c.onLimited(v.scope)
			c.pace().Pause(v.scope, endpoint, d)
		}
		if !v.retry || attempt >= c.maxAttempts {
			return a, v.fault
		}
		if v.scope != "" {
			continue // the pace waits
		}
		if err := c.sleep(ctx, d); err != nil {
			return answer{}, fmt.Errorf("stripe: wait for %s: %w", endpoint, err)
		}
	}
}

// backoff is a random time around firstWait, doubled with every attempt, so that clients that failed together
// do not come back together.
func backoff(attempt int) time.Duration {
	d := min(firstWait<<min(attempt-1, 10), maxWait)
	return d/2 + rand.N(d/2+1)
}

// verdict is what to make of an attempt.
type verdict struct {
	fault *fault.Error // nil: the answer is good
	retry bool
	scope Scope // whose limit was met, "" for none
}

func (c *Client) judge(a answer, err error, endpoint string, list bool) verdict {
	switch {
	case errors.Is(err, errTooLarge):
		return verdict{fault: fault.Wrap(fault.Schema, err, "Stripe's answer for %s is too large to be read.", endpoint)}
	case a.status == 0:
		return verdict{retry: true, fault: fault.Wrap(fault.Unavailable, c.cause(err), "Stripe could not be reached.")}
	case a.status != http.StatusOK:
		return c.judgeStatus(a, endpoint, list)
	case err != nil:
		return verdict{retry: true, fault: fault.Wrap(fault.Unavailable, c.cause(err), "Stripe's answer broke off.")}
	case scan(a.body, false) != "":
		return verdict{fault: fault.New(fault.Schema, "Stripe's answer for %s is nested too deep to be read.", endpoint)}
	case !gjson.ValidBytes(a.body):
		return verdict{retry: true, fault: fault.New(fault.Unavailable, "Stripe's answer for %s is not whole.", endpoint)}
	}
	return verdict{}
}

// judgeStatus tells a refusal from a trouble that passes. Stripe-Should-Retry, where it stands, knows better
// than the status.
func (c *Client) judgeStatus(a answer, endpoint string, list bool) verdict {
	e := c.apiError(a)
	v := verdict{fault: e.fault(a, endpoint, list)}
	v.fault.Status = a.status
	v.fault.RetryAfter = retryAfter(a.header, time.Now())
	limited := v.fault.Kind == fault.RateLimited
	v.retry = a.status >= 500 || a.status == http.StatusConflict || limited
	switch a.header.Get("Stripe-Should-Retry") {
	case "true":
		v.retry = true
	case "false":
		v.retry = false
	}
	if limited {
		v.scope = limitScope(a.header.Get("Stripe-Rate-Limited-Reason"), e.code)
	}
	return v
}

// limitScope tells whose pace a limit slows down. A lock or a limit of one object is no matter of pace.
func limitScope(reason, code string) Scope {
	switch {
	case strings.HasPrefix(reason, "global"):
		return ScopeAccount
	case code == "lock_timeout", strings.HasPrefix(reason, "resource"):
		return ""
	}
	return ScopeEndpoint
}

// retryAfter reads the header in both of its forms; 0 when there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		// Whoever names a year means "not soon"; the bound keeps it a duration.
		return time.Duration(max(0, min(seconds, 86400*365)) * float64(time.Second))
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}

// cause is an error of the transport for the operator, without the address and the key.
func (c *Client) cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return errors.New(c.hide(err.Error()))
}
