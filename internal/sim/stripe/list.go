package stripe

import (
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// parameters reads the query by the names that an endpoint knows. created[gte]=1 stands under "created[gte]", types[]=x
// and types[0]=x under "types".
func (c *call) parameters(known ...string) (url.Values, *apiError) {
	raw, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return nil, invalid(400, "", "", "Invalid request: the query could not be parsed.")
	}
	names := make([]string, 0, len(raw))
	for n := range raw {
		names = append(names, n)
	}
	sort.Strings(names)
	q := url.Values{}
	for _, n := range names {
		base, sub, nested := strings.Cut(n, "[")
		sub = strings.TrimSuffix(sub, "]")
		if !slices.Contains(known, base) {
			return nil, errUnknownParameter(n)
		}
		_, notIndex := strconv.Atoi(sub)
		switch {
		case !nested || sub == "" || notIndex == nil:
			q[base] = append(q[base], raw[n]...)
		case (base == "created" || strings.HasPrefix(base, "current_period_")) && slices.Contains([]string{"gt", "gte", "lt", "lte"}, sub), base == "payment":
			q[n] = raw[n]
		default:
			return nil, errUnknownParameter(n)
		}
	}
	return q, nil
}

// paging is the part of a list's parameters that every list has.
type paging struct {
	limit         int
	after, before string
}

func pagingOf(q url.Values) (paging, *apiError) {
	p := paging{limit: 10, after: q.Get("starting_after"), before: q.Get("ending_before")}
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		switch {
		case err != nil:
			return p, errInteger("limit", q.Get("limit"))
		case n < 1:
			return p, invalid(400, "parameter_invalid_integer", "limit", "This value must be greater than or equal to 1.")
		case n > 100:
			return p, invalid(400, "parameter_invalid_integer", "limit", "This value must be less than or equal to 100.")
		}
		p.limit = n
	}
	if p.after != "" && p.before != "" {
		return p, invalid(400, "", "ending_before", "You cannot parameterize starting_after and ending_before.")
	}
	return p, nil
}

// list answers a list of a resource, newest first. It costs time in the length of the page, since the objects of each
// resource, and of each customer, subscription and so on, are kept in order.
func (c *call) list(name string, res resource) ([]byte, *apiError) {
	q, refused := c.parameters(append([]string{"limit", "starting_after", "ending_before", "expand"}, res.parameters...)...)
	if refused != nil {
		return nil, refused
	}
	p, refused := pagingOf(q)
	if refused != nil {
		return nil, refused
	}
	v := c.account.view(c.version)
	if v.expand, refused = expansionOf(q["expand"], name, true, v.shape); refused != nil {
		return nil, refused
	}
	f, refused := filterOf(c.account, name, q)
	if refused != nil {
		return nil, refused
	}
	found, more, refused := c.scan(f, p, res)
	if refused != nil {
		return nil, refused
	}
	return pageOf("/v1/"+name, len(found), more, func(e *enc, i int) { v.element(e, found[i]) }), nil
}

// scan walks one kept list from the cursor on. Going back from ending_before, the page is that next to the cursor.
func (c *call) scan(f *filter, p paging, res resource) (found []*object, more bool, _ *apiError) {
	list := c.account.lists[f.index]
	low := sort.Search(len(list), func(i int) bool { return list[i].created >= f.created.from })
	high := sort.Search(len(list), func(i int) bool { return list[i].created > f.created.to })
	for _, cur := range []struct{ id, param string }{{p.after, "starting_after"}, {p.before, "ending_before"}} {
		if cur.id == "" {
			continue
		}
		o := c.account.objects[cur.id]
		if o == nil || o.resource != f.index.resource || o.deleted() || o.created < f.oldest || c.cursorGone {
			return nil, false, errMissing(400, res.object, cur.id, cur.param)
		}
		at, there := slices.BinarySearchFunc(list, o, (*object).younger)
		if cur.param == "starting_after" {
			high = min(high, at)
		} else {
			low = max(low, at+btoi(there))
		}
	}
	step, i := -1, high-1
	if p.before != "" {
		step, i = 1, low
	}
	for ; i >= low && i < high; i += step {
		if f.match(list[i]) {
			if len(found) == p.limit {
				more = true
				break
			}
			found = append(found, list[i])
		}
	}
	if p.before != "" {
		slices.Reverse(found)
	}
	return found, more, nil
}

// pageOf writes a list.
func pageOf(url string, n int, more bool, element func(e *enc, i int)) []byte {
	e := enc{b: make([]byte, 0, 256+n*4096)}
	e.begin('{')
	e.str("object", "list")
	e.array("data")
	for i := range n {
		e.item()
		element(&e, i)
	}
	e.endArray()
	e.flag("has_more", more)
	e.str("url", url)
	e.close()
	return append(e.b, '\n')
}

// cacheLimit bounds what an account keeps of rendered objects, in bytes.
const cacheLimit = 256 << 20

// element writes an object as an element of a list. Its bytes are kept for the next reader, as long as there is room.
func (v view) element(e *enc, o *object) {
	last := o.last()
	t, money := last.st.(*transaction)
	if len(v.expand) > 0 || o.resource == "events" || money && t.pending(v) {
		last.st.render(e, v)
		return
	}
	kept := o.cached.Load()
	if kept != nil && kept.seq == last.seq && kept.catalogue == v.a.catalogue && kept.shape == v.shape {
		e.b = append(e.b, kept.body...)
		e.comma = true
		return
	}
	from := len(e.b)
	last.st.render(e, v)
	n := int64(len(e.b) - from)
	if kept != nil {
		n -= int64(len(kept.body))
	}
	if v.a.cached.Add(n) > cacheLimit {
		v.a.cached.Add(-n)
		return
	}
	o.cached.Store(&page{last.seq, v.a.catalogue, v.shape, slices.Clone(e.b[from:])})
}
