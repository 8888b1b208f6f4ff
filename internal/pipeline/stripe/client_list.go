package stripe

import (
	"context"
	"maps"
	"net/url"

	"github.com/tidwall/gjson"

	"memberintel/internal/canonical"
	"memberintel/internal/fault"
)

// Page is one page of a list, in Stripe's order: newest first.
type Page struct {
	Objects    [][]byte // each as Stripe sent it; they share memory and must not be changed
	HasMore    bool
	First      bool                  // set by ListAll: the list begins here, and what it showed before is void
	Observed   canonical.Observation // of every object of the page
	APIVersion string
}

// Object is one object that was fetched.
type Object struct {
	Raw        []byte
	Observed   canonical.Observation
	APIVersion string
}

// List asks for one page, of 100 objects unless q says otherwise. Faults: NotPermitted where the account has
// no such list or the key may not read it, BadCursor where the object that the page was to follow is gone.
func (c *Client) List(ctx context.Context, path string, q url.Values) (Page, error) {
	if !q.Has("limit") {
		q = clone(q)
		q.Set("limit", "100")
	}
	a, err := c.do(ctx, path, q, true)
	if err != nil {
		return Page{}, err
	}
	page := Page{APIVersion: c.apiVersion(a)}
	if page.Observed, err = a.observed(); err != nil {
		return Page{}, err
	}
	if page.Objects, page.HasMore, err = pageOf(a.body, endpointOf(path)); err != nil {
		return Page{}, err
	}
	return page, nil
}

// Get asks for one object. A deleted one comes as a stub, or as fault.NotFound where Stripe keeps none; then
// the object has nothing but the time at which it was found missing.
func (c *Client) Get(ctx context.Context, path string, q url.Values) (Object, error) {
	a, err := c.do(ctx, path, q, false)
	if fault.Is(err, fault.NotFound) {
		o := Object{}
		if at, e := a.observed(); e == nil {
			o.Observed = at
		}
		return o, err
	}
	if err != nil {
		return Object{}, err
	}
	o := Object{Raw: a.body, APIVersion: c.apiVersion(a)}
	if o.Observed, err = a.observed(); err != nil {
		return Object{}, err
	}
	if !gjson.ParseBytes(a.body).IsObject() {
		return Object{}, fault.New(fault.Schema, "Stripe's answer for %s is not an object.", endpointOf(path))
	}
	return o, nil
}

// ListAll hands every page of the list to do, from the one that q asks for on. It ends with the list or with
// do's error. Where the object that a page was to follow is gone, the list is read again from its beginning, a
// few times at most: do then meets objects again, behind a page that is First.
func (c *Client) ListAll(ctx context.Context, path string, q url.Values, do func(Page) error) error {
	begin := q
	q = clone(begin)
	restarts := 0
	for first := true; ; first = false {
		page, err := c.List(ctx, path, q)
		if !first && restarts < maxRestarts && fault.Is(err, fault.BadCursor) {
			restarts++
			q, first = clone(begin), true
			page, err = c.List(ctx, path, q)
		}
		if err != nil {
			return err
		}
		page.First = first
		if err := do(page); err != nil {
			return err
		}
		if !page.HasMore {
			return nil
		}
		last := lastID(page)
		if last == "" || last == q.Get("starting_after") {
			return fault.New(fault.Schema, "Stripe's list %s says that more follows, and not after what.", endpointOf(path))
		}
		q.Set("starting_after", last)
	}
}

// maxRestarts bounds how often one list is read again because a cursor was gone.
const maxRestarts = 3

// lastID is the cursor of the page that follows, "" when the page has none.
func lastID(page Page) string {
	if len(page.Objects) == 0 {
		return ""
	}
	return gjson.GetBytes(page.Objects[len(page.Objects)-1], "id").String()
}

// pageOf takes a list apart without looking into its objects: one that is not understood is no reason to lose
// the others.
func pageOf(body []byte, endpoint string) (objects [][]byte, hasMore bool, err error) {
	r := &reader{stream: endpoint}
	if !gjson.ParseBytes(body).IsObject() {
		return nil, false, fault.New(fault.Schema, "Stripe's answer for %s is not a list.", endpoint)
	}
	list := r.parse(body)
	list.mustOneOf("object", "list")
	hasMore = list.mustFlag("has_more")
	data := list.get("data")
	if !data.IsArray() {
		list.refuse("data", kindOf(data), "a list")
	}
	if r.err != nil {
		return nil, false, fault.Wrap(fault.Schema, r.err, "Stripe's answer for %s is not a list.", endpoint)
	}
	data.ForEach(func(_, element gjson.Result) bool {
		objects = append(objects, bytesOf(element.Raw))
		return true
	})
	return objects, hasMore, nil
}

func clone(q url.Values) url.Values {
	if q == nil {
		return url.Values{}
	}
	return maps.Clone(q)
}

// Account is the account that a credential belongs to.
type Account struct {
	ID              string
	Name            string // as its dashboard shows it, "" when it has none
	Country         string // two letters, "" when it does not say
	DefaultCurrency string // "" when it does not say
}

// Account asks whose the credential is. A restricted key may lack the right to know, which is
// fault.NotPermitted or fault.NotFound and no reason to give up.
func (c *Client) Account(ctx context.Context) (Account, error) {
	o, err := c.Get(ctx, "/v1/account", nil)
	if err != nil {
		return Account{}, err
	}
	r := &reader{stream: "account"}
	top := r.parse(o.Raw)
	top.mustOneOf("object", "account")
	account := Account{
		ID:              top.mustID("id"),
		Name:            text(first(top.child("settings").child("dashboard").text("display_name"), top.child("business_profile").text("name"))),
		Country:         text(top.text("country")),
		DefaultCurrency: text(top.currency("default_currency")),
	}
	if r.err != nil {
		return Account{}, fault.Wrap(fault.Schema, r.err, "Stripe's answer about the account was not understood.")
	}
	return account, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
