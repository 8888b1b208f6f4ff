package guard

import (
	"net/url"
	"regexp"

	"memberintel/internal/fault"
)

// longest is more tokens than any model takes.
const longest = 100_000_000

// whole fills in what a cache costs where nobody says so, and refuses what cannot be a price.
func (p Price) whole() (Price, error) {
	if !regexp.MustCompile(`^[a-z0-9][a-z0-9.:@_-]{2,99}$`).MatchString(p.Model) {
		return p, fault.New(fault.Invalid, "%q is no model's name: it must look like claude-haiku-5-5.", p.Model)
	}
	if u, err := url.Parse(p.Source); err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" || len(p.Source) > 500 {
		return p, fault.New(fault.Invalid, "The source must be the address of the page that tells the price, such as https://prices.example/models.")
	}
	if p.BatchPercent < 1 || p.BatchPercent > 100 {
		return p, fault.New(fault.Invalid, "A question in a batch costs 1 to 100 percent, not %d.", p.BatchPercent)
	}
	p.Rates = p.Rates.whole()
	switch {
	case p.Input < 1 || p.Output < 1:
		return p, fault.New(fault.Invalid, "A price needs what a million tokens of input and of output cost, more than 0.")
	case p.CacheWrite < 1 || p.CacheRead < 1:
		return p, fault.New(fault.Invalid, "A tenth of such a price is nothing; say with --cache-read and --cache-write what the cache costs.")
	case p.TierAbove == 0 && p.Above != Rates{}:
		return p, fault.New(fault.Invalid, "--input-above and --output-above need --tier-above, the size from which on they hold.")
	case p.TierAbove == 0:
		p.Above = p.Rates
		return p, nil
	case p.TierAbove < 0 || p.TierAbove > longest:
		return p, fault.New(fault.Invalid, "--tier-above is a number of tokens, at most %d.", longest)
	case p.Above.Input < p.Input || p.Above.Output < p.Output:
		return p, fault.New(fault.Invalid, "Above %d tokens a request costs no less than below: say --input-above and --output-above, at least %s and %s.",
			p.TierAbove, p.Input.Decimal(), p.Output.Decimal())
	}
	p.Above = p.Above.whole()
	p.Above.CacheWrite, p.Above.CacheRead = max(p.Above.CacheWrite, p.CacheWrite), max(p.Above.CacheRead, p.CacheRead)
	return p, nil
}

func (r Rates) whole() Rates {
	if r.CacheWrite == 0 {
		r.CacheWrite = r.Input * 5 / 4
	}
	if r.CacheRead == 0 {
		r.CacheRead = r.Input / 10
	}
	return r
}
