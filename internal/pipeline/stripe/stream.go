package stripe

import "net/url"

// Stream is one kind of Stripe object that is mirrored: where it is listed and fetched, and what a key must
// be allowed to read for it.
type Stream struct {
	Name   string // Stripe's name of the list, and ours of the stream
	Object string // what an object of it calls itself
	Path   string // of the list; an object's is Path/{id}
	// Variants are the fixed parameters of each listing of which the stream consists. A stream with none has
	// no listing that gives it whole: its objects come within others.
	Variants []Variant
	Expand   []string // what a fetch of one object must ask for
	// Reusable ids are chosen by people, and live again after a deletion.
	Reusable   bool
	Permission string // what a restricted key must allow, as the dashboard names it
	// Nested is the list within an object that Stripe cuts off, and NestedPath lists it whole, given the
	// object's id as the parameter NestedKey. Empty when nothing that is mapped is cut off.
	Nested, NestedPath, NestedKey string
}

// Variant is one listing of a stream. Several go side by side, each with a cursor of its own.
type Variant struct {
	Name  string // "" for the only one
	Query url.Values
}

// Streams returns every stream that is listed, in the order in which a backfill is most useful: what others
// refer to comes first. The caller may change what it gets.
func Streams() []Stream {
	names := []string{
		"customers", "products", "prices", "subscriptions", "invoices", "charges", "refunds", "disputes", "payment_intents",
	}
	streams := make([]Stream, 0, len(names))
	for _, name := range names {
		s, _ := StreamNamed(name)
		streams = append(streams, s)
	}
	return streams
}

// StreamNamed returns the stream of the name, and whether there is one. It knows invoice_payments too, which
// has events and no listing: they come with their invoices.
func StreamNamed(name string) (Stream, bool) {
	plain := []Variant{{}}
	switch name {
	case "customers":
		return Stream{Name: name, Object: "customer", Path: "/v1/customers", Variants: plain, Permission: "Customers: Read"}, true
	case "products":
		return Stream{
			Name: name, Object: "product", Path: "/v1/products", Variants: plain,
			Reusable: true, Permission: "Products: Read",
		}, true
	case "prices":
		// Each kind is asked for by name: what a listing without active holds is not documented.
		return Stream{
			Name: name, Object: "price", Path: "/v1/prices",
			Variants: []Variant{
				{Name: "active", Query: url.Values{"active": {"true"}}},
				{Name: "inactive", Query: url.Values{"active": {"false"}}},
			},
			Reusable: true, Permission: "Prices: Read",
		}, true
	case "subscriptions":
		return Stream{
			Name: name, Object: "subscription", Path: "/v1/subscriptions",
			Variants:   []Variant{{Query: url.Values{"status": {"all"}}}},
			Permission: "Subscriptions: Read",
			Nested:     "items", NestedPath: "/v1/subscription_items", NestedKey: "subscription",
		}, true
	case "invoices":
		return Stream{
			Name: name, Object: "invoice", Path: "/v1/invoices",
			Variants:   []Variant{{Query: url.Values{"expand[]": {"data.payments"}}}},
			Expand:     []string{"payments"},
			Permission: "Invoices: Read",
			Nested:     "payments", NestedPath: "/v1/invoice_payments", NestedKey: "invoice",
		}, true
	case "invoice_payments":
		return Stream{Name: name, Object: "invoice_payment", Path: "/v1/invoice_payments", Permission: "Invoices: Read"}, true
	case "charges":
		return settled(Stream{Name: name, Object: "charge", Path: "/v1/charges", Permission: "Charges and Refunds: Read"}), true
	case "refunds":
		return settled(Stream{Name: name, Object: "refund", Path: "/v1/refunds", Permission: "Charges and Refunds: Read"}), true
	case "disputes":
		return Stream{Name: name, Object: "dispute", Path: "/v1/disputes", Variants: plain, Permission: "Disputes: Read"}, true
	case "payment_intents":
		return Stream{
			Name: name, Object: "payment_intent", Path: "/v1/payment_intents", Variants: plain,
			Permission: "PaymentIntents: Read",
		}, true
	}
	return Stream{}, false
}

// settled asks for the balance transaction, which alone knows the fee and the amount in the account's currency.
func settled(s Stream) Stream {
	s.Variants = []Variant{{Query: url.Values{"expand[]": {"data.balance_transaction"}}}}
	s.Expand = []string{"balance_transaction"}
	return s
}

// at returns the stream as a version of the API knows it.
func (s Stream) at(version string) Stream {
	if s.Name == "invoices" && !showsPayments(version) {
		s.Variants, s.Expand = []Variant{{}}, nil
		s.Nested, s.NestedPath, s.NestedKey = "", "", ""
	}
	return s
}

// showsPayments reports whether an invoice can show its payments in a version of the API, which begins with its
// date; "" is Stripe's own choice and taken for a new one. In older versions an invoice and a charge name each
// other, and to ask for the payments is an error.
func showsPayments(version string) bool { return version == "" || version >= "2025-03-31" }

// lack names the stream and the permission without which it cannot be read.
func (s Stream) lack() string { return s.Name + " (" + s.Permission + ")" }

// Fetch returns the path and the parameters that retrieve one object. Ids that people choose may hold what a
// path may not, so they are escaped.
func (s Stream) Fetch(id string) (path string, query url.Values) {
	query = url.Values{}
	for _, field := range s.Expand {
		query.Add("expand[]", field)
	}
	return s.Path + "/" + url.PathEscape(id), query
}
