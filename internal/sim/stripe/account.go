package stripe

import (
	"encoding/json"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// AccountOptions describe a new account; every field may be left empty.
type AccountOptions struct {
	// ID is taken as it is, so that the live and the test mode of one account can share it.
	ID       string
	Livemode bool
	// APIVersion is the account's default; empty means VersionDahlia.
	APIVersion string
	Name       string
	Country    string
	Currency   string
	Email      string
	// ApplicationID is the ca_... under which the account acts as a Connect platform.
	ApplicationID string
	// IDSeed decides the ids of the account's objects; accounts that have it and the last ten characters of their own
	// ids in common make the same ids for the same calls. 0 is a seed of the account's own.
	IDSeed uint64
}

// Account is one mode of one Stripe account: its objects with their history, keys, endpoints and what falls due.
// Methods that change something may be called by several goroutines, but only a fixed order of calls gives the same bytes.
type Account struct {
	sim      *Sim
	id       string
	suffix   string
	livemode bool
	options  AccountOptions

	mu         sync.RWMutex
	apiVersion string
	ids, keys  *rand.Rand
	moment     int64
	latest     int64
	seq        uint64
	tasks      uint64
	catalogue  uint64
	objects    map[string]*object
	lists      map[indexKey][]*object
	due        dueHeap
	policy     func(subscription string) Payment
	platforms  []*Account
	invoices   int
	club       *club
	endpoints  []*Endpoint

	served atomic.Int64
	cached atomic.Int64
	faults faults
}

// NewAccount opens an account.
func (s *Sim) NewAccount(o AccountOptions) *Account {
	a := &Account{
		sim: s, livemode: o.Livemode, options: o, apiVersion: o.APIVersion,
		objects: map[string]*object{}, lists: map[indexKey][]*object{}, ids: newRand(s.seed, s.count()), keys: newRand(s.seed, s.count()+1<<33),
	}
	if o.IDSeed != 0 {
		a.ids = newRand(s.seed, o.IDSeed+1<<34)
	}
	a.faults.rnd = newRand(s.seed, s.count()+1<<32)
	a.id = o.ID
	if a.id == "" {
		a.id = "acct_1" + random(a.ids, 5) + random(a.ids, 10)
	}
	a.suffix = a.id[max(0, len(a.id)-10):]
	for p, v := range map[*string]string{&a.apiVersion: VersionDahlia, &a.options.Name: "Riverside Club",
		&a.options.Country: "US", &a.options.Currency: "usd", &a.options.Email: "office@riverside.example",
		&a.options.ApplicationID: "ca_" + a.suffix} {
		if *p == "" {
			*p = v
		}
	}
	opened := a.now() - 3*365*86400
	a.moment = opened
	a.put(&profile{id: a.id, created: opened, name: a.options.Name, email: a.options.Email,
		country: a.options.Country, currency: a.options.Currency})
	a.moment, a.latest = 0, 0
	s.enter(a)
	return a
}

// ID returns the account's id, acct_....
func (a *Account) ID() string { return a.id }

// Livemode reports which of the account's two modes this is.
func (a *Account) Livemode() bool { return a.livemode }

// SetAPIVersion changes the account's default version. Events made before keep the version of their day. A version that
// Stripe never released panics.
func (a *Account) SetAPIVersion(v string) {
	if _, ok := shapeOf(v); !ok {
		panic("stripe sim: unknown API version " + v)
	}
	defer a.change()()
	a.apiVersion = v
}

// SetPaymentPolicy decides how each automatic payment of a subscription ends: renewals, retries, trial ends. Nil lets all
// succeed. It is called under the account's lock and must not call back.
func (a *Account) SetPaymentPolicy(f func(subscription string) Payment) {
	defer a.change()()
	a.policy = f
}

// State returns the current objects of a resource ("customers", "subscriptions", ...) in the account's default version,
// newest first, with nested lists in full. It leaves out what Stripe's lists never show: deleted objects, and customers
// and subscriptions under a test clock.
func (a *Account) State(resource string) []json.RawMessage {
	a.mu.RLock()
	defer a.mu.RUnlock()
	list := a.lists[indexKey{resource: resource}]
	out := make([]json.RawMessage, 0, len(list))
	v := a.view(a.apiVersion)
	v.whole = true
	for i := len(list) - 1; i >= 0; i-- {
		if o := list[i]; !o.deleted() && !hidden(o) {
			out = append(out, v.document(o.last().st))
		}
	}
	return out
}

// Show returns what a retrieve of the object would have shown in a version of the API at the end of the second of t; nil
// when there was nothing yet. Nested lists are given in full.
func (a *Account) Show(id, version string, t time.Time) json.RawMessage {
	a.mu.RLock()
	defer a.mu.RUnlock()
	o := a.objects[id]
	if o == nil {
		return nil
	}
	st := o.before(t.Unix(), 0)
	if st == nil {
		return nil
	}
	v := a.view(version)
	v.whole, v.at = true, t.Unix()
	return v.document(st)
}

// Version is one state of an object and when it became current.
type Version struct {
	At   time.Time
	JSON json.RawMessage
}

// History returns every version of an object in the account's default version of the API, oldest first. Versions that
// lasted no full second and are older than the reach of /v1/events may have been dropped.
func (a *Account) History(id string) []Version {
	a.mu.RLock()
	defer a.mu.RUnlock()
	o := a.objects[id]
	if o == nil {
		return nil
	}
	out := make([]Version, len(o.versions))
	for i, ver := range o.versions {
		v := a.view(a.apiVersion)
		v.whole, v.seq = true, ver.seq
		out[i] = Version{time.Unix(ver.at, 0).UTC(), v.document(ver.st)}
	}
	return out
}

// Count returns how many objects of a resource were ever made, deleted ones included.
func (a *Account) Count(resource string) int {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return len(a.lists[indexKey{resource: resource}])
}

// IDs returns the ids of a resource's objects, oldest first, deleted ones left out.
func (a *Account) IDs(resource string) []string {
	a.mu.RLock()
	defer a.mu.RUnlock()
	var out []string
	for _, o := range a.lists[indexKey{resource: resource}] {
		if !o.deleted() {
			out = append(out, o.id)
		}
	}
	return out
}

// change locks the account for a mutation; the function that it returns unlocks it.
func (a *Account) change() func() {
	a.mu.Lock()
	return a.mu.Unlock
}

// now is the second at which a mutation happens.
func (a *Account) now() int64 {
	if a.moment != 0 {
		return a.moment
	}
	return a.sim.clock.Now().Unix()
}
