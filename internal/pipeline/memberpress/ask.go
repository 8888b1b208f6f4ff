package memberpress

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"memberintel/internal/care"
	"memberintel/internal/fetch"
)

// question is a request before it has an id and a signature.
type question struct {
	path  string // behind routes
	query []pair
	post  bool
	body  []byte // of a POST
	paged bool   // whether care chooses a limit
}

// remedy is something that can be done about a failure at once, each at most as often as tries says.
type remedy string

const (
	none     remedy = ""
	smaller  remedy = "smaller"  // the site broke down under the page, and care has halved it
	later    remedy = "later"    // the site is at work on another request
	anew     remedy = "anew"     // with another nonce
	byPost   remedy = "by_post"  // around a cache
	elsewise remedy = "elsewise" // at the other form of the address
)

// tries is how often a remedy is tried for one question.
func (r remedy) tries() int {
	if r == smaller {
		return 2
	}
	return 1
}

// ask returns the signed body of a good answer. What one further request may mend is tried at once; everything
// else is left to the schedule. An error is a fault with a sentence for the site's owner, ctx's error, or a
// refusal of care.
func (c *client) ask(ctx context.Context, q question) ([]byte, error) {
	tried := map[remedy]int{}
	var before error
	for {
		body, err := c.once(ctx, q)
		if err == nil {
			return body, nil
		}
		what := c.remedy(q, err)
		switch {
		case before != nil && errors.Is(err, care.ErrNotAsked):
			return nil, before // the site told what is wrong; that we may not ask again tells less
		case tried[elsewise] > 0 && missOf(err) != "":
			c.pretty = !c.pretty
			return nil, c.nowhere(before, err)
		case what == none || tried[what] == what.tries():
			return nil, err
		}
		tried[what]++
		before = err
		c.pretty = c.pretty != (what == elsewise)
		c.post = c.post || what == byPost
	}
}

// remedy says what may help against an error at once.
func (c *client) remedy(q question, err error) remedy {
	switch symptom := fetch.SymptomOf(err); {
	case errors.Is(err, errStale) && !c.post:
		return byPost
	case RefusalCode(err) == codeReplayed:
		return anew
	case RefusalCode(err) == codeBusy:
		return later
	case missOf(err) != "":
		return elsewise
	case q.paged && breaksDown(symptom):
		return smaller
	default:
		return none
	}
}

// breaksDown reports whether less at once may be what the site needs; care halves the page then.
func breaksDown(s fetch.Symptom) bool {
	switch s {
	case fetch.Timeout, fetch.SlowDrip, fetch.ServerError, fetch.Gateway, fetch.TooLarge:
		return true
	default:
		return false
	}
}

// build makes the request: with a new id and nonce, in the form and by the method that work with this site.
func (c *client) build(q question, permit care.Permit) (id string, r fetch.Request) {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails; the program ends where the system has no randomness
	id = hex.EncodeToString(random[:16])
	query := append([]pair{}, q.query...)
	if q.paged {
		query = append(query, pair{"limit", strconv.Itoa(permit.PageSize)})
	}
	m := message{
		Method: http.MethodGet, Route: routes + q.path, Body: q.body, KeyID: c.keyID,
		Timestamp: strconv.FormatInt(c.now().Unix(), 10), Nonce: hex.EncodeToString(random[16:]),
	}
	if q.post || c.post {
		m.Method = http.MethodPost
		if m.Body == nil {
			m.Body = []byte{}
		}
	} else {
		query = append(query, pair{"mi_request", id}) // so that no cache has seen the address before
	}
	m.Query = query
	r = fetch.Request{
		URL: c.address(m.Route, query), Body: m.Body, JSON: true,
		Header: http.Header{
			headerKeyID: {c.keyID}, headerTimestamp: {m.Timestamp}, headerNonce: {m.Nonce}, headerRequestID: {id},
			headerProtocol: {strconv.Itoa(Protocol)}, headerSignature: {c.sign(m.lines())}, "Accept": {"application/json"},
		},
	}
	if len(m.Body) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	return id, r
}

// address is where the route is asked. /?rest_route= works with plain permalinks and a renamed prefix too.
func (c *client) address(route string, query []pair) string {
	at := c.home
	if c.pretty {
		at.Path += "/wp-json" + route
		at.RawQuery = encodeQuery(query)
		return at.String()
	}
	at.Path += "/"
	at.RawQuery = "rest_route=" + encode(route)
	if len(query) > 0 {
		at.RawQuery += "&" + encodeQuery(query)
	}
	return at.String()
}

// follow remembers where the site answered from: a host's redirect to https or to www need not be met each time,
// and what is posted follows none.
func (c *client) follow(from string) {
	if at, err := url.Parse(from); err == nil && at.Host != "" {
		c.home.Scheme, c.home.Host = at.Scheme, at.Host
	}
}

// once sends a question and returns the signed body of a good answer.
func (c *client) once(ctx context.Context, q question) (body []byte, err error) {
	answer, err := c.site.Ask(ctx, func(permit care.Permit) (fetch.Request, error) {
		id, request := c.build(q, permit)
		request.Own = func(a fetch.Response) (own bool, err error) {
			body, own, err = c.judge(a, id)
			return own, err
		}
		return request, nil
	})
	if err != nil {
		return nil, c.explain(answer, err)
	}
	c.follow(answer.URL)
	return body, nil
}

// judge says whether the plugin has answered, and what it said: the signed body of a good answer, or a fault. An
// answer of somebody else is a fault too, for where nothing better is known of it.
func (c *client) judge(a fetch.Response, id string) (body []byte, own bool, err error) {
	body, from := c.open(sealed{a.Status, a.Header.Get(headerAnswer), a.Body}, id)
	switch {
	case from == stale, from == foreign && namesAnother(a.Body, id):
		return nil, true, c.staled()
	case from == foreign && unsigned(a):
		return nil, true, c.refused(a.Status, a.Body)
	case from == foreign:
		return nil, false, c.distrusted(a)
	case a.Status != http.StatusOK:
		return nil, true, c.refused(a.Status, body)
	}
	if version := namedProtocol(body); version != Protocol {
		return nil, true, c.unsupported(version, version)
	}
	return body, true, nil
}
