package stripe

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	stripego "github.com/stripe/stripe-go/v86"

	"memberintel/internal/canonical"
)

func TestOfficialFixturesAreMappedOrRefusedWithASentence(t *testing.T) {
	refused := map[string]string{
		// Its fields are fillers: the currency is "currency" and the status is "status".
		"invoice_payment": `An object of Stripe's invoice_payments, obj_123, was not understood: status holds "status", ` +
			`expected one of open, paid, canceled.`,
	}
	for name, raw := range fixtures(t) {
		stream, known := StreamNamed(strings.TrimPrefix(name, "deleted_") + "s")
		if !known {
			continue
		}
		t.Run(name, func(t *testing.T) {
			got, err := Map(stream.Name, raw, Envelope{})
			if want := refused[name]; want != "" {
				if err == nil || err.Error() != want {
					t.Fatalf("got %v, want %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Batch.Len() == 0 {
				t.Error("nothing was mapped")
			}
		})
	}
}

func TestACustomerIsAMember(t *testing.T) {
	raw := change(t, fixture(t, "customer"), map[string]any{
		"email": "a@example.org", "name": "Ann", "phone": "", "metadata": map[string]any{
			"membership_type": "Adult", "member_number": "17", "join_date": "2020-02-29T23:30:00-05:00",
			"preferred_court": "2", "skill_level": "4.0", "emergency_contact_name": "Bo", "emergency_contact_phone": "1", "more": "x",
		},
	})
	m := mapOne(t, "customers", raw).Batch.Members[0]
	created := time.Unix(1234567890, 0).UTC()
	want := canonical.Member{
		Head:  canonical.Head{SourceID: "cus_QXg1o8vcGmoR32", Raw: raw, CreatedAt: &created},
		Email: p("a@example.org"), Name: p("Ann"), Currency: p("usd"), SignupAt: &created,
		Address: m.Address, Metadata: m.Metadata,
		MembershipType: p("Adult"), MemberNumber: p("17"), JoinDate: p(time.Date(2020, 2, 29, 0, 0, 0, 0, time.UTC)),
		PreferredCourt: p("2"), SkillLevel: p("4.0"), EmergencyContactName: p("Bo"), EmergencyContactPhone: p("1"),
	}
	if diff := cmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(string(m.Metadata), `"more"`) || !strings.Contains(string(m.Address), `"city"`) {
		t.Errorf("metadata %s, address %s", m.Metadata, m.Address)
	}
}

func TestAJoinDateThatIsNoDayIsNone(t *testing.T) {
	for text, want := range map[string]string{
		"2026-03-01": "2026-03-01", "2026-03-01T00:00:00Z": "2026-03-01", "2026-02-30": "", "01.03.2026": "", "0000-01-01": "",
	} {
		raw := change(t, fixture(t, "customer"), map[string]any{"metadata": map[string]any{"join_date": text}})
		got := ""
		if day := mapOne(t, "customers", raw).Batch.Members[0].JoinDate; day != nil {
			got = day.Format(time.DateOnly)
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func TestWhatIsGoneIsATombstone(t *testing.T) {
	for _, c := range []struct {
		stream, name string
		env          Envelope
		hasRaw       bool
	}{
		{"customers", "deleted_customer", Envelope{}, false},
		{"products", "deleted_product", Envelope{}, false},
		{"prices", "deleted_price", Envelope{}, false},
		{"invoices", "deleted_invoice", Envelope{}, false},
		{"customers", "customer", Envelope{DeletedByEvent: true}, true},
		{"invoices", "invoice", Envelope{DeletedByEvent: true}, true},
	} {
		m, err := Map(c.stream, fixture(t, c.name), c.env)
		if err != nil {
			t.Fatal(err)
		}
		var head canonical.Head
		switch {
		case len(m.Batch.Members) == 1:
			head = m.Batch.Members[0].Head
		case len(m.Batch.Plans) == 1:
			head = m.Batch.Plans[0].Head
		case len(m.Batch.Invoices) == 1:
			head = m.Batch.Invoices[0].Head
		}
		if head.Deleted != canonical.DeletedByEvent || (head.Raw != nil) != c.hasRaw || m.Incomplete != "" {
			t.Errorf("%s: %+v", c.name, m)
		}
		if head.Reusable != (c.stream == "products" || c.stream == "prices") {
			t.Errorf("%s: reusable is %v", c.name, head.Reusable)
		}
	}
	if _, err := Map("charges", []byte(`{"id":"ch_1","object":"charge","deleted":true}`), Envelope{}); err == nil {
		t.Error("a deleted charge was taken")
	}
}

func TestTheEnvelopeIsOnEveryRecord(t *testing.T) {
	at := time.Unix(1700000000, 0).UTC()
	env := Envelope{Observed: canonical.Observation{From: at, Until: at}, APIVersion: "2026-08-26.dahlia", EventID: "evt_1"}
	m, err := Map("subscriptions", fixture(t, "subscription"), env)
	if err != nil {
		t.Fatal(err)
	}
	heads := []canonical.Head{m.Batch.Subscriptions[0].Head, m.Batch.Plans[0].Head}
	for _, h := range heads {
		if h.Observed != env.Observed || h.APIVersion != env.APIVersion || h.EventID != env.EventID {
			t.Errorf("%+v", h)
		}
	}
	if m.Livemode == nil || *m.Livemode {
		t.Error("livemode was not told")
	}
	if refund := mapOne(t, "refunds", fixture(t, "refund")); refund.Livemode != nil {
		t.Error("a refund does not say its livemode")
	}
}

// Stripe's own library decodes the same bytes; what both read must agree.
func TestStripesLibraryReadsTheSame(t *testing.T) {
	var sub stripego.Subscription
	decode(t, fixture(t, "subscription"), &sub)
	s := mapOne(t, "subscriptions", fixture(t, "subscription")).Batch.Subscriptions[0]
	wantSame(t,
		[]any{s.SourceID, *s.MemberSourceID, s.NativeStatus, s.CanceledAt.Unix(), s.CancelAtPeriodEnd,
			*s.Items[0].PlanSourceID, *s.Items[0].Quantity, *s.Items[0].UnitAmountMinor, s.Items[0].PeriodEnd.Unix(), *s.ProductSourceID},
		[]any{sub.ID, sub.Customer.ID, string(sub.Status), sub.CanceledAt, sub.CancelAtPeriodEnd,
			sub.Items.Data[0].Price.ID, sub.Items.Data[0].Quantity, sub.Items.Data[0].Price.UnitAmount,
			sub.Items.Data[0].CurrentPeriodEnd, sub.Items.Data[0].Price.Product.ID})

	var inv stripego.Invoice
	decode(t, fixture(t, "invoice"), &inv)
	i := mapOne(t, "invoices", fixture(t, "invoice")).Batch.Invoices[0]
	wantSame(t,
		[]any{i.SourceID, *i.MemberSourceID, *i.SubscriptionSourceID, i.Status, i.TotalMinor, i.AmountRemainingMinor, i.DueAt.Unix()},
		[]any{inv.ID, inv.Customer.ID, inv.Parent.SubscriptionDetails.Subscription.ID, string(inv.Status), inv.Total,
			inv.AmountRemaining, inv.DueDate})

	raw := change(t, fixture(t, "charge"), map[string]any{"balance_transaction": asAny(t, fixture(t, "balance_transaction"))})
	var ch stripego.Charge
	decode(t, raw, &ch)
	c := mapOne(t, "charges", raw).Batch.Transactions[0]
	wantSame(t,
		[]any{c.SourceID, c.AmountMinor, c.Currency, c.NativeStatus, *c.SettlementSourceID, *c.NetMinor, *c.FeeMinor, *c.SettlementCurrency},
		[]any{ch.ID, ch.Amount, string(ch.Currency), string(ch.Status), ch.BalanceTransaction.ID, ch.BalanceTransaction.Net,
			ch.BalanceTransaction.Fee, string(ch.BalanceTransaction.Currency)})

	var pi stripego.PaymentIntent
	decode(t, fixture(t, "payment_intent"), &pi)
	n := mapOne(t, "payment_intents", fixture(t, "payment_intent")).Batch.PaymentIntents[0]
	wantSame(t,
		[]any{n.SourceID, n.AmountMinor, *n.AmountReceivedMinor, n.NativeStatus, n.CanceledAt.Unix()},
		[]any{pi.ID, pi.Amount, pi.AmountReceived, string(pi.Status), pi.CanceledAt})
}

func BenchmarkMap(b *testing.B) {
	for _, name := range []string{"customer", "subscription", "invoice", "charge", "payment_intent"} {
		raw := fixture(b, name)
		stream, _ := StreamNamed(name + "s")
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Map(stream.Name, raw, Envelope{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func p[T any](v T) *T { return &v }

func decode(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

func asAny(t testing.TB, raw []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// mapOne maps what must be understood.
func mapOne(t testing.TB, stream string, raw []byte) Mapped {
	t.Helper()
	m, err := Map(stream, raw, Envelope{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// refusal maps what must not be understood.
func refusal(t testing.TB, stream string, raw []byte) *SchemaError {
	t.Helper()
	m, err := Map(stream, raw, Envelope{})
	var refused *SchemaError
	if !errors.As(err, &refused) || m.Batch.Len() != 0 {
		t.Fatalf("%s was taken: %+v, %v", raw, m, err)
	}
	return refused
}

func fixtures(t testing.TB) map[string]json.RawMessage {
	t.Helper()
	file, err := os.ReadFile("testdata/fixtures.json")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(file, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	raw, ok := fixtures(t)[name]
	if !ok {
		t.Fatalf("there is no fixture %s", name)
	}
	return raw
}

// gone as a value takes the field away.
type gone struct{}

// change sets fields of an object, each named by a dotted path in which a number is a place in a list.
func change(t testing.TB, raw []byte, fields map[string]any) []byte {
	t.Helper()
	root := asAny(t, raw)
	for path, value := range fields {
		at := root
		steps := strings.Split(path, ".")
		for _, step := range steps[:len(steps)-1] {
			if list, ok := at.([]any); ok {
				at = list[step[0]-'0']
			} else {
				at = at.(map[string]any)[step]
			}
		}
		if _, remove := value.(gone); remove {
			delete(at.(map[string]any), steps[len(steps)-1])
		} else {
			at.(map[string]any)[steps[len(steps)-1]] = value
		}
	}
	out, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
