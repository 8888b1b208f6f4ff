package memberpress

import (
	"bytes"
	"net/http"
	"strings"
)

// front is what somebody answers in the plugin's place.
type front struct {
	status int
	json   bool
	body   string
	header map[string]string
}

func (p front) write(w http.ResponseWriter, _ *http.Request) {
	kind := "text/html; charset=UTF-8"
	if p.json {
		kind = "application/json; charset=UTF-8"
	}
	w.Header().Set("Content-Type", kind)
	for name, value := range p.header {
		w.Header().Set(name, value)
	}
	w.WriteHeader(p.status)
	_, _ = w.Write([]byte(p.body)) // a client that went away is no matter to the site
}

func html(title, body string) string {
	return "<!DOCTYPE html><html><head><title>" + title + "</title></head><body>" + body + "</body></html>"
}

func home() front {
	return front{status: http.StatusOK, body: html("Lakeside Tennis Club", `<h1>Welcome to the club</h1><script>window.club = {"courts":6};</script>`)}
}

func notFound() front {
	return front{status: http.StatusNotFound, body: html("Page not found - Lakeside Tennis Club", "<h1>Oops! That page can't be found.</h1>")}
}

func noRoute() front {
	return front{status: http.StatusNotFound, json: true,
		body: `{"code":"rest_no_route","message":"No route was found matching the URL and request method.","data":{"status":404}}`}
}

func signIn() front {
	return front{status: http.StatusOK, body: html("Login - Lakeside Tennis Club",
		`<div class="mp_wrapper mp_login_form"><p>You are unauthorized to view this page.</p><form name="mepr_loginform" id="mepr_loginform" class="mepr-login-form"></form></div>`)}
}

// insteadOf is what is answered for a fault, as it was seen, shortened.
func insteadOf(kind FaultKind) (front, bool) {
	retry := map[string]string{"Retry-After": "600"}
	cloudflare := map[string]string{"Server": "cloudflare", "Cf-Ray": "8f2a1c3d4e5f-FRA"}
	pages := map[FaultKind]front{
		MaintainedHTML: {status: 503, header: retry, body: html("Maintenance", "Briefly unavailable for scheduled maintenance. Check back in a minute.")},
		FatalHTML:      {status: 500, body: html("WordPress &rsaquo; Error", "<p>There has been a critical error on this website.</p>")},
		DatabaseDown: {status: 500, json: true,
			body: `{"code":"wp_die","message":"<h1>Error establishing a database connection<\/h1>","data":{"status":500},"additional_errors":[]}`},
		DatabaseHTML: {status: 500, body: html("Database Error", "<h1>Error establishing a database connection</h1>")},
		RESTForbidden: {status: 403, json: true,
			body: `{"code":"rest_forbidden","message":"Sorry, you are not allowed to do that.","data":{"status":403}}`},
		RESTHidden: {status: 404, json: true, body: `{"code":"rest_cannot_access","message":"DRA: Only authenticated users can access the REST API.","data":{"status":404}}`},
		Teaser:     {status: 503, header: retry, body: html("Coming Soon", "<h1>Something great is coming soon</h1>")},
		Sucuri: {status: 403, header: map[string]string{"Server": "Sucuri/Cloudproxy", "X-Sucuri-Id": "14005"},
			body: html("Sucuri WebSite Firewall - Access Denied", "<h2>Access Denied - Sucuri Website Firewall</h2>")},
		OriginDown: {status: 522, header: cloudflare, body: html("lakeside.example | 522: Connection timed out", "<h1>Connection timed out <span>Error code 522</span></h1>")},
		OriginTLS:  {status: 526, header: cloudflare, body: html("lakeside.example | 526: Invalid SSL certificate", "<h1>Invalid SSL certificate <span>Error code 526</span></h1>")},
		Gateway502: {status: 502, header: map[string]string{"Server": "nginx"}, body: html("502 Bad Gateway", "<center><h1>502 Bad Gateway</h1></center><hr><center>nginx</center>")},
		OtherJSON:  {status: 200, json: true, body: `{"name":"Another thing","routes":{}}`},
		OutOfMemory: {status: 500, json: true,
			body: `{"code":"internal_server_error","message":"<p>There has been a critical error on this website.<\/p>","data":{"status":500},"additional_errors":[]}`},
	}
	p, is := pages[kind]
	return p, is
}

// throughCache answers as before where there was an answer, and keeps this one where there was none. Its key is the
// route alone, which is a poor one and does occur.
func (s *Site) throughCache(w http.ResponseWriter, r *http.Request) {
	route := strings.Join([]string{r.Method, r.URL.Path, r.URL.Query().Get("rest_route")}, " ")
	s.mu.Lock()
	kept, there := s.cached[route]
	s.mu.Unlock()
	if !there {
		kept = &keeper{header: http.Header{}, status: http.StatusOK}
		s.serve(kept, r, &Fault{})
		s.mu.Lock()
		s.cached[route] = kept
		s.mu.Unlock()
	}
	answer{status: kept.status, header: kept.header}.write(w, kept.body.Bytes())
}

// keeper is an answer that is kept instead of sent.
type keeper struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header returns the headers that are kept.
func (k *keeper) Header() http.Header { return k.header }

// WriteHeader keeps the status.
func (k *keeper) WriteHeader(status int) { k.status = status }

// Write keeps a part of the body.
func (k *keeper) Write(b []byte) (int, error) { return k.body.Write(b) }
