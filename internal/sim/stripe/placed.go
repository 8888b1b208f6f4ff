package stripe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// placed is an object whose JSON was given, shown as it is in every version of the API.
type placed struct {
	name, resource, id string
	created            int64
	known              facts
	raw                []byte
	list               map[string][]json.RawMessage
}

func (p *placed) head() (string, string, int64) { return p.resource, p.id, p.created }
func (p *placed) facts() facts                  { return p.known }
func (p *placed) render(e *enc, _ view)         { e.raw(p.raw); e.comma = true }

// elements names the parts of one of the object's nested lists. A list that says has_more is served as given, since
// nothing else is known.
func (p *placed) elements(field string) (ids []string, write func(*enc, int)) {
	list := p.list[field]
	for _, raw := range list {
		var part struct {
			ID string `json:"id"`
		}
		_ = json.Unmarshal(raw, &part) // a part without an id cannot be a cursor, and that is all it means
		ids = append(ids, part.ID)
	}
	return ids, func(e *enc, i int) { e.raw(list[i]); e.comma = true }
}

// PutObject places any object that has an id and an object field, such as an official fixture or a hostile shape, as a
// new one or as the next version of an existing one. Missing created means now. No event is made: Emit does that. An
// object with "deleted": true deletes.
func (a *Account) PutObject(raw json.RawMessage) error {
	p, dead, err := parse(raw, a.sim.clock.Now())
	if err != nil {
		return err
	}
	defer a.change()()
	if dead {
		if o := a.objects[p.id]; o != nil {
			p.created = o.created
		}
		a.put(&gone{p.resource, p.name, p.id, p.created})
		return nil
	}
	a.put(p)
	return nil
}

func parse(raw []byte, now time.Time) (p *placed, dead bool, err error) {
	var f struct {
		ID, Object, Status, Currency, Email, Type, Source string
		Deleted                                           bool
		Created                                           *float64
		Active                                            *bool
		Customer, Subscription, Invoice, Charge, Product  json.RawMessage
		Intent                                            json.RawMessage `json:"payment_intent"`
		Clock                                             json.RawMessage `json:"test_clock"`
		Payment                                           struct {
			Intent json.RawMessage `json:"payment_intent"`
		}
		Parent struct {
			Details struct{ Subscription json.RawMessage } `json:"subscription_details"`
		}
		Items, Lines struct{ Data []json.RawMessage }
	}
	var flat bytes.Buffer
	if err := json.Compact(&flat, raw); err != nil {
		return nil, false, fmt.Errorf("stripe sim: placed object: %w", err)
	}
	// A field of a hostile type is left empty; what could be read still serves the filters.
	_ = json.Unmarshal(flat.Bytes(), &f)
	if f.ID == "" || f.Object == "" {
		return nil, false, fmt.Errorf("stripe sim: a placed object needs id and object")
	}
	created := now.Unix()
	if f.Created != nil {
		created = int64(*f.Created)
	}
	p = &placed{name: f.Object, resource: f.Object + "s", id: f.ID, created: created, raw: flat.Bytes(),
		list: map[string][]json.RawMessage{"items": f.Items.Data, "lines": f.Lines.Data}}
	if f.Object == "account" {
		p.resource = "account"
	}
	p.known = facts{customer: idOf(f.Customer), subscription: idOf(f.Subscription), invoice: idOf(f.Invoice),
		charge: idOf(f.Charge), intent: idOf(f.Intent), product: idOf(f.Product), clock: idOf(f.Clock), status: f.Status,
		typ: f.Type, currency: f.Currency, email: f.Email, source: f.Source, inactive: f.Active != nil && !*f.Active}
	if id := idOf(f.Parent.Details.Subscription); id != "" {
		p.known.subscription = id
	}
	if id := idOf(f.Payment.Intent); id != "" {
		p.known.intent = id
	}
	return p, f.Deleted, nil
}

// idOf reads a reference, expanded or not.
func idOf(raw json.RawMessage) (id string) {
	if json.Unmarshal(raw, &id) == nil {
		return id
	}
	var o struct{ ID string }
	_ = json.Unmarshal(raw, &o) // neither: no relation
	return o.ID
}
