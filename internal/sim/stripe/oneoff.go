package stripe

// ChargeParams describe a one-off payment, such as a lifetime membership. The currency is the account's when empty.
type ChargeParams struct {
	Customer, Currency, Description string
	Amount                          int64
	Payment                         Payment
	Metadata                        map[string]string
}

// Charge takes a one-off payment and returns the charge's id; a declined payment leaves a failed charge.
func (a *Account) Charge(p ChargeParams) (string, error) {
	defer a.change()()
	return a.charge(p)
}

func (a *Account) charge(p ChargeParams) (string, error) {
	pi := &intent{id: a.newID("pi"), customer: p.Customer, currency: p.Currency, status: "requires_confirmation",
		description: p.Description, created: a.now(), amount: p.Amount, metadata: newMetadata(p.Metadata)}
	if pi.currency == "" {
		pi.currency = a.options.Currency
	}
	name := ""
	if p.Customer != "" {
		c, ok := get[*customer](a, p.Customer)
		if !ok {
			return "", missing("customer", p.Customer)
		}
		pi.method, pi.email, name = c.method, c.email, c.name
	}
	a.record("payment_intent.created", pi)
	return a.try(pi.id, p.Payment, name), nil
}
