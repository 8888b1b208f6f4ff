package stripe

import (
	"sync"

	"golang.org/x/time/rate"
)

// limits are Stripe's rate limits, in real time, each as a bucket that holds one second's worth.
type limits struct {
	mu                sync.Mutex
	endpoint, account float64
	buckets           map[bucket]*rate.Limiter
}

// bucket is an account, or one endpoint of it.
type bucket struct {
	account  *Account
	endpoint string
}

func (l *limits) set(endpoint, account float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endpoint, l.account = endpoint, account
	l.buckets = map[bucket]*rate.Limiter{}
}

func (l *limits) allow(a *Account, endpoint string) *apiError {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case !l.take(bucket{account: a}, l.account):
		return errRate("global-rate")
	case !l.take(bucket{a, endpoint}, l.endpoint):
		return errRate("endpoint-rate")
	}
	return nil
}

func (l *limits) take(b bucket, perSecond float64) bool {
	if perSecond <= 0 {
		return true
	}
	lim := l.buckets[b]
	if lim == nil {
		lim = rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond)))
		l.buckets[b] = lim
	}
	return lim.Allow()
}
