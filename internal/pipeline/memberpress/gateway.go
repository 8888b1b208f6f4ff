package memberpress

import (
	"maps"
	"slices"
	"time"

	"memberintel/internal/canonical"
)

// offlineClass is the gateway of cash and cheques, which has no test mode.
const offlineClass = "MeprArtificialGateway"

// gateways is what the handshakes have told of the gateways' modes, by id. A row never says in which mode it was paid: that
// follows from when. Nil is not known. A value is never changed, only replaced.
type gateways map[string]gateway

// gateway is when a gateway was in test mode, by the site's clock.
type gateway struct {
	Since  time.Time `json:"since"`  // when it was first told of, or last that it was not there yet
	Live   time.Time `json:"live"`   // when it was last known to be live; zero: it never was
	Test   bool      `json:"test"`   // it was in test mode when it was last told of
	Tested []span    `json:"tested"` // while it is, the last one has no end yet
}

// span is a time in test mode: after it was last known to be live, or first told of, until it was last known to be in test mode.
type span struct {
	After time.Time `json:"after"`
	Until time.Time `json:"until"`
}

// told adds what a handshake says. A gateway that was taken away stays what it was.
func (all gateways) told(h Handshake) gateways {
	now := maps.Clone(all)
	if now == nil {
		now = gateways{}
	}
	for _, g := range h.Site.Gateways {
		is, known := now[g.ID]
		if !known {
			is.Since = all.last(h.ServerTime)
		}
		now[g.ID] = is.found(g.Test && g.Class != offlineClass, h.ServerTime)
	}
	return now
}

// last is when anything was told, and where nothing ever was, now.
func (all gateways) last(now time.Time) time.Time {
	var at time.Time
	for _, is := range all {
		for _, told := range append([]time.Time{is.Since, is.Live}, untils(is.Tested)...) {
			if told.After(at) {
				at = told
			}
		}
	}
	if at.IsZero() {
		return now
	}
	return at
}

func untils(spans []span) (times []time.Time) {
	for _, s := range spans {
		times = append(times, s.Until)
	}
	return times
}

// reached notes that what was told held until the site answered at that time.
func (all gateways) reached(at time.Time) gateways {
	now := make(gateways, len(all))
	for id, is := range all {
		now[id] = is.found(is.Test, at)
	}
	return now
}

// found is the gateway with the mode that it has at a time.
func (g gateway) found(test bool, at time.Time) gateway {
	switch {
	case !test && at.After(g.Live):
		g.Live = at
	case test && !g.Test:
		after := g.Live
		if after.IsZero() {
			after = g.Since
		}
		g.Tested = append(slices.Clone(g.Tested), span{after, at})
	case test && at.After(g.Tested[len(g.Tested)-1].Until):
		g.Tested = slices.Clone(g.Tested)
		g.Tested[len(g.Tested)-1].Until = at
	}
	g.Test = test
	return g
}

// tested reports whether what was written at a time was paid with no money. What is older than all that is known of a gateway
// is money, unless nobody has ever seen the gateway live.
func (g gateway) tested(at time.Time) bool {
	if g.Live.IsZero() {
		return g.Test
	}
	for i, s := range g.Tested {
		open := g.Test && i == len(g.Tested)-1
		if at.After(s.After) && (open || !at.After(s.Until)) {
			return true
		}
	}
	return false
}

// reveal reports whether a gateway is live for the first time: then its older rows, which counted as tests, are read anew.
func (all gateways) reveal(before gateways) bool {
	for id, is := range all {
		if was, known := before[id]; known && was.Live.IsZero() && !is.Live.IsZero() {
			return true
		}
	}
	return false
}

// mark notes which transactions and subscriptions were paid through a gateway in test mode. Those that MemberPress has
// itself, manual and free, have none, and one of which nothing was ever told is taken to have been real.
func (all gateways) mark(b *canonical.Batch) {
	if all == nil {
		return
	}
	test := func(gateway *string, at *time.Time) *bool {
		is := false
		if gateway != nil {
			var when time.Time
			if at != nil {
				when = *at
			}
			is = all[*gateway].tested(when)
		}
		return &is
	}
	for i := range b.Transactions {
		b.Transactions[i].Test = test(b.Transactions[i].Gateway, b.Transactions[i].CreatedAt)
	}
	for i := range b.Subscriptions {
		b.Subscriptions[i].Test = test(b.Subscriptions[i].Gateway, b.Subscriptions[i].CreatedAt)
	}
}
