package stripe

import (
	"fmt"
	"strconv"
)

type product struct {
	id, name, description, defaultPrice, unit string
	created, updated                          int64
	inactive                                  bool
	metadata                                  metadata
}

func (p *product) head() (string, string, int64) { return "products", p.id, p.created }
func (p *product) facts() facts                  { return facts{inactive: p.inactive} }

func (p *product) render(e *enc, v view) {
	e.begin('{')
	e.str("id", p.id)
	e.str("object", "product")
	e.flag("active", !p.inactive)
	e.num("created", p.created)
	v.ref(e, "default_price", p.defaultPrice)
	e.text("description", p.description)
	e.emptyArray("images")
	e.flag("livemode", v.a.livemode)
	e.emptyArray("marketing_features")
	p.metadata.render(e, "metadata")
	e.str("name", p.name)
	e.null("package_dimensions", "shippable", "statement_descriptor", "tax_code")
	e.str("type", "service")
	e.text("unit_label", p.unit)
	e.num("updated", p.updated)
	e.null("url")
	e.close()
}

type price struct {
	id, product, currency, nickname, lookup, interval string
	created, amount, count                            int64
	inactive                                          bool
	metadata                                          metadata
}

func (p *price) head() (string, string, int64) { return "prices", p.id, p.created }

func (p *price) typ() string {
	if p.interval == "" {
		return "one_time"
	}
	return "recurring"
}

func (p *price) facts() facts {
	return facts{product: p.product, currency: p.currency, inactive: p.inactive, typ: p.typ()}
}

func (p *price) render(e *enc, v view) {
	e.begin('{')
	e.str("id", p.id)
	e.str("object", "price")
	e.flag("active", !p.inactive)
	e.str("billing_scheme", "per_unit")
	e.num("created", p.created)
	e.str("currency", p.currency)
	e.null("custom_unit_amount")
	e.flag("livemode", v.a.livemode)
	e.text("lookup_key", p.lookup)
	p.metadata.render(e, "metadata")
	e.text("nickname", p.nickname)
	v.ref(e, "product", p.product)
	if p.interval == "" {
		e.null("recurring")
	} else {
		e.open("recurring")
		if v.shape == shapeOld {
			e.null("aggregate_usage")
		}
		e.str("interval", p.interval)
		e.num("interval_count", p.count)
		e.null("meter", "trial_period_days")
		e.str("usage_type", "licensed")
		e.close()
	}
	e.str("tax_behavior", "unspecified")
	e.null("tiers_mode", "transform_quantity")
	e.str("type", p.typ())
	e.num("unit_amount", p.amount)
	e.str("unit_amount_decimal", strconv.FormatInt(p.amount, 10))
	e.close()
}

// plan writes the price in the shape of the old plan object, which subscription items still carry.
func (p *price) plan(e *enc, v view, name string) {
	e.open(name)
	e.str("id", p.id)
	e.str("object", "plan")
	e.flag("active", !p.inactive)
	if v.shape == shapeOld {
		e.null("aggregate_usage")
	}
	e.num("amount", p.amount)
	e.str("amount_decimal", strconv.FormatInt(p.amount, 10))
	e.str("billing_scheme", "per_unit")
	e.num("created", p.created)
	e.str("currency", p.currency)
	e.str("interval", p.interval)
	e.num("interval_count", p.count)
	e.flag("livemode", v.a.livemode)
	p.metadata.render(e, "metadata")
	e.null("meter")
	e.text("nickname", p.nickname)
	e.str("product", p.product)
	e.null("tiers_mode", "transform_usage", "trial_period_days")
	e.str("usage_type", "licensed")
	e.close()
}

// ProductParams describe a new product. An ID may be chosen, as in Stripe.
type ProductParams struct {
	ID, Name, Description string
	Metadata              map[string]string
}

// CreateProduct makes a product and returns its id. An id that was deleted may be used again.
func (a *Account) CreateProduct(p ProductParams) string {
	defer a.change()()
	st := &product{id: p.ID, name: p.Name, description: p.Description, metadata: newMetadata(p.Metadata),
		created: a.now(), updated: a.now()}
	if st.id == "" {
		st.id = a.newID("prod")
	}
	a.record("product.created", st)
	return st.id
}

// ProductUpdate changes a product; nil leaves a field as it is.
type ProductUpdate struct {
	Name, Description, DefaultPrice *string
	Active                          *bool
	Metadata                        map[string]string
}

// UpdateProduct changes a product and its updated time.
func (a *Account) UpdateProduct(id string, u ProductUpdate) error {
	defer a.change()()
	return update(a, id, "product.updated", func(p *product) {
		set(&p.name, u.Name)
		set(&p.description, u.Description)
		set(&p.defaultPrice, u.DefaultPrice)
		if u.Active != nil {
			p.inactive = !*u.Active
		}
		p.metadata = p.metadata.merge(u.Metadata)
		p.updated = a.now()
	})
}

// DeleteProduct deletes a product; like Stripe it refuses while the product has prices.
func (a *Account) DeleteProduct(id string) error {
	defer a.change()()
	p, ok := get[*product](a, id)
	if !ok {
		return missing("product", id)
	}
	for _, o := range a.lists[indexKey{"prices", "product", id}] {
		if !o.deleted() {
			return fmt.Errorf("stripe sim: product %s has prices", id)
		}
	}
	a.emit("product.deleted", p, nil)
	a.put(&gone{"products", "product", id, p.created})
	return nil
}

// PriceParams describe a new price. Interval is day, week, month or year, empty for a one-time price; Every is its count,
// 1 when zero. The currency is the account's when empty.
type PriceParams struct {
	Product, Currency, Nickname, LookupKey, Interval string
	Amount, Every                                    int64
	Metadata                                         map[string]string
}

// CreatePrice makes a price and returns its id.
func (a *Account) CreatePrice(p PriceParams) string {
	defer a.change()()
	st := &price{id: a.newID("price"), product: p.Product, currency: p.Currency, nickname: p.Nickname, lookup: p.LookupKey,
		interval: p.Interval, count: max(1, p.Every), amount: p.Amount, created: a.now(), metadata: newMetadata(p.Metadata)}
	if st.currency == "" {
		st.currency = a.options.Currency
	}
	a.record("price.created", st)
	return st.id
}

// PriceUpdate changes a price; nil leaves a field as it is. The amount of a price never changes in Stripe.
type PriceUpdate struct {
	Nickname *string
	Active   *bool
	Metadata map[string]string
}

// UpdatePrice changes a price. Subscriptions show the new state at once, without an event of their own.
func (a *Account) UpdatePrice(id string, u PriceUpdate) error {
	defer a.change()()
	return update(a, id, "price.updated", func(p *price) {
		set(&p.nickname, u.Nickname)
		if u.Active != nil {
			p.inactive = !*u.Active
		}
		p.metadata = p.metadata.merge(u.Metadata)
	})
}

// DeletePrice deletes a price that no subscription ever used; any other is refused.
func (a *Account) DeletePrice(id string) error {
	defer a.change()()
	p, ok := get[*price](a, id)
	if !ok {
		return missing("price", id)
	}
	for _, o := range a.lists[indexKey{resource: "subscriptions"}] {
		for _, ver := range o.versions {
			s, is := ver.st.(*subscription)
			for i := 0; is && i < len(s.items); i++ {
				if s.items[i].price == id {
					return fmt.Errorf("stripe sim: price %s is used by subscription %s", id, o.id)
				}
			}
		}
	}
	a.emit("price.deleted", p, nil)
	a.put(&gone{"prices", "price", id, p.created})
	return nil
}
