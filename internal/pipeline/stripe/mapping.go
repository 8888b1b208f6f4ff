package stripe

import (
	"memberintel/internal/canonical"
)

// MappingVersion counts the changes of what the mapping makes of the same bytes. A higher one than that of the
// rows stored calls for a full pass.
const MappingVersion = 3

// Envelope is what is known about an object beside its bytes.
type Envelope struct {
	Observed       canonical.Observation
	APIVersion     string // that rendered the bytes
	EventID        string // "" when it was fetched
	DeletedByEvent bool   // the event says that the object is gone, and shows it as it was
}

// Mapped is what one Stripe object says.
type Mapped struct {
	// Batch holds the object, and what it holds of others in full: a subscription's prices, an invoice's
	// payments. Its Source is left to the caller, who knows the connection.
	Batch canonical.Batch
	// Livemode is what the object says; nil for those that do not (refunds, and stubs of deleted objects). It
	// must equal the connection's.
	Livemode *bool
	// Incomplete says why the object must be fetched again, one of the Incomplete constants; "" when it is
	// whole. What was read is right and may be written.
	Incomplete string
}

// The reasons for which an object is incomplete.
const (
	IncompleteItems      = "items"      // the list of a subscription's items was cut off
	IncompletePayments   = "payments"   // a finalized invoice's payments were cut off or not shown
	IncompleteSettlement = "settlement" // the balance transaction was named and not shown
)

// Map reads one object of a stream, in Stripe's older shapes and in those of today. It is pure: the same bytes
// and envelope give the same records. The records point into raw, which must not change afterwards. An error
// is always a *SchemaError, and then nothing is mapped: an object is understood as a whole or not at all.
func Map(stream string, raw []byte, env Envelope) (Mapped, error) {
	m := &mapper{env: env, r: &reader{stream: stream}}
	m.read(raw)
	if m.r.err != nil {
		return Mapped{}, m.r.err
	}
	return m.out, nil
}

// mapper carries one object through its mapping.
type mapper struct {
	env  Envelope
	r    *reader
	kind Stream
	top  *object
	out  Mapped
}

func (m *mapper) read(raw []byte) {
	var known bool
	if m.kind, known = StreamNamed(m.r.stream); !known {
		m.r.err = &SchemaError{Stream: m.r.stream, Found: "a stream without a mapping", Expected: "one that is mirrored"}
		return
	}
	if problem := unstorable(raw); problem != "" {
		m.r.err = &SchemaError{Stream: m.r.stream, Found: problem, Expected: "a JSON object that can be stored"}
		return
	}
	m.top = m.r.parse(raw)
	m.r.id = m.top.mustID("id")
	m.top.mustOneOf("object", m.kind.Object)
	if m.top.flag("deleted") {
		m.tombstone()
		return
	}
	if _, said := m.top.said("livemode"); said {
		livemode := m.top.mustFlag("livemode")
		m.out.Livemode = &livemode
	}
	m.record(raw)
	if m.env.DeletedByEvent {
		m.out.Incomplete = "" // there is nothing left to fetch
	}
}

func (m *mapper) record(raw []byte) {
	head := m.head(withoutSecrets(raw))
	switch m.r.stream {
	case "customers":
		m.customer(head)
	case "products":
		m.product(head)
	case "prices":
		m.price(head)
	case "subscriptions":
		m.subscription(head)
	case "invoices":
		m.invoice(head)
	case "invoice_payments":
		m.allocation(head, m.top)
	case "charges":
		m.charge(head)
	case "refunds":
		m.refund(head)
	case "disputes":
		m.dispute(head)
	case "payment_intents":
		m.intent(head)
	}
}

// head is what every record of the object carries.
func (m *mapper) head(raw []byte) canonical.Head {
	head := canonical.Head{
		SourceID: m.r.id, APIVersion: m.env.APIVersion, EventID: m.env.EventID, Observed: m.env.Observed,
		Raw: raw, Reusable: m.kind.Reusable,
	}
	if m.env.DeletedByEvent {
		head.Deleted = canonical.DeletedByEvent
	}
	return head
}

// tombstone maps the stub {id, object, deleted} that stands where an object was. It is Stripe's own word, so it
// counts like an event even when it was fetched. It has no Raw: the last that was seen is worth keeping.
func (m *mapper) tombstone() {
	head := m.head(nil)
	head.Deleted = canonical.DeletedByEvent
	switch m.r.stream {
	case "customers":
		m.out.Batch.Members = []canonical.Member{{Head: head}}
	case "products":
		m.out.Batch.Plans = []canonical.Plan{{Head: head, Level: "product"}}
	case "prices":
		m.out.Batch.Plans = []canonical.Plan{{Head: head, Level: "price"}}
	case "invoices":
		m.out.Batch.Invoices = []canonical.Invoice{{Head: head}}
	default:
		m.top.refuse("deleted", "true", "an object that Stripe never deletes")
	}
}
