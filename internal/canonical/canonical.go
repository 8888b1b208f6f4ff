// Package canonical holds the records in which all pipelines meet: what a member, a subscription or a
// transaction is, whatever platform it came from. It has no database, no HTTP and no clock.
//
// Money is int64 in the currency's minor unit beside a lower-case ISO 4217 code. A nil pointer means that
// the source does not say. Times are the source's.
package canonical

import "time"

// Source says whose records these are. Together with a record's SourceID it is the record's identity.
type Source struct {
	Platform  string // stripe, memberpress, ...
	AccountID string // the account at the platform, "" while it has not been told
	Livemode  bool   // false for a platform's test data
}

// Observation is the span, in whole seconds on the source's clock, in which a record's state was read. A
// snapshot in an event is known to the second. Something fetched was read between From, the response's date
// less the time it took, and Until, its date plus that time.
type Observation struct {
	From, Until time.Time
	Fetched     bool // read by asking, not told by an event
}

// Margin is how far apart two observations must lie for one to be clearly newer. Sources stamp whole
// seconds, so two observations in the same or in neighbouring seconds may stand in either order.
const Margin = time.Second

// NewerThan reports whether o was read clearly after p.
func (o Observation) NewerThan(p Observation) bool { return o.From.Sub(p.Until) > Margin }

// Deletion says how a record was found to be gone; empty while it is not.
type Deletion string

// The ways in which a record goes.
const (
	DeletedByEvent   Deletion = "event"   // the source said so: final for ids that the source makes
	DeletedBySweep   Deletion = "sweep"   // absent from a full pass and from a look-up after it
	DeletedByMissing Deletion = "missing" // a look-up or its parent did not show it
)

// Head is what every record carries. The zero Deleted means that the record lives.
type Head struct {
	SourceID   string
	APIVersion string // the source's version that rendered Raw
	Raw        []byte // the record as the source sent it, as JSON
	Observed   Observation
	CreatedAt  *time.Time
	UpdatedAt  *time.Time
	EventID    string // the event that brought it, "" when fetched
	Deleted    Deletion
	// Reusable ids are chosen by people: after a deletion the id lives again with a later CreatedAt.
	Reusable bool
}

// Batch is what one Commit writes: records of one source, at most one record for each identity.
type Batch struct {
	Source         Source
	Members        []Member
	Plans          []Plan
	Subscriptions  []Subscription
	Invoices       []Invoice
	Transactions   []Transaction
	Allocations    []PaymentAllocation
	PaymentIntents []PaymentIntent
	Orders         []Order
	Rules          []Rule
	Sites          []Site
}

// Len counts the records, a subscription's items not apart.
func (b *Batch) Len() int {
	return len(b.Members) + len(b.Plans) + len(b.Subscriptions) + len(b.Invoices) + len(b.Transactions) +
		len(b.Allocations) + len(b.PaymentIntents) + len(b.Orders) + len(b.Rules) + len(b.Sites)
}

// Append adds the records of other, which must be of the same source.
func (b *Batch) Append(other *Batch) {
	b.Members = append(b.Members, other.Members...)
	b.Plans = append(b.Plans, other.Plans...)
	b.Subscriptions = append(b.Subscriptions, other.Subscriptions...)
	b.Invoices = append(b.Invoices, other.Invoices...)
	b.Transactions = append(b.Transactions, other.Transactions...)
	b.Allocations = append(b.Allocations, other.Allocations...)
	b.PaymentIntents = append(b.PaymentIntents, other.PaymentIntents...)
	b.Orders = append(b.Orders, other.Orders...)
	b.Rules = append(b.Rules, other.Rules...)
	b.Sites = append(b.Sites, other.Sites...)
}
