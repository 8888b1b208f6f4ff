package memberpress

import (
	"time"

	"memberintel/internal/canonical"
)

// stamper makes observations of answers. One worker at a time asks a site, one thing after the other, so the order in
// which it reads is the order of the site's states, however close together they are and whatever the site's own clock
// does: where that does not tell two readings clearly apart, the later one is stamped later.
type stamper struct{ last time.Time }

// step is how far apart two readings are stamped that may show the same row.
const step = 2 * canonical.Margin

// reading stamps an answer that may show rows which an earlier answer showed.
func (c *stamper) reading(site time.Time) canonical.Observation {
	at := site.UTC().Truncate(time.Second)
	if earliest := c.last.Add(step); !c.last.IsZero() && at.Before(earliest) {
		at = earliest
	}
	c.last = at
	return canonical.Observation{From: at, Until: at, Fetched: true}
}

// page stamps a page of a pass, in which no row comes twice.
func (c *stamper) page(site time.Time) canonical.Observation {
	at := site.UTC().Truncate(time.Second)
	if at.Before(c.last) {
		at = c.last
	}
	c.last = at
	return canonical.Observation{From: at, Until: at, Fetched: true}
}

// notBefore sets the clock forward.
func (c *stamper) notBefore(at time.Time) {
	if at.After(c.last) {
		c.last = at
	}
}
