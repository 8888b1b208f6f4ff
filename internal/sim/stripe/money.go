package stripe

import "strconv"

// transaction is a movement on the account's balance, in the account's currency.
type transaction struct {
	id, currency, description, source, typ, category string
	created, amount, fee                             int64
	// rate is millionths of the account's currency for one unit of the presented one, 0 where they are the same.
	rate int64
}

func (t *transaction) head() (string, string, int64) { return "balance_transactions", t.id, t.created }

func (t *transaction) facts() facts {
	return facts{typ: t.typ, currency: t.currency, source: t.source}
}

func (t *transaction) render(e *enc, v view) {
	e.begin('{')
	e.str("id", t.id)
	e.str("object", "balance_transaction")
	e.num("amount", t.amount)
	e.num("available_on", t.availableOn())
	if v.shape == shapeDahlia {
		e.str("balance_type", "payments")
	}
	e.num("created", t.created)
	e.str("currency", t.currency)
	e.text("description", t.description)
	if t.rate == 0 {
		e.null("exchange_rate")
	} else {
		e.key("exchange_rate")
		e.b = strconv.AppendFloat(e.b, float64(t.rate)/1e6, 'f', -1, 64)
	}
	e.num("fee", t.fee)
	e.array("fee_details")
	if t.fee != 0 {
		e.item()
		e.begin('{')
		e.num("amount", t.fee)
		e.null("application")
		e.str("currency", t.currency)
		e.str("description", "Stripe processing fees")
		e.str("type", "stripe_fee")
		e.close()
	}
	e.endArray()
	e.num("net", t.amount-t.fee)
	e.str("reporting_category", t.category)
	v.ref(e, "source", t.source)
	if t.pending(v) {
		e.str("status", "pending")
	} else {
		e.str("status", "available")
	}
	e.str("type", t.typ)
	e.close()
}

func (t *transaction) availableOn() int64 { return t.created - t.created%86400 + 2*86400 }

// pending reports whether the money is not available yet, which changes by the clock alone, without an event.
func (t *transaction) pending(v view) bool {
	if v.at != 0 {
		return t.availableOn() > v.at
	}
	return t.availableOn() > v.a.sim.clock.Now().Unix()
}

// settle makes the balance transaction of an amount presented in a currency. The fee is 2.9 % and 30 minor units of a
// charge, fixed for a dispute, and never given back.
func (a *Account) settle(source, typ, category, currency, description string, amount, fixedFee int64) string {
	t := &transaction{id: a.newID("txn"), currency: a.options.Currency, description: description, source: source, typ: typ,
		category: category, created: a.now(), amount: amount, fee: fixedFee}
	if currency != t.currency {
		t.rate = dollars(t.currency) * 1_000_000 / dollars(currency)
		t.amount = amount * pow10(places(t.currency)) * t.rate / 1_000_000 / pow10(places(currency))
	}
	if typ == "charge" {
		t.fee = t.amount*29/1000 + 30*pow10(places(t.currency))/100
	}
	a.put(t)
	return t.id
}

// dollars is how many millionths of a currency a dollar buys, fixed for all time.
func dollars(currency string) int64 {
	switch currency {
	case "eur":
		return 920_000
	case "gbp":
		return 790_000
	case "jpy":
		return 150_000_000
	case "kwd":
		return 310_000
	case "huf":
		return 360_000_000
	case "isk":
		return 138_000_000
	}
	return 1_000_000
}

// places is how many decimal places the minor unit of a currency has in Stripe's API.
func places(currency string) int {
	switch currency {
	case "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf":
		return 0
	case "bhd", "jod", "kwd", "omr", "tnd":
		return 3
	}
	return 2
}

func pow10(n int) int64 {
	p := int64(1)
	for range n {
		p *= 10
	}
	return p
}
