package stripe

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/tidwall/gjson"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/warehouse"
)

// Event is what the outside of a Stripe event says.
type Event struct {
	ID         string
	Type       string
	Created    time.Time
	APIVersion string
	Account    string // of the connected account, "" on an endpoint of the account's own
	Livemode   bool
	Object     []byte // data.object
}

// parseEvent reads an event. It fails with a fault of kind Invalid when the bytes are no event.
func parseEvent(raw []byte) (Event, error) {
	if problem := scan(raw, false); problem != "" { // first, because gjson recurses
		return Event{}, fault.New(fault.Invalid, "The body is %s.", problem)
	}
	if !gjson.ValidBytes(raw) {
		return Event{}, fault.New(fault.Invalid, "The body is not JSON.")
	}
	top := gjson.ParseBytes(raw)
	e := Event{
		ID: top.Get("id").String(), Type: top.Get("type").String(), APIVersion: top.Get("api_version").String(),
		Account: top.Get("account").String(), Livemode: top.Get("livemode").Bool(),
	}
	created, object := top.Get("created"), top.Get("data.object")
	if top.Get("object").String() != "event" || !usableID(e.ID) || !usableID(e.Type) || created.Type != gjson.Number || !object.IsObject() {
		return Event{}, fault.New(fault.Invalid, "The body is not a Stripe event.")
	}
	e.Created = time.Unix(created.Int(), 0).UTC()
	e.Object = raw[object.Index : object.Index+len(object.Raw)]
	return e, nil
}

// event takes what an event tells. A snapshot of the pinned API version is mapped; of any other only the
// object's id is believed, and it is fetched.
func (d *collector) event(e Event) {
	line := entry{event: e, livemode: e.Livemode, outcome: outcomeIgnored}
	stream, deleted, known := EventObject(e.Type)
	id := gjson.GetBytes(e.Object, "id").String()
	if !known || id == "" {
		d.ledger = append(d.ledger, line)
		return
	}
	line.ref = warehouse.Ref{Table: tableOf(stream), SourceID: id}
	env := Envelope{
		Observed:   canonical.Observation{From: e.Created, Until: e.Created},
		APIVersion: e.APIVersion, EventID: e.ID,
	}
	switch {
	case !usableID(id):
		d.object(stream, e.Object, env) // the mapping says what is wrong with it
		line.outcome = outcomeQuarantined
	case deleted: // all that counts is whose end it is, whatever the shape
		stub := fmt.Appendf(nil, `{"id":%q,"object":%q,"deleted":true}`, id, gjson.GetBytes(e.Object, "object").String())
		line.outcome = d.snapshot(stream, stub, env)
	case e.APIVersion != d.p.Config.APIVersion:
		d.want(stream, id, wantVersion, e.Created, 0)
		line.outcome = outcomeRefetch
	default:
		line.outcome = d.snapshot(stream, e.Object, env)
	}
	d.ledger = append(d.ledger, line)
	d.follow(e, id)
}

func (d *collector) snapshot(stream string, raw []byte, env Envelope) string {
	mapped, ok := d.object(stream, raw, env)
	if !ok {
		return outcomeQuarantined
	}
	if mapped.Incomplete == IncompleteItems {
		d.withoutItems(mapped)
	}
	if mapped.Incomplete != "" {
		d.want(stream, gjson.GetBytes(raw, "id").String(), mapped.Incomplete, env.Observed.Until, d.p.Config.RefetchAfter)
	}
	if mapped.Incomplete == IncompleteItems {
		return outcomeRefetch
	}
	return outcomeApplied
}

// follow asks for what the event says about other objects: a failed payment changes its subscription, to
// past_due or, the first one, to incomplete, and only Stripe knows which.
func (d *collector) follow(e Event, id string) {
	if e.Type != "invoice.payment_failed" {
		return
	}
	mapped, err := Map("invoices", e.Object, Envelope{})
	if err != nil || len(mapped.Batch.Invoices) == 0 || mapped.Batch.Invoices[0].SubscriptionSourceID == nil {
		d.want("invoices", id, wantFollow, e.Created, 0)
		return
	}
	d.want("subscriptions", *mapped.Batch.Invoices[0].SubscriptionSourceID, wantFollow, e.Created, 0)
}

// writeLedger writes the events' lines, with the transaction's next round trip. An event that was there before keeps its line, unless the tenant's
// plan kept it from being applied then.
func (d *collector) writeLedger(tx *postgres.TenantTx, r result) {
	lines := d.ledger
	if len(lines) == 0 {
		return
	}
	tied := map[warehouse.Ref]bool{}
	for _, t := range r.Ties {
		tied[warehouse.Ref{Table: t.Table, SourceID: t.SourceID}] = true
	}
	n := len(lines)
	ids, types, outcomes, created := make([]string, n), make([]string, n), make([]string, n), make([]time.Time, n)
	for i, l := range lines {
		ids[i], types[i], created[i], outcomes[i] = l.event.ID, l.event.Type, l.event.Created, l.outcome
		if l.outcome == outcomeApplied {
			switch {
			case tied[l.ref]:
				outcomes[i] = outcomeRefetch
			case r.Ignored[l.ref]:
				outcomes[i] = outcomeIgnored
			}
		}
		d.p.Metrics.EventProcessed(l.event.Type, outcomes[i])
	}
	tx.Queue(`
		INSERT INTO stripe_events_processed AS p (tenant_id, livemode, event_id, type, event_created, outcome)
		SELECT DISTINCT ON (s.id) $1::uuid, $2::boolean, s.id, s.type, s.created, s.outcome
		  FROM unnest($3::text[], $4::text[], $5::timestamptz[], $6::text[]) AS s (id, type, created, outcome) ORDER BY s.id
		ON CONFLICT (tenant_id, livemode, event_id) DO UPDATE SET outcome = excluded.outcome, processed_at = excluded.processed_at
		 WHERE p.outcome = 'skipped_plan' AND excluded.outcome <> 'skipped_plan'`,
		tx.Tenant, d.c.Livemode, ids, types, created, outcomes)
}

// unseen returns those of the events whose effect is not in the warehouse yet.
func unseen(ctx context.Context, tx *postgres.TenantTx, c connection.Connection, events []Event) ([]Event, error) {
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].ID
	}
	rows, err := tx.Query(ctx, `SELECT event_id FROM stripe_events_processed
		WHERE livemode = $1 AND event_id = ANY ($2) AND outcome <> 'skipped_plan'`, c.Livemode, ids)
	if err != nil {
		return nil, fmt.Errorf("stripe: read the event ledger: %w", err)
	}
	seen := map[string]bool{}
	var id string
	if _, err := pgx.ForEachRow(rows, []any{&id}, func() error { seen[id] = true; return nil }); err != nil {
		return nil, fmt.Errorf("stripe: read the event ledger: %w", err)
	}
	fresh := events[:0:0]
	for _, e := range events {
		if !seen[e.ID] {
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}
