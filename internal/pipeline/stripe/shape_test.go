package stripe

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"memberintel/internal/canonical"
)

// Each of these differs in one thing from an object that is understood.
func TestWhatIsNotUnderstoodIsRefusedByName(t *testing.T) {
	for _, c := range []struct {
		stream, path string
		value        any
		found        string
	}{
		{"customers", "id", "", "a text that is no id"},
		{"customers", "id", "cus_é", "a text that is no id"},
		{"customers", "id", strings.Repeat("x", 256), "a text that is no id"},
		{"customers", "id", 7, "a number"},
		{"customers", "object", "charge", `"charge"`},
		{"customers", "livemode", "true", "a text"},
		{"customers", "created", gone{}, "nothing"},
		{"customers", "created", nil, "null"},
		{"customers", "created", "2026-01-01", "a text"},
		{"customers", "created", -1, "a negative number"},
		{"customers", "created", 253402300800, "a number out of range"},
		{"customers", "created", 1.5, "a number with a fraction or an exponent"},
		{"customers", "email", 5, "a number"},
		{"customers", "address", "Main Street 1", "a text"},
		{"customers", "metadata", []any{}, "a list"},
		{"customers", "metadata.member_number", 17, "a number"},
		{"customers", "currency", "USD", "a text"},
		{"customers", "currency", "dollar", `"dollar"`},
		{"products", "active", gone{}, "nothing"},
		{"prices", "type", "weekly", `"weekly"`},
		{"prices", "recurring", nil, "null"},
		{"prices", "recurring.interval", "fortnight", `"fortnight"`},
		{"prices", "recurring.interval_count", 0, "a number out of range"},
		{"prices", "recurring.interval_count", nil, "null"},
		{"prices", "recurring.usage_type", "guessed", `"guessed"`},
		{"prices", "billing_scheme", "auction", `"auction"`},
		{"prices", "unit_amount", "2000", "a text"},
		{"prices", "unit_amount", 19.99, "a number with a fraction or an exponent"},
		{"prices", "unit_amount", json.Number("9223372036854775808"), "a number out of range"},
		{"prices", "unit_amount_decimal", "1,5", "a text that is no decimal number"},
		{"prices", "product", 3, "a number"},
		{"subscriptions", "status", "napping", `"napping"`},
		{"subscriptions", "status", nil, "null"},
		{"subscriptions", "customer", nil, "null"},
		{"subscriptions", "customer", map[string]any{"object": "customer"}, "nothing"},
		{"subscriptions", "items", gone{}, "nothing"},
		{"subscriptions", "items", nil, "null"},
		{"subscriptions", "items.object", "page", `"page"`},
		{"subscriptions", "items.data", nil, "null"},
		{"subscriptions", "items.data", []any{"si_1"}, "a list that holds a text"},
		{"subscriptions", "items.has_more", gone{}, "nothing"},
		{"subscriptions", "items.data.0.price.currency", "", "an empty text"},
		{"subscriptions", "items.data.0.price", "price_1", "a text"},
		{"subscriptions", "items.data.0.quantity", -1, "a negative number"},
		{"subscriptions", "pause_collection", true, "true"},
		{"invoices", "status", "imagined", `"imagined"`},
		{"invoices", "amount_paid", -1, "a negative number"},
		{"invoices", "total", gone{}, "nothing"},
		{"invoices", "parent", "sub_1", "a text"},
		{"invoices", "payments", []any{}, "a list"},
		{"charges", "amount", -5, "a negative number"},
		{"charges", "status", "maybe", `"maybe"`},
		{"charges", "currency", gone{}, "nothing"},
		{"charges", "balance_transaction", 5, "a number"},
		{"charges", "balance_transaction", map[string]any{"id": "txn_1"}, "nothing"},
		{"refunds", "status", nil, "null"},
		{"disputes", "status", "argued", `"argued"`},
		{"disputes", "balance_transactions", []any{"txn_1"}, "a list that holds a text"},
		{"payment_intents", "status", "requires_luck", `"requires_luck"`},
		{"payment_intents", "amount_received", "0", "a text"},
	} {
		stream, _ := StreamNamed(c.stream)
		e := refusal(t, c.stream, change(t, fixture(t, stream.Object), map[string]any{c.path: c.value}))
		leaf := c.path[strings.LastIndex(c.path, ".")+1:]
		if e.Found != c.found || !strings.Contains(e.Field, leaf) && e.Field != "customer.id" && !strings.HasPrefix(e.Field, "balance_transaction.") {
			t.Errorf("%s %s=%v: %v", c.stream, c.path, c.value, e)
		}
	}
}

func TestARefusalSaysWhere(t *testing.T) {
	e := refusal(t, "subscriptions", change(t, fixture(t, "subscription"), map[string]any{"items.data.0.price.recurring.interval": "eon"}))
	want := `An object of Stripe's subscriptions, sub_1Pgc6rB7WZ01zgkWNy0Cn5nw, was not understood: ` +
		`items.data[0].price.recurring.interval holds "eon", expected one of day, week, month, year.`
	if e.Error() != want {
		t.Errorf("got %s\nwant %s", e, want)
	}
}

func TestARefusalTellsNothingPersonal(t *testing.T) {
	const personal = "ann@example.org"
	for _, field := range []string{"currency", "created", "livemode", "object", "id", "address", "metadata"} {
		raw := change(t, fixture(t, "customer"), map[string]any{field: personal})
		if field == "id" {
			raw = change(t, raw, map[string]any{"id": personal + "é"})
		}
		if e := refusal(t, "customers", raw); strings.Contains(e.Error(), "ann") {
			t.Error(e)
		}
	}
}

func TestTwoItemsOfOneIDAreRefused(t *testing.T) {
	item := asAny(t, fixture(t, "subscription_item"))
	e := refusal(t, "subscriptions", change(t, fixture(t, "subscription"), map[string]any{"items.data": []any{item, item}}))
	if e.Field != "items.data[1].id" {
		t.Error(e)
	}
}

func TestACustomerAccountMayPayInPlaceOfACustomer(t *testing.T) {
	raw := change(t, fixture(t, "subscription"), map[string]any{"customer": nil, "customer_account": "acct_1"})
	if s := mapOne(t, "subscriptions", raw).Batch.Subscriptions[0]; s.MemberSourceID != nil {
		t.Errorf("got %s", *s.MemberSourceID)
	}
}

// What PostgreSQL refuses in jsonb and text is refused before it gets there, and what it takes is not.
func TestWhatCannotBeStoredIsRefused(t *testing.T) {
	for value, found := range map[string]string{
		`"a\u0000b"`:                  "a NUL character",
		`"a\\u0000b"`:                 "",
		`"\\\u0000"`:                  "a NUL character",
		`"\ud800"`:                    "half a surrogate pair",
		`"\ud800x\udc00"`:             "half a surrogate pair",
		`"\udc00"`:                    "half a surrogate pair",
		`"\ud83d\ude00 \uD83D\uDE00"`: "",
		"\"\xff\"":                    "bytes that are not UTF-8",
		"\"a\nb\"":                    "bytes that are not JSON",
		`"\u00"`:                      "bytes that are not JSON",
		`1e400000`:                    "a number that is too long",
		`-1.0e-05`:                    "",
		`1e0000000000000000005`:       "",
		strings.Repeat("9", 401):      "a number that is too long",
		strings.Repeat("[", 200) + strings.Repeat("]", 200): "JSON nested too deep",
		`{"a":`: "bytes that are not JSON",
		`NaN`:   "bytes that are not JSON",
	} {
		raw := []byte(`{"id":"cus_1","object":"customer","created":1,"livemode":false,"x":` + value + `}`)
		_, err := Map("customers", raw, Envelope{})
		if found == "" && err != nil || found != "" && (err == nil || !strings.Contains(err.Error(), found)) {
			t.Errorf("%.40s: got %v, want %q", value, err, found)
		}
	}
	for _, raw := range []string{"", " ", "[]", "7", `"cus_1"`, "null", strings.Repeat("[", 1<<20), `{"id":"cus_1"} {}`} {
		if e := refusal(t, "customers", []byte(raw)); e.ID != "" {
			t.Error(e)
		}
	}
	if _, err := Map("balloons", []byte(`{}`), Envelope{}); err == nil {
		t.Error("an unknown stream was taken")
	}
}

func TestOfTwoEqualKeysTheLastCounts(t *testing.T) {
	m := mapOne(t, "customers", []byte(`{"id":"cus_1","object":"customer","created":1,"livemode":false,"name":"a","name":"b"}`))
	if got := *m.Batch.Members[0].Name; got != "b" {
		t.Errorf("got %s", got)
	}
}

func TestRawPointsIntoTheInput(t *testing.T) {
	raw := fixture(t, "subscription")
	m := mapOne(t, "subscriptions", raw)
	for _, part := range [][]byte{m.Batch.Subscriptions[0].Raw, m.Batch.Subscriptions[0].Items[0].Raw, m.Batch.Plans[0].Raw} {
		if !json.Valid(part) || !bytes.Contains(raw, part) {
			t.Errorf("%.60s", part)
		}
	}
}

func TestSecretsAreCutOut(t *testing.T) {
	for raw, want := range map[string]string{
		`{"a":1}`:                     `{"a":1}`,
		`{"client_secret":"s"}`:       `{}`,
		`{"client_secret":"s","a":1}`: `{"a":1}`,
		`{ "a": 1 , "client_secret" : "s\"}," , "b":2}`:                                     `{ "a": 1  , "b":2}`,
		`{"a":[{"client_secret":"s"}],"client_secret":"t","b":{"x":1,"client_secret":"u"}}`: `{"a":[{}],"b":{"x":1}}`,
		`{"client_secret":"s","client_secret":"t"}`:                                         `{}`,
		`{"client_secret":null}`:                                                            `{"client_secret":null}`,
		`{"a":"client_secret","b":1}`:                                                       `{"a":"client_secret","b":1}`,
		`{"a":"x\"client_secret","b":1}`:                                                    `{"a":"x\"client_secret","b":1}`,
		`{"x\"client_secret":"kept"}`:                                                       `{"x\"client_secret":"kept"}`,
	} {
		got := string(withoutSecrets([]byte(raw)))
		if !json.Valid([]byte(got)) {
			t.Errorf("%s became %s", raw, got)
		}
		if strings.ReplaceAll(got, " ", "") != strings.ReplaceAll(want, " ", "") {
			t.Errorf("%s: got %s, want %s", raw, got, want)
		}
	}
}

// FuzzMap looks for bytes that make the mapping panic, give both records and an error, or take what is no JSON.
func FuzzMap(f *testing.F) {
	names := []string{}
	for _, s := range Streams() {
		names = append(names, s.Name)
	}
	names = append(names, "invoice_payments")
	for name, raw := range fixtures(f) {
		stream, _ := StreamNamed(strings.TrimPrefix(name, "deleted_") + "s")
		for i := range names {
			if names[i] == stream.Name {
				f.Add(uint8(i), []byte(raw))
			}
		}
	}
	f.Add(uint8(0), []byte(`{"id":"cus_1","object":"customer","created":1,"livemode":false,"client_secret":"\ud83d\ude00"}`))
	f.Fuzz(func(t *testing.T, n uint8, raw []byte) {
		stream := names[int(n)%len(names)]
		before := bytes.Clone(raw)
		m, err := Map(stream, raw, Envelope{EventID: "evt_1"})
		if !bytes.Equal(before, raw) {
			t.Fatal("the input was changed")
		}
		if err != nil {
			if _, ok := err.(*SchemaError); !ok || m.Batch.Len() != 0 || strings.ContainsAny(err.Error(), "\n\x00") { //nolint:errorlint // its type is the promise
				t.Fatalf("%T %q with %d records", err, err, m.Batch.Len())
			}
			return
		}
		if !json.Valid(raw) || m.Batch.Len() == 0 {
			t.Fatalf("%d records of %q", m.Batch.Len(), raw)
		}
		for _, h := range headsOf(m.Batch) {
			if h.SourceID == "" || h.Deleted == "" && !json.Valid(h.Raw) || h.CreatedAt != nil && h.CreatedAt.After(time.Unix(yearEnd, 0)) {
				t.Fatalf("%+v", h)
			}
		}
	})
}

func headsOf(b canonical.Batch) []canonical.Head {
	var heads []canonical.Head
	for _, r := range b.Members {
		heads = append(heads, r.Head)
	}
	for _, r := range b.Plans {
		heads = append(heads, r.Head)
	}
	for _, r := range b.Subscriptions {
		heads = append(heads, r.Head)
	}
	for _, r := range b.Invoices {
		heads = append(heads, r.Head)
	}
	for _, r := range b.Transactions {
		heads = append(heads, r.Head)
	}
	for _, r := range b.Allocations {
		heads = append(heads, r.Head)
	}
	for _, r := range b.PaymentIntents {
		heads = append(heads, r.Head)
	}
	return heads
}
