package stripe

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tidwall/gjson"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/warehouse"
)

type result = warehouse.Result

// collector turns objects and events of one connection into what one commit writes: records, objects that were
// not understood, objects to be fetched again, and lines of the event ledger.
type collector struct {
	p           *Pipeline
	c           connection.Connection
	batch       canonical.Batch
	quarantined []syncrun.Quarantined
	understood  []syncrun.Understood
	wants       []want
	ledger      []entry
	settled     []reading
	passing     bool                 // a pass over everything: members may come later
	again       bool                 // what is mapped comes out of quarantine itself
	released    int                  // how many first let out of quarantine
	held        []syncrun.Understood // what first found to stay there
	strangers   []string             // members whom first did not find
}

// entry is a line of the event ledger.
type entry struct {
	event    Event
	outcome  string
	ref      warehouse.Ref // what the event was about, to learn what became of it
	livemode bool
}

// The outcomes of an event.
const (
	outcomeApplied     = "applied"
	outcomeIgnored     = "ignored" // of no mapped object, or older than what is there
	outcomeRefetch     = "refetch"
	outcomeSkipped     = "skipped_plan"
	outcomeQuarantined = "quarantined"
)

func (p *Pipeline) collect(c connection.Connection) *collector {
	return &collector{p: p, c: c, batch: canonical.Batch{Source: source(c)}}
}

// fetched takes an object that was asked for. What Stripe leaves out of a fetch is not asked for again, but a
// subscription of which only some items are known is not written: the others would be taken for gone.
func (d *collector) fetched(stream Stream, o Object) {
	mapped, ok := d.object(stream.Name, o.Raw, Envelope{Observed: o.Observed, APIVersion: o.APIVersion})
	if ok && mapped.Incomplete == IncompleteItems {
		d.withoutItems(mapped)
		d.want(stream.Name, gjson.GetBytes(o.Raw, "id").String(), IncompleteItems, o.Observed.Until, d.p.Config.RefetchAfter)
	}
}

// withoutItems takes back a subscription that was mapped with a list of items that is not whole.
func (d *collector) withoutItems(mapped Mapped) {
	d.batch.Subscriptions = d.batch.Subscriptions[:len(d.batch.Subscriptions)-len(mapped.Batch.Subscriptions)]
}

// object maps one object and reports what it still lacks; ok is false when it went to quarantine.
func (d *collector) object(stream string, raw []byte, env Envelope) (mapped Mapped, ok bool) {
	mapped, err := Map(stream, raw, env)
	if err == nil && mapped.Livemode != nil && *mapped.Livemode != d.c.Livemode {
		err = &SchemaError{Stream: stream, Field: "livemode", Found: "the other mode", Expected: "that of the connection"}
	}
	id := gjson.GetBytes(raw, "id").String()
	if err != nil {
		d.quarantine(stream, id, raw, env, err)
		return Mapped{}, false
	}
	d.batch.Append(&mapped.Batch)
	settles := env.Observed.From.Add(-2 * canonical.Margin) // only a clearly newer look settles an older one
	if d.again {
		settles = env.Observed.Until
	}
	d.understood = append(d.understood, syncrun.Understood{Stream: stream, SourceID: id, Settles: settles})
	return mapped, true
}

func (d *collector) quarantine(stream, id string, raw []byte, env Envelope, err error) {
	if !usableID(id) {
		id = fmt.Sprintf("%s%x", unnamed, sha256.Sum256(raw))[:24] // so that none takes the place of another
	}
	d.quarantined = append(d.quarantined, syncrun.Quarantined{
		Stream: stream, SourceID: id, Reason: reasonOf(err), Raw: raw,
		APIVersion: env.APIVersion, EventID: env.EventID, Observed: env.Observed,
	})
	d.p.Metrics.Quarantined("stripe", stream)
}

// unnamed begins the name of a quarantined object whose own id cannot be used.
const unnamed = "unnamed-"

func reasonOf(err error) string {
	var schema *SchemaError
	if errors.As(err, &schema) {
		return schema.Error()
	}
	return "The database refused it; the operator's log has the details."
}

// want asks for an object to be fetched again, by something that was read after After on Stripe's clock.
type want struct {
	stream, id string
	reason     string
	after      time.Time
	delay      time.Duration
}

// The reasons for a refetch beside those of Mapped.Incomplete.
const (
	wantTie     = "tie"     // two observations that cannot be ordered
	wantVersion = "version" // an event of a foreign API version
	wantMember  = "member"  // something of a member that has not arrived
	wantFollow  = "follow"  // an event that says something about another object
)

// wantMembers asks for members of whom only something else has arrived.
func wantMembers(ids []string) []want {
	wants := make([]want, len(ids))
	for i, id := range ids {
		wants[i] = want{"customers", id, wantMember, time.Unix(0, 0), 0}
	}
	return wants
}

func (d *collector) want(stream, id, reason string, after time.Time, delay time.Duration) {
	if id != "" {
		d.wants = append(d.wants, want{stream, id, reason, after, delay})
	}
}

// work is what the collector holds.
func (d *collector) work() syncrun.Work {
	batch := d.batch
	return syncrun.Work{Batch: &batch, Quarantined: d.quarantined, First: d.first, Also: d.also}
}

// first asks for what the merge does not change: objects of the batch that are in quarantine, and members whom
// the batch only names. Its own members are known after it.
func (d *collector) first(tx *postgres.TenantTx) {
	d.released, d.held, d.strangers = 0, nil, nil
	if len(d.understood) > 0 {
		syncrun.ReleaseQuarantine(tx, d.c.ID, d.understood, func(released int, held []syncrun.Understood) { d.released, d.held = released, held })
	}
	if d.passing {
		return
	}
	arrived := map[string]bool{}
	for i := range d.batch.Members {
		arrived[d.batch.Members[i].SourceID] = true
	}
	named := slices.DeleteFunc(warehouse.MembersOf(&d.batch), func(id string) bool { return arrived[id] })
	d.p.Ledger.Warehouse.UnknownMembers(tx, d.batch.Source, named, func(ids []string) { d.strangers = ids })
}

// also writes what only this pipeline knows, once the merge has said which records tied.
func (d *collector) also(ctx context.Context, tx *postgres.TenantTx, r result) error {
	if err := closeRefetch(ctx, tx, d.c, d.p.Connections, d.settled, d.p.Config.RefetchAfter/2); err != nil {
		return err
	}
	if err := tx.Flush(ctx); err != nil { // a batch without records has not asked yet
		return err
	}
	if d.released > 0 {
		if err := d.p.Ledger.Eased(ctx, tx, d.c.ID); err != nil {
			return err
		}
	}
	wants := slices.Clone(d.wants)
	for _, h := range d.held {
		wants = append(wants, want{h.Stream, h.SourceID, wantTie, h.Settles, d.p.Config.RefetchAfter})
	}
	for _, tie := range r.Ties {
		wants = append(wants, want{streamOfTie(tie), tie.SourceID, wantTie, tie.After, d.p.Config.RefetchAfter})
	}
	wants = append(wants, wantMembers(d.strangers)...)
	openRefetch(tx, d.c, d.p.Connections, wants)
	for _, w := range wants {
		d.p.Metrics.RefetchQueued(w.reason, 1)
	}
	d.writeLedger(tx, r)
	return nil
}

// streamOfTie names the stream of a record that tied.
func streamOfTie(t warehouse.Tie) string {
	switch t.Table {
	case "members":
		return "customers"
	case "plans":
		if t.Variant == "product" {
			return "products"
		}
		return "prices"
	case "transactions":
		switch t.Variant {
		case "refund":
			return "refunds"
		case "dispute", "dispute_reversal":
			return "disputes"
		}
		return "charges"
	case "payment_allocations":
		return "invoice_payments"
	default: // subscriptions, invoices and payment_intents bear Stripe's own names
		return t.Table
	}
}

// tableOf names the table of a stream's own record.
func tableOf(stream string) string {
	switch stream {
	case "customers":
		return "members"
	case "products", "prices":
		return "plans"
	case "charges", "refunds", "disputes":
		return "transactions"
	case "invoice_payments":
		return "payment_allocations"
	default:
		return stream
	}
}
