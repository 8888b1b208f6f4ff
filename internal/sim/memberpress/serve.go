package memberpress

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const routes = "/memberintel/v1"

// ServeHTTP answers as WordPress does, and as what stands in front of it does.
func (s *Site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	watches, f := s.watches, s.strike(r)
	s.mu.Unlock()
	for _, watch := range watches {
		watch(r)
	}
	switch {
	case f == nil:
		f = &Fault{}
	case f.Kind == Cached && r.Method == http.MethodGet, f.Kind == CachedAll:
		s.throughCache(w, r)
		return
	case f.before(w, r):
		return
	}
	s.serve(w, r, f)
}

func (s *Site) serve(w http.ResponseWriter, r *http.Request, f *Fault) {
	base, err := url.Parse(s.cfg.HomeURL)
	if err != nil {
		panic("memberpress: the address of the site is none: " + err.Error())
	}
	path := strings.TrimPrefix(r.URL.Path, strings.TrimRight(base.Path, "/"))
	query := r.URL.Query()
	pretty, below := strings.CutPrefix(path, "/wp-json")
	switch {
	case below && s.cfg.PlainPermalinks:
		notFound().write(w, r)
		return
	case below:
		s.rest(w, r, f, pretty, query)
	case query.Has("rest_route") && !s.cfg.NoRouteQuery:
		s.rest(w, r, f, query.Get("rest_route"), query)
	case path == "/" || path == "":
		home().write(w, r)
	default:
		notFound().write(w, r)
	}
}

// rest answers below WordPress' REST interface.
func (s *Site) rest(w http.ResponseWriter, r *http.Request, f *Fault, route string, query url.Values) {
	route = strings.TrimRight(route, "/")
	_, name, _ := strings.Cut(route, routes+"/sync/")
	known := route == routes+"/sync" || route == routes+"/connect" || regexp.MustCompile(`^[a-z_]+$`).MatchString(name)
	postOnly := route == routes+"/connect" || name == "disconnect"
	if !known || r.Method != http.MethodPost && (postOnly || r.Method != http.MethodGet) {
		noRoute().write(w, r)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // who asked is gone
	}
	in := asked{Request: r, route: route, query: query, body: body}
	if id := r.Header.Get("X-MemberIntel-Request-Id"); regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`).MatchString(id) {
		in.id = id
	}
	s.mu.Lock()
	a := s.reply(in, name, f)
	if f.Kind == Doubled {
		a = s.reply(in, name, f)
	}
	s.mu.Unlock()
	f.after(w, a)
}

func (a answer) write(w http.ResponseWriter, body []byte) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(body) // a client that went away is no matter to the site
}

// reply checks who asks, does the work, and signs what came of it.
func (s *Site) reply(r asked, name string, f *Fault) answer {
	if f.Kind == FailedEarly {
		return s.refuse(r.id, nil, f.trouble())
	}
	if r.route == routes+"/connect" {
		return s.receive(r)
	}
	who, refused := s.caller(r)
	if refused != nil {
		return s.refuse(r.id, nil, refused)
	}
	if refused := s.admit(who, r); refused != nil {
		return s.refuse(r.id, who.secret, refused)
	}
	if refused := f.trouble(); refused != nil {
		return s.refuse(r.id, who.secret, refused)
	}
	e := s.envelope(r.id, name)
	if name == "" {
		e.Entity = "sync"
	}
	if refused := s.work(e, r, name); refused != nil {
		return s.refuse(r.id, who.secret, refused)
	}
	return s.seal(r.id, who.secret, http.StatusOK, f.grow(e, encode(e)))
}

func (s *Site) work(e *envelope, r asked, name string) *problem {
	p := parameters{r: r}
	after, limit := p.whole("after", 0, 0, 1<<62), int(p.whole("limit", pageDefault, 1, 1<<62))
	bucket, sweep := p.whole("bucket", 5000, 100, 50000), p.whole("sweep", 1, 0, 1)
	names := p.names("entities")
	if p.refused != nil {
		return p.refused
	}
	switch name {
	case "":
		s.handshake(e)
		return nil
	case "changes":
		return s.changes(e, p.text("since"), names, min(limit, pageMax), sweep == 1)
	case "checksums":
		return s.checksums(e, p.text("entity"), after, bucket)
	case "disconnect":
		e.Disconnected = true
		clear(s.keys)
		s.renew()
		return nil
	default:
		return s.page(e, name, after, min(limit, pageMax))
	}
}

// parameters are those of the query, or of a JSON body.
type parameters struct {
	r       asked
	refused *problem
}

func (p *parameters) text(name string) string {
	if p.r.query.Has(name) {
		return p.r.query.Get(name)
	}
	var body map[string]any
	if json.NewDecoder(bytes.NewReader(p.r.body)).Decode(&body) != nil || body[name] == nil {
		return ""
	}
	if number, ok := body[name].(float64); ok {
		return strconv.FormatFloat(number, 'f', -1, 64)
	}
	return fmt.Sprint(body[name])
}

func (p *parameters) whole(name string, otherwise, least, most int64) int64 {
	text := p.text(name)
	if text == "" {
		return otherwise
	}
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil || len(text) > 18 || number < least || number > most {
		p.refused = &problem{"mi_bad_request", "The parameter " + name + " is not a whole number.", problemData{Parameter: name}}
	}
	return number
}

// names is a list of entities, sorted; nil for all.
func (p *parameters) names(name string) []string {
	text := p.text(name)
	if text == "" {
		return nil
	}
	if len(text) > 300 || !regexp.MustCompile(`^[a-z_]+(,[a-z_]+)*$`).MatchString(text) {
		p.refused = &problem{"mi_bad_request", "The parameter " + name + " is not a list of names.", problemData{Parameter: name}}
		return nil
	}
	names := strings.Split(text, ",")
	slices.Sort(names)
	return slices.Compact(names)
}

// receive takes a key that the service brings, from whoever holds the one-time code.
func (s *Site) receive(r asked) answer {
	var body struct {
		Code   string `json:"code"`
		KeyID  string `json:"key_id"`
		Secret string `json:"secret"`
	}
	read := json.Unmarshal(r.body, &body)
	secret, err := base64.RawURLEncoding.DecodeString(body.Secret)
	if s.code == "" || read != nil || body.Code != s.code || err != nil || !r.signedBy(secret) {
		return s.refuse(r.id, nil, &problem{code: "mi_not_connecting", message: "This site does not wait for a connection."})
	}
	verifier := s.proof
	s.code, s.proof = "", ""
	clear(s.keys)
	s.keyID, s.keys[body.KeyID], s.homed = body.KeyID, secret, s.home
	s.renew()
	return s.seal(r.id, secret, http.StatusOK, encode(connected{s.speaks[0], r.id, s.id, s.now(), "connect", verifier}))
}
