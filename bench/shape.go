package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"memberintel/internal/sim/clock"
	simstripe "memberintel/internal/sim/stripe"
)

// shapes are objects as Stripe sends them, about 5 KB each, with holes where one differs from the next. A
// member has one subscription; invoices name both.
type shapes struct {
	customer, subscription, invoice form
}

// form is a text with holes: the text before each of them, and which value goes in.
type form struct {
	texts []string
	holes []byte
}

// The holes.
const (
	holeNumber  = 'n' // of the member
	holeInvoice = 'i' // of the invoice
	holeCreated = 'c'
)

// newShapes lets the simulated Stripe make one of each. What is made here is the same in each process.
func newShapes() (*shapes, error) {
	at := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	sim := simstripe.New(clock.At(at), 1)
	a := sim.NewAccount(simstripe.AccountOptions{})
	a.Club(1, 20, 6)
	for _, sub := range a.State("subscriptions") {
		ids := map[string]string{}
		text := string(sub)
		if !strings.Contains(text, `"status": "active"`) || strings.Count(text, `"subscription_item"`) != 1 {
			continue
		}
		ids["sub"], ids["cus"], ids["si"] = between(text, `"id": "`), between(text, `"customer": "`), between(text, `"id": "si_`)
		for _, inv := range a.State("invoices") {
			invoice := string(inv)
			if !strings.Contains(invoice, ids["sub"]) || !strings.Contains(invoice, `"status": "paid"`) {
				continue
			}
			return cut(a, ids, text, withPayment(invoice)), nil
		}
	}
	return nil, fmt.Errorf("the simulated club has no paying member")
}

func cut(a *simstripe.Account, ids map[string]string, sub, inv string) *shapes {
	customer := string(a.Show(ids["cus"], simstripe.VersionDahlia, a.History(ids["cus"])[0].At))
	name, email := between(customer, `"name": "`), between(customer, `"email": "`)
	number := between(customer, `"member_number": "`)
	customer = strings.Replace(customer, `"metadata": {`, `"metadata": {`+notes(), 1)
	invoice := between(inv, `"id": "`)
	holes := strings.NewReplacer(
		ids["cus"], "cus_BENCH0\x00n", ids["sub"], "sub_1BENCH0\x00n", "si_"+ids["si"], "si_BENCH0\x00n",
		invoice, "in_1BENCH0\x00i", "inpay_1", "inpay_1BENCH\x00i",
		`"`+name+`"`, `"`+name+" \x00n\"", email, "m\x00n.\x00n@club.example", number, "M-\x00n",
		`"created": `+between(customer, `"created": `), `"created": `+"\x00c",
		`"created": `+between(inv, `"created": `), `"created": `+"\x00c",
		`"created": `+between(sub, `"created": `), `"created": `+"\x00c",
	)
	return &shapes{customer: parse(holes.Replace(customer)), subscription: parse(holes.Replace(sub)), invoice: parse(holes.Replace(inv))}
}

// notes brings a customer to the size of the other objects.
func notes() string {
	var b strings.Builder
	words := strings.Fields("court season renewal junior coach guest locker tournament weekday evening family discount form signed medical parent ladder")
	seed := uint32(7)
	for n := range 7 {
		fmt.Fprintf(&b, "\n    \"note_%d\": \"", n)
		for range 60 {
			seed = seed*1664525 + 1013904223
			b.WriteString(words[seed>>16%uint32(len(words))] + " ")
		}
		fmt.Fprintf(&b, "\x00n\",")
	}
	return b.String()
}

// withPayment shows the invoice as a list that expands payments does.
func withPayment(invoice string) string {
	return strings.Replace(invoice, `"payment_settings": {`, `"payments": {
    "object": "list",
    "data": [
      {
        "id": "inpay_1",
        "object": "invoice_payment",
        "amount_paid": `+between(invoice, `"amount_paid": `)+`,
        "amount_requested": `+between(invoice, `"amount_paid": `)+`,
        "created": `+between(invoice, `"created": `)+`,
        "currency": "usd",
        "invoice": "`+between(invoice, `"id": "`)+`",
        "is_default": true,
        "livemode": false,
        "payment": {
          "payment_intent": "pi_1inpay_1",
          "type": "payment_intent"
        },
        "status": "paid",
        "status_transitions": {
          "canceled_at": null,
          "paid_at": `+between(invoice, `"created": `)+`
        }
      }
    ],
    "has_more": false
  },
  "payment_settings": {`, 1)
}

// between returns what stands after a text up to the next quote, comma or line.
func between(s, after string) string {
	_, rest, _ := strings.Cut(s, after)
	end := strings.IndexAny(rest, "\",\n")
	return rest[:max(end, 0)]
}

func parse(s string) (f form) {
	parts := strings.Split(s, "\x00")
	f.texts = []string{parts[0]}
	for _, p := range parts[1:] {
		f.holes, f.texts = append(f.holes, p[0]), append(f.texts, p[1:])
	}
	return f
}

// render appends the text to b with its holes filled.
func (f form) render(b *bytes.Buffer, member, invoice int, created int64) {
	b.WriteString(f.texts[0])
	var digits [20]byte
	for i, hole := range f.holes {
		switch hole {
		case holeNumber:
			b.Write(padded(digits[:0], member))
		case holeInvoice:
			b.Write(padded(digits[:0], invoice))
		case holeCreated:
			b.Write(strconv.AppendInt(digits[:0], created, 10))
		}
		b.WriteString(f.texts[i+1])
	}
}

// padded writes a number behind letters that scatter it, so that ids do not grow with time, as Stripe's do not.
func padded(b []byte, n int) []byte {
	scattered := uint32(n) * 2654435761
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	for range 7 {
		b = append(b, digits[scattered&31])
		scattered = scattered>>5 | scattered<<27
	}
	return strconv.AppendInt(append(b, 'x'), int64(n), 10)
}
