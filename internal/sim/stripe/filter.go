package stripe

import (
	"math"
	"net/url"
	"slices"
	"strconv"
)

// filter is what a list request asks for: one of the kept lists, a span of it, and what must hold of each object.
type filter struct {
	index   indexKey
	created span
	// oldest is the oldest second that the resource shows at all.
	oldest int64
	tests  []func(o *object, f facts) bool
}

// span is an inclusive range of seconds.
type span struct{ from, to int64 }

func (f *filter) match(o *object) bool {
	if o.deleted() {
		return false
	}
	known := o.last().st.facts()
	for _, test := range f.tests {
		if !test(o, known) {
			return false
		}
	}
	return true
}

func (f *filter) require(test func(o *object, f facts) bool) { f.tests = append(f.tests, test) }

// filterOf reads the parameters of a list. The most selective relation asked for chooses the list that is walked.
func filterOf(a *Account, name string, q url.Values) (*filter, *apiError) {
	f := &filter{index: indexKey{resource: name}, oldest: math.MinInt64, created: span{math.MinInt64, math.MaxInt64}}
	if refused := f.within(q); refused != nil {
		return nil, refused
	}
	for _, rel := range []struct {
		field string
		of    func(facts) string
	}{
		{"type", func(f facts) string { return f.typ }},
		{"product", func(f facts) string { return f.product }},
		{"customer", func(f facts) string { return f.customer }},
		{"subscription", func(f facts) string { return f.subscription }},
		{"invoice", func(f facts) string { return f.invoice }},
		{"charge", func(f facts) string { return f.charge }},
		{"payment_intent", func(f facts) string { return f.intent }},
		{"source", func(f facts) string { return f.source }},
		{"currency", func(f facts) string { return f.currency }},
		{"email", func(f facts) string { return f.email }},
	} {
		want := q.Get(rel.field)
		if want == "" {
			continue
		}
		f.require(func(_ *object, k facts) bool { return rel.of(k) == want })
		switch rel.field {
		case "source", "currency", "email":
		case "type":
			if name == "events" {
				f.index = indexKey{name, "type", want}
			}
		default:
			f.index = indexKey{name, rel.field, want}
		}
	}
	if want := q.Get("payment[payment_intent]"); want != "" {
		f.index = indexKey{name, "payment_intent", want}
		f.require(func(_ *object, k facts) bool { return k.intent == want })
	}
	if refused := f.flags(q); refused != nil {
		return nil, refused
	}
	switch name {
	case "customers", "subscriptions":
		want := q.Get("test_clock")
		f.require(func(_ *object, k facts) bool { return k.clock == want })
	}
	switch name {
	case "subscriptions":
		return f, f.subscriptions(q)
	case "events":
		return f, f.events(a, q)
	}
	if want := q.Get("status"); want != "" {
		f.require(func(_ *object, k facts) bool { return k.status == want })
	}
	if want := q["ids"]; len(want) > 0 {
		f.require(func(o *object, _ facts) bool { return slices.Contains(want, o.id) })
	}
	return f, nil
}

// within reads created=1, created[gte]=1 and the like.
func (f *filter) within(q url.Values) *apiError {
	for _, bound := range []struct {
		name  string
		apply func(v int64)
	}{
		{"created", func(v int64) { f.created = span{v, v} }},
		{"created[gt]", func(v int64) { f.created.from = max(f.created.from, v+1) }},
		{"created[gte]", func(v int64) { f.created.from = max(f.created.from, v) }},
		{"created[lt]", func(v int64) { f.created.to = min(f.created.to, v-1) }},
		{"created[lte]", func(v int64) { f.created.to = min(f.created.to, v) }},
	} {
		if !q.Has(bound.name) {
			continue
		}
		v, err := strconv.ParseInt(q.Get(bound.name), 10, 64)
		if err != nil {
			return errInteger(bound.name, q.Get(bound.name))
		}
		bound.apply(v)
	}
	return nil
}

func (f *filter) flags(q url.Values) *apiError {
	if !q.Has("active") {
		return nil
	}
	want := q.Get("active")
	if want != "true" && want != "false" {
		return invalid(400, "", "active", "Invalid boolean: %s", want)
	}
	f.require(func(_ *object, k facts) bool { return k.inactive == (want == "false") })
	return nil
}

// subscriptions adds what only they have: status, which leaves out canceled ones by default, price and the period.
func (f *filter) subscriptions(q url.Values) *apiError {
	switch want := q.Get("status"); want {
	case "":
		f.require(func(_ *object, k facts) bool { return k.status != "canceled" && k.status != "incomplete_expired" })
	case "all":
	case "ended":
		f.require(func(_ *object, k facts) bool { return k.status == "canceled" || k.status == "incomplete_expired" })
	case "active", "past_due", "unpaid", "canceled", "incomplete", "incomplete_expired", "trialing", "paused":
		f.require(func(_ *object, k facts) bool { return k.status == want })
	default:
		return invalid(400, "", "status", "Invalid status: must be one of active, past_due, unpaid, canceled, incomplete, "+
			"incomplete_expired, trialing, paused, all, or ended")
	}
	price := q.Get("price")
	if price != "" {
		f.require(func(o *object, _ facts) bool {
			s, is := o.last().st.(*subscription)
			return is && slices.ContainsFunc(s.items, func(i item) bool { return i.price == price })
		})
	}
	for _, bound := range []struct {
		name string
		of   func(*subscription) int64
	}{
		{"current_period_start", func(s *subscription) int64 { return s.items[0].start }},
		{"current_period_end", func(s *subscription) int64 { return s.items[0].stop }},
	} {
		within := filter{created: span{math.MinInt64, math.MaxInt64}}
		part := url.Values{}
		for n, v := range q {
			if len(n) >= len(bound.name) && n[:len(bound.name)] == bound.name {
				part["created"+n[len(bound.name):]] = v
			}
		}
		if len(part) == 0 {
			continue
		}
		if refused := within.within(part); refused != nil {
			return refused
		}
		f.require(func(o *object, _ facts) bool {
			s, is := o.last().st.(*subscription)
			return is && bound.of(s) >= within.created.from && bound.of(s) <= within.created.to
		})
	}
	return nil
}

// events adds what only they have: the reach, several types, and whether the deliveries went well.
func (f *filter) events(a *Account, q url.Values) *apiError {
	f.oldest = a.reach()
	f.created.from = max(f.created.from, f.oldest)
	types := q["types"]
	switch {
	case len(types) > 20:
		return invalid(400, "", "types", "You may only specify up to 20 types.")
	case len(types) > 0 && q.Has("type"):
		return invalid(400, "", "types", "You may not specify both type and types.")
	case len(types) > 0:
		f.require(func(_ *object, k facts) bool { return slices.Contains(types, k.typ) })
	}
	if !q.Has("delivery_success") {
		return nil
	}
	want := q.Get("delivery_success")
	if want != "true" && want != "false" {
		return invalid(400, "", "delivery_success", "Invalid boolean: %s", want)
	}
	f.require(func(o *object, _ facts) bool {
		ev, is := o.last().st.(*event)
		return !is || (ev.undelivered.Load() == 0) == (want == "true")
	})
	return nil
}

// hidden reports whether an object belongs to a test clock, so that lists show it only when asked for that clock.
func hidden(o *object) bool {
	return (o.resource == "customers" || o.resource == "subscriptions") && o.last().st.facts().clock != ""
}
