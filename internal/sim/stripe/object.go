package stripe

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// state is one immutable version of an object. A mutation copies it, changes the copy and puts it.
type state interface {
	// head tells what the state is: its resource, id and second of creation.
	head() (resource, id string, created int64)
	// facts are what lists filter by and indexes are kept on.
	facts() facts
	// render writes the object, from its opening brace to its closing one.
	render(e *enc, v view)
}

// facts are the fields of a state that list parameters look at; a field that the resource has not stays empty.
type facts struct {
	customer, subscription, invoice, charge, intent, product string
	status, typ, currency, email, clock, source              string
	inactive                                                 bool
}

// version is a state and the second at which it became the one that Stripe shows.
type version struct {
	seq uint64
	at  int64
	st  state
}

// object is everything that was ever shown under one id.
type object struct {
	resource, id string
	created      int64
	order        uint64
	versions     []version
	cached       atomic.Pointer[page]
}

// page is the rendered object as it stands in a list, valid for one version of it, of the catalogue and of the API.
type page struct {
	seq, catalogue uint64
	shape          shape
	body           []byte
}

// gone is the state of a deleted object. Lists omit it, and retrieving it says no more than that.
type gone struct {
	resource, name, id string
	created            int64
}

func (g *gone) head() (string, string, int64) { return g.resource, g.id, g.created }
func (g *gone) facts() facts                  { return facts{} }

func (g *gone) render(e *enc, _ view) {
	e.begin('{')
	e.str("id", g.id)
	e.str("object", g.name)
	e.flag("deleted", true)
	e.close()
}

func (o *object) last() version { return o.versions[len(o.versions)-1] }
func (o *object) deleted() bool { _, is := o.last().st.(*gone); return is }
func (o *object) younger(p *object) int {
	return cmp.Or(cmp.Compare(o.created, p.created), cmp.Compare(o.order, p.order))
}

// before returns the version that was shown at the end of a second, or at the end of a sequence number where seq is not
// zero; nil when there was none.
func (o *object) before(at int64, seq uint64) state {
	for i := len(o.versions) - 1; i >= 0; i-- {
		v := o.versions[i]
		if seq == 0 && v.at <= at || seq != 0 && v.seq <= seq {
			return v.st
		}
	}
	return nil
}

// indexKey names a list that is kept ready: all objects of a resource, or those with one value of one field.
type indexKey struct{ resource, field, value string }

// indexes yields the lists in which a state stands.
func indexes(resource string, f facts) []indexKey {
	keys := make([]indexKey, 1, 6)
	keys[0] = indexKey{resource: resource}
	for _, c := range [...]struct{ field, value string }{
		{"customer", f.customer}, {"subscription", f.subscription}, {"invoice", f.invoice}, {"charge", f.charge},
		{"payment_intent", f.intent}, {"product", f.product}, {"type", f.typ},
	} {
		if c.value != "" && (c.field != "type" || resource == "events") {
			keys = append(keys, indexKey{resource, c.field, c.value})
		}
	}
	return keys
}

// retention is how long /v1/events reaches back.
const retention = 30 * 24 * time.Hour

// put makes st the version that the account shows from now on and returns its object. Inside one second of history that
// no event can reach any more, only the last version is kept, since nothing could show the others.
func (a *Account) put(st state) *object {
	resource, id, created := st.head()
	a.seq++
	now := a.now()
	a.latest = max(a.latest, now)
	if resource == "products" || resource == "prices" {
		a.catalogue++
	}
	o := a.objects[id]
	if o == nil {
		o = &object{resource: resource, id: id, created: created, order: a.seq, versions: make([]version, 0, 1)}
		a.objects[id] = o
		a.index(o, indexes(resource, st.facts()))
	} else {
		a.reindex(o, st, created)
	}
	next := version{a.seq, now, st}
	if n := len(o.versions); n > 0 && o.versions[n-1].at == now && now < a.reach() {
		o.versions[n-1] = next
	} else {
		o.versions = append(o.versions, next)
	}
	return o
}

func (a *Account) index(o *object, keys []indexKey) {
	for _, k := range keys {
		list := a.lists[k]
		if n := len(list); n == 0 || list[n-1].younger(o) < 0 {
			a.lists[k] = append(list, o)
			continue
		}
		if i, there := slices.BinarySearchFunc(list, o, (*object).younger); !there {
			a.lists[k] = slices.Insert(list, i, o)
		}
	}
}

// reindex keeps the lists right when an object is replaced by one of another time or with other relations, which only
// an id that users choose or PutObject can do. A relation that was left stays listed and is filtered out when read.
func (a *Account) reindex(o *object, st state, created int64) {
	if _, is := st.(*gone); is {
		return
	}
	old, now := indexes(o.resource, o.last().st.facts()), indexes(o.resource, st.facts())
	if created == o.created {
		if !slices.Equal(old, now) {
			a.index(o, now)
		}
		return
	}
	for k, list := range a.lists {
		if k.resource == o.resource {
			if i, there := slices.BinarySearchFunc(list, o, (*object).younger); there {
				a.lists[k] = slices.Delete(list, i, i+1)
			}
		}
	}
	o.created = created
	a.index(o, now)
}

// reach is the oldest second that /v1/events still shows.
func (a *Account) reach() int64 {
	return a.sim.clock.Now().Add(-retention).Unix()
}

// get returns the current state of an id as T; ok is false for an unknown, deleted or foreign one.
func get[T state](a *Account, id string) (st T, ok bool) {
	if o := a.objects[id]; o != nil {
		st, ok = o.last().st.(T)
	}
	return st, ok
}
