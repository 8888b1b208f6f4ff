package stripe

// Address is a postal address; empty fields are null.
type Address struct {
	City, Country, Line1, Line2, PostalCode, State string
}

func (a *Address) render(e *enc, name string) {
	if a == nil {
		e.null(name)
		return
	}
	e.open(name)
	e.text("city", a.City)
	e.text("country", a.Country)
	e.text("line1", a.Line1)
	e.text("line2", a.Line2)
	e.text("postal_code", a.PostalCode)
	e.text("state", a.State)
	e.close()
}

type customer struct {
	id, name, email, phone, description, currency, prefix, method, clock string
	created, balance, sequence                                           int64
	delinquent                                                           bool
	address                                                              *Address
	metadata                                                             metadata
}

func (c *customer) head() (string, string, int64) { return "customers", c.id, c.created }
func (c *customer) facts() facts                  { return facts{email: c.email, clock: c.clock} }

func (c *customer) render(e *enc, v view) {
	e.begin('{')
	e.str("id", c.id)
	e.str("object", "customer")
	c.address.render(e, "address")
	e.num("balance", c.balance)
	e.num("created", c.created)
	e.text("currency", c.currency)
	e.null("default_source")
	e.flag("delinquent", c.delinquent)
	e.text("description", c.description)
	e.null("discount")
	e.text("email", c.email)
	e.str("invoice_prefix", c.prefix)
	e.open("invoice_settings")
	e.null("custom_fields")
	e.text("default_payment_method", c.method)
	e.null("footer", "rendering_options")
	e.close()
	e.flag("livemode", v.a.livemode)
	c.metadata.render(e, "metadata")
	e.text("name", c.name)
	e.num("next_invoice_sequence", c.sequence)
	e.text("phone", c.phone)
	e.emptyArray("preferred_locales")
	e.null("shipping")
	if _, want := v.expand["subscriptions"]; want {
		v.nestedObjects(e, "subscriptions", "/v1/customers/"+c.id+"/subscriptions", indexKey{"subscriptions", "customer", c.id})
	}
	e.str("tax_exempt", "none")
	e.text("test_clock", c.clock)
	e.close()
}

// CustomerParams describe a new customer. TestClock puts it, and what is made for it, under a test clock.
type CustomerParams struct {
	ID, Name, Email, Phone, Description, TestClock string
	Address                                        *Address
	Metadata                                       map[string]string
}

// CreateCustomer makes a customer and returns its id.
func (a *Account) CreateCustomer(p CustomerParams) string {
	defer a.change()()
	return a.createCustomer(p)
}

func (a *Account) createCustomer(p CustomerParams) string {
	c := &customer{id: p.ID, name: p.Name, email: p.Email, phone: p.Phone, description: p.Description, clock: p.TestClock,
		address: p.Address, metadata: newMetadata(p.Metadata), created: a.now(), sequence: 1, prefix: random(a.ids, 8),
		method: a.newID("pm")}
	if c.id == "" {
		c.id = a.newID("cus")
	}
	a.record("customer.created", c)
	return c.id
}

// CustomerUpdate changes a customer: nil leaves a field as it is, and metadata is merged, an empty value removing its key.
type CustomerUpdate struct {
	Name, Email, Phone, Description *string
	Address                         *Address
	Metadata                        map[string]string
}

// UpdateCustomer changes a customer.
func (a *Account) UpdateCustomer(id string, u CustomerUpdate) error {
	defer a.change()()
	return a.updateCustomer(id, u)
}

func (a *Account) updateCustomer(id string, u CustomerUpdate) error {
	return update(a, id, "customer.updated", func(c *customer) {
		set(&c.name, u.Name)
		set(&c.email, u.Email)
		set(&c.phone, u.Phone)
		set(&c.description, u.Description)
		if u.Address != nil {
			c.address = u.Address
		}
		c.metadata = c.metadata.merge(u.Metadata)
	})
}

// DeleteCustomer cancels the customer's subscriptions and deletes it. Lists omit it from then on.
func (a *Account) DeleteCustomer(id string) error {
	defer a.change()()
	c, ok := get[*customer](a, id)
	if !ok {
		return missing("customer", id)
	}
	a.deleteCustomer(c)
	return nil
}

func (a *Account) deleteCustomer(c *customer) {
	for _, o := range a.lists[indexKey{"subscriptions", "customer", c.id}] {
		if s, ok := o.last().st.(*subscription); ok && !s.ended() {
			a.cancel(s, "cancellation_requested")
		}
	}
	a.emit("customer.deleted", c, nil)
	a.put(&gone{"customers", "customer", c.id, c.created})
}

func set[T any](field *T, v *T) {
	if v != nil {
		*field = *v
	}
}
