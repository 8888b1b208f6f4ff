package memberpress

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"memberintel/internal/sim/site"
)

// FaultKind is what goes wrong with an answer of the plugin. What goes wrong with any website is a site.Sickness.
type FaultKind string

// The faults.
const (
	Noticed        FaultKind = "noticed"         // PHP prints notices before the answer
	Appended       FaultKind = "appended"        // a plugin prints a comment behind it
	HeaderLost     FaultKind = "header_lost"     // the signature's header is taken away
	TrailerLost    FaultKind = "trailer_lost"    // the signature's trailer is taken away
	SignatureLost  FaultKind = "signature_lost"  // both are
	Rewritten      FaultKind = "rewritten"       // something changes the body on its way
	Cut            FaultKind = "cut"             // the body ends early and seems whole to HTTP
	Cached         FaultKind = "cached"          // a cache answers each GET as it did the first time, whatever the query
	CachedAll      FaultKind = "cached_all"      // and each POST
	Doubled        FaultKind = "doubled"         // a proxy sends the request twice, and the second answer comes back
	Unsigned       FaultKind = "unsigned"        // the request's own headers are lost on their way to the plugin
	Authorization  FaultKind = "authorization"   // its Authorization is, which nothing needs
	Parameters     FaultKind = "parameters"      // a web server adds a parameter
	Busy           FaultKind = "busy"            // another request is at work
	Failed         FaultKind = "failed"          // the plugin fails in the midst of its work
	FailedEarly    FaultKind = "failed_early"    // and before it knows who asks
	NewField       FaultKind = "new_field"       // the plugin tells a field "colour" of rows and of the site that nobody knows
	Nameless       FaultKind = "nameless"        // the id of the row that Limit names is a text
	Omitted        FaultKind = "omitted"         // the row that Limit names is left out
	OutOfMemory    FaultKind = "out_of_memory"   // PHP dies where more rows are asked for than Limit
	OutOfTime      FaultKind = "out_of_time"     // no answer comes in time where more are
	MaintainedHTML FaultKind = "maintained_html" // WordPress' maintenance, as a page
	FatalHTML      FaultKind = "fatal_html"      // a PHP error, as a page
	DatabaseDown   FaultKind = "database_down"   // WordPress does not reach its database, as JSON
	DatabaseHTML   FaultKind = "database_html"   // and as a page
	RESTForbidden  FaultKind = "rest_forbidden"  // a plugin hides the REST interface with a 403
	RESTHidden     FaultKind = "rest_hidden"     // and with a 404
	RESTGone       FaultKind = "rest_gone"       // WordPress' REST interface is switched off
	Walled         FaultKind = "walled"          // and MemberPress sends everybody to the sign-in page
	Teaser         FaultKind = "teaser"          // a coming-soon plugin, with a 503
	Sucuri         FaultKind = "sucuri"          // Sucuri's firewall refuses
	OriginDown     FaultKind = "origin_down"     // Cloudflare gets no connection to the server (522)
	OriginTLS      FaultKind = "origin_tls"      // Cloudflare does not trust the server's certificate (526)
	Gateway502     FaultKind = "gateway_502"     // the proxy gets no answer
	OtherJSON      FaultKind = "other_json"      // something else answers, in JSON
	ElsewhereTo    FaultKind = "elsewhere_to"    // everything is redirected to To
)

// Fault makes requests go wrong until it has hit often enough or is taken back. It is a Kind or a Sickness.
type Fault struct {
	Kind     FaultKind
	Sickness site.Sickness
	Path     string // hits only routes and addresses that hold it; "" is all
	Skip     int    // so many requests pass first
	Count    int    // ends the fault after so many hits; 0 never does
	Limit    int    // of OutOfMemory and OutOfTime: pages up to this size pass; of Nameless and Omitted: which id
	To       string // of ElsewhereTo
}

// Fault makes requests go wrong; the function that it returns takes the fault back. The first that fits hits.
func (s *Site) Fault(f Fault) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	added := &f
	s.faults = append(s.faults, added)
	clear(s.cached)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(other *Fault) bool { return other == added })
	}
}

// strike returns the fault that hits a request, nil for none.
func (s *Site) strike(r *http.Request) *Fault {
	for i, f := range s.faults {
		asks, err := strconv.Atoi(r.URL.Query().Get("limit"))
		switch {
		case !strings.Contains(r.URL.Path+"?"+r.URL.Query().Get("rest_route"), f.Path):
			continue
		case (f.Kind == OutOfMemory || f.Kind == OutOfTime) && (err != nil || asks <= f.Limit):
			continue
		case f.Skip > 0:
			f.Skip--
			continue
		}
		if f.Count > 0 {
			if f.Count--; f.Count == 0 {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
			}
		}
		hit := *f
		return &hit
	}
	return nil
}

// before answers in the place of WordPress, or changes the request; it reports whether it has answered.
func (f *Fault) before(w http.ResponseWriter, r *http.Request) bool {
	switch f.Kind {
	case "":
		sick := site.New(nil)
		sick.Be(f.Sickness)
		sick.ServeHTTP(w, r)
		return true
	case OutOfTime:
		<-r.Context().Done()
		return true
	case ElsewhereTo:
		http.Redirect(w, r, f.To, http.StatusMovedPermanently)
		return true
	case Walled:
		if r.URL.Path != "/login/" {
			http.Redirect(w, r, "/login/?action=mepr_unauthorized", http.StatusFound)
			return true
		}
		signIn().write(w, r)
		return true
	case RESTGone:
		if strings.Contains(r.URL.Path, "/wp-json") {
			notFound().write(w, r)
		} else {
			home().write(w, r)
		}
		return true
	case Unsigned:
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Memberintel-") {
				r.Header.Del(name)
			}
		}
		return false
	case Authorization:
		r.Header.Del("Authorization")
		return false
	case Parameters:
		r.URL.RawQuery += "&utm_source=host"
		return false
	}
	instead, is := insteadOf(f.Kind)
	if is {
		instead.write(w, r)
	}
	return is
}

// after sends the plugin's answer as what stands in front of the site leaves it.
func (f *Fault) after(w http.ResponseWriter, a answer) {
	body := a.whole()
	switch f.Kind {
	case Noticed:
		body = append([]byte("\ufeff<br />\n<b>Notice</b>:  Undefined index: x{y} in <b>/srv/www/wp-content/plugins/old/old.php</b> on line <b>7</b><br />\n"), body...)
	case Appended:
		body = append(body, "\n<!-- Performance optimized by a cache -->\n"...)
	case HeaderLost, SignatureLost:
		a.header.Del("X-MemberIntel-Response-Signature")
		if f.Kind == SignatureLost {
			body = a.body
		}
	case TrailerLost:
		body = a.body
	case Rewritten:
		body = []byte(strings.ReplaceAll(string(body), "://", "://cdn."))
	case Cut:
		body = body[:len(body)*2/3]
	}
	a.write(w, body)
}

// grow adds a field to each row and to the site's description, makes an id what none is, or leaves a row out.
func (f *Fault) grow(e *envelope, body []byte) []byte {
	switch f.Kind {
	case NewField:
	case Omitted:
		left := []byte(`{"id":` + strconv.Itoa(f.Limit) + `,`)
		e.Rows = slices.DeleteFunc(e.Rows, func(row json.RawMessage) bool { return bytes.HasPrefix(row, left) })
		return encode(e)
	case Nameless:
		id := strconv.Itoa(f.Limit)
		return []byte(strings.ReplaceAll(string(body), `{"id":`+id+`,"hash"`, `{"id":"`+id+`","hash"`))
	default:
		return body
	}
	text := strings.Replace(string(body), `"limits":{"page_default"`, `"colour":"green","limits":{"page_default"`, 1)
	ends := 1
	if e.Sweep != nil {
		ends = 2 // a change wraps its row
	}
	for _, row := range e.Rows {
		inner := len(row) - ends
		text = strings.Replace(text, string(row), string(row[:inner])+`,"colour":"green"`+string(row[inner:]), 1)
	}
	return []byte(text)
}

// trouble is what a fault makes the plugin itself say, nil for nothing.
func (f *Fault) trouble() *problem {
	switch f.Kind {
	case Busy:
		return &problem{"mi_busy", "Another request is at work.", problemData{RetryAfter: 5}}
	case Failed, FailedEarly:
		return &problem{"mi_failed", "The site could not answer.", problemData{RetryAfter: 60}}
	default:
		return nil
	}
}
