package stripe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
)

// event is what happened. It keeps the states before and after and renders them when asked: in the account's version of
// its day for /v1/events, in an endpoint's own version for a delivery.
type event struct {
	id, typ, version, request string
	created                   int64
	seq                       uint64
	after, before             state
	raw, rawBefore            []byte
	undelivered               atomic.Int32
	// previous keeps previous_attributes by shape, since they are costly to derive.
	previous [shapes]atomic.Pointer[[]byte]
}

func (ev *event) head() (string, string, int64) { return "events", ev.id, ev.created }
func (ev *event) facts() facts                  { return facts{typ: ev.typ} }

func (ev *event) render(e *enc, v view) { ev.renderAs(e, v.a, ev.version, "") }

// renderAs writes the event in a version of the API; account is set where it goes to a platform.
func (ev *event) renderAs(e *enc, a *Account, version, account string) {
	e.begin('{')
	e.str("id", ev.id)
	e.str("object", "event")
	if account != "" {
		e.str("account", account)
	}
	e.str("api_version", version)
	e.num("created", ev.created)
	e.open("data")
	e.key("object")
	v := a.view(version)
	v.seq = ev.seq
	if ev.raw != nil {
		e.raw(ev.raw)
	} else {
		ev.after.render(e, v)
	}
	e.comma = true
	if prev := ev.attributes(v); prev != nil {
		e.key("previous_attributes")
		e.raw(prev)
	}
	e.close()
	e.flag("livemode", a.livemode)
	e.num("pending_webhooks", int64(ev.undelivered.Load()))
	e.open("request")
	e.text("id", ev.request)
	e.null("idempotency_key")
	e.close()
	e.str("type", ev.typ)
	e.close()
}

// attributes returns previous_attributes, nil where the event has none.
func (ev *event) attributes(v view) []byte {
	if ev.raw != nil || ev.before == nil {
		return ev.rawBefore
	}
	if kept := ev.previous[v.shape].Load(); kept != nil {
		return *kept
	}
	was := v
	was.seq = ev.seq - 1
	prev := previousAttributes(was.document(ev.before), v.document(ev.after))
	ev.previous[v.shape].Store(&prev)
	return prev
}

// previousAttributes tells what of an older rendering differs in the newer one, as Stripe does: the old value of each
// member that changed, member by member inside objects, whole for lists, null for a member that is new.
func previousAttributes(before, after []byte) []byte {
	var was, is map[string]any
	if decode(before, &was) != nil || decode(after, &is) != nil {
		return []byte("{}")
	}
	out, err := json.Marshal(difference(was, is))
	if err != nil {
		return []byte("{}")
	}
	return out
}

func difference(was, is map[string]any) map[string]any {
	out := map[string]any{}
	for k, old := range was {
		now, still := is[k]
		if still && reflect.DeepEqual(old, now) {
			continue
		}
		a, isObject := old.(map[string]any)
		b, staysObject := now.(map[string]any)
		if isObject && staysObject && a["object"] != "list" {
			out[k] = difference(a, b)
		} else {
			out[k] = old
		}
	}
	for k := range is {
		if _, had := was[k]; !had {
			out[k] = nil
		}
	}
	return out
}

func decode(raw []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(v)
}

// Emit makes an event of any type with any data, for shapes that no mutation makes. previous may be nil. It returns the
// event's id.
func (a *Account) Emit(typ string, data, previous json.RawMessage) string {
	defer a.change()()
	return a.emitRaw(typ, data, previous)
}

func (a *Account) emitRaw(typ string, data, previous []byte) string {
	ev := a.newEvent(typ)
	ev.raw, ev.rawBefore = data, previous
	a.publish(ev)
	return ev.id
}

// record puts a state and makes the event that tells of it, with previous attributes where there was a state before.
func (a *Account) record(typ string, st state) {
	_, id, _ := st.head()
	var before state
	if o := a.objects[id]; o != nil && !o.deleted() {
		before = o.last().st
	}
	a.put(st)
	a.emit(typ, st, before)
}

// emit makes an event about a state. Only the types that tell of a change carry what was there before.
func (a *Account) emit(typ string, after, before state) {
	ev := a.newEvent(typ)
	ev.after = after
	if strings.HasSuffix(typ, ".updated") || typ == "charge.refunded" || typ == "charge.dispute.funds_withdrawn" {
		ev.before = before
	}
	a.publish(ev)
}

func (a *Account) newEvent(typ string) *event {
	ev := &event{id: a.newID("evt"), typ: typ, version: a.apiVersion, created: a.now(), seq: a.seq}
	if a.moment == 0 {
		ev.request = a.newID("req")
	}
	return ev
}

// publish stores an event and queues its deliveries. One that is past the reach of /v1/events leaves no trace.
func (a *Account) publish(ev *event) {
	if ev.created < a.reach() {
		return
	}
	a.prune()
	a.put(ev)
	for _, ep := range a.endpoints {
		if !ep.connect {
			ep.queue(a, ev, "")
		}
	}
	for _, p := range a.platforms {
		p.forward(a, ev)
	}
}

// prune forgets events that fell out of reach, a few at a time.
func (a *Account) prune() {
	main := indexKey{resource: "events"}
	list := a.lists[main]
	const batch = 1024
	if len(list) < 2*batch || list[batch-1].created >= a.reach()-3600 {
		return
	}
	for _, o := range list[:batch] {
		delete(a.objects, o.id)
		k := indexKey{"events", "type", o.last().st.facts().typ}
		if byType := a.lists[k]; len(byType) > 0 && byType[0] == o {
			a.lists[k] = byType[1:]
		}
	}
	a.lists[main] = list[batch:]
}

// update changes a copy of an object's current state, puts it and tells of it in an event of type typ. It is an error if
// the object is missing, deleted or was placed raw; nothing happens then.
func update[S any, P interface {
	*S
	state
}](a *Account, id, typ string, change func(P)) error {
	old, ok := get[P](a, id)
	if !ok {
		return missing(typ, id)
	}
	next := new(S)
	*next = *old
	change(next)
	a.record(typ, P(next))
	return nil
}

func missing(what, id string) error {
	return fmt.Errorf("stripe sim: %s: no such object %q", what, id)
}
