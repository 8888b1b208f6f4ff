package memberpress

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	sim "memberintel/internal/sim/memberpress"
	"memberintel/internal/sim/site"
)

// signature is one way in which a site answers, and what its owner is told.
type signature struct {
	name     string
	fault    sim.Fault
	do       func(*place) // instead of a fault
	kind     fault.Kind   // "" where the site is read all the same
	symptom  fetch.Symptom
	says     string // in the sentence
	do1st    string // in the first line of the checklist
	requests int    // default 1
}

func sick(what site.Sickness) sim.Fault   { return sim.Fault{Sickness: what} }
func broken(what sim.FaultKind) sim.Fault { return sim.Fault{Kind: what} }

// signatures are those of the facts that were measured, and then those of the plugin itself.
func signatures() []signature {
	return []signature{
		{name: "well"},
		{name: "core maintenance, JSON", fault: sick(site.Maintenance), kind: fault.Unavailable, symptom: fetch.Maintenance, says: "is being worked on", do1st: "Nothing needs to be done"},
		{name: "core maintenance, HTML", fault: broken(sim.MaintainedHTML), kind: fault.Unavailable, symptom: fetch.Maintenance, says: "is being worked on", do1st: "Nothing needs to be done"},
		{name: "PHP fatal, JSON", fault: sick(site.Fatal), kind: fault.Unavailable, symptom: fetch.ServerError, says: "stopped with a PHP error", do1st: "Technical Issue"},
		{name: "PHP fatal, HTML", fault: broken(sim.FatalHTML), kind: fault.Unavailable, symptom: fetch.ServerError, says: "stopped with a PHP error", do1st: "Technical Issue"},
		{name: "database down, JSON", fault: broken(sim.DatabaseDown), kind: fault.Unavailable, symptom: fetch.ServerError, says: "has lost its database", do1st: "MySQL or MariaDB"},
		{name: "database down, HTML", fault: broken(sim.DatabaseHTML), kind: fault.Unavailable, symptom: fetch.ServerError, says: "has lost its database", do1st: "MySQL or MariaDB"},
		{name: "plugin inactive", fault: sick(site.Missing), kind: fault.NotFound, symptom: fetch.NotFound, says: "does not have the MemberIntel plugin switched on", do1st: "open Plugins"},
		{name: "REST for signed-in users", fault: sick(site.SignedIn), kind: fault.Unauthorized, symptom: fetch.SignIn, says: "rest_not_logged_in", do1st: "Disable REST API"},
		{name: "REST forbidden", fault: broken(sim.RESTForbidden), kind: fault.Unauthorized, symptom: fetch.SignIn, says: "rest_forbidden", do1st: "Disable REST API"},
		{name: "REST hidden by a 404", fault: broken(sim.RESTHidden), kind: fault.Unauthorized, symptom: fetch.NotFound, says: "rest_cannot_access", do1st: "Disable REST API"},
		{name: "the whole site has a password", fault: sick(site.Locked), kind: fault.Unauthorized, symptom: fetch.SignIn, says: "asks for a user name and a password", do1st: "staging"},
		{name: "REST loader gone", fault: broken(sim.RESTGone), kind: fault.NotFound, symptom: fetch.WebPage, says: "neither at /?rest_route= nor at /wp-json/", do1st: "Permalinks", requests: 2},
		{name: "REST loader gone behind MemberPress' wall", fault: broken(sim.Walled), kind: fault.Unauthorized, symptom: fetch.WebPage, says: "shows its sign-in page", do1st: "MemberPress, Rules", requests: 4},
		{name: "notices and a byte order mark before the answer", fault: broken(sim.Noticed)},
		{name: "a comment behind the answer", fault: broken(sim.Appended)},
		{name: "coming soon, 503", fault: broken(sim.Teaser), kind: fault.Unavailable, symptom: fetch.Maintenance, says: "is being worked on", do1st: "Nothing needs to be done"},
		{name: "coming soon, 200", fault: sick(site.ComingSoon), kind: fault.Unavailable, symptom: fetch.WebPage, says: "coming-soon or maintenance page", do1st: "if it is meant so", requests: 2},
		{name: "WordPress not set up", fault: sick(site.NotInstalled), kind: fault.Unavailable, symptom: fetch.NotInstalled, says: "not set up", do1st: "wp-config.php"},
		{name: "proxy 504", fault: sick(site.Gateway), kind: fault.Unavailable, symptom: fetch.Gateway, says: "status 504", do1st: "browser"},
		{name: "proxy 502", fault: broken(sim.Gateway502), kind: fault.Unavailable, symptom: fetch.Gateway, says: "status 502", do1st: "browser"},
		{name: "Cloudflare challenge", fault: sick(site.Challenge), kind: fault.Unavailable, symptom: fetch.Challenge, says: "behind Cloudflare, which wants to see a browser", do1st: "Security, WAF"},
		{name: "Cloudflare without the server", fault: broken(sim.OriginDown), kind: fault.Unavailable, symptom: fetch.Gateway, says: "status 522", do1st: "lets Cloudflare's addresses through"},
		{name: "Cloudflare without trust in the server", fault: broken(sim.OriginTLS), kind: fault.Unavailable, symptom: fetch.TLS, says: "status 526", do1st: "certificate"},
		{name: "Wordfence", fault: sick(site.Wordfence), kind: fault.Unavailable, symptom: fetch.Firewall, says: "Wordfence", do1st: "Live Traffic"},
		{name: "Sucuri", fault: broken(sim.Sucuri), kind: fault.Unavailable, symptom: fetch.Firewall, says: "Sucuri", do1st: "Access Control"},
		{name: "ModSecurity", fault: sick(site.ModSecurity), kind: fault.Unavailable, symptom: fetch.Firewall, says: "ModSecurity", do1st: "hosts the site"},
		{name: "parked", fault: sick(site.Parked), kind: fault.Unavailable, symptom: fetch.Parked, says: "parking page", do1st: "expired"},
		{name: "redirected to a parking service", fault: sick(site.ParkedAway), kind: fault.Unavailable, symptom: fetch.Parked, says: "parking page", do1st: "expired"},
		{name: "moved: no such name", do: func(p *place) { p.leave("gone.example") }, kind: fault.Unavailable, symptom: fetch.NoSuchName, says: "no name server knows", do1st: "domain was renewed"},
		{name: "moved: no TLS", do: func(p *place) { p.at.URL = strings.Replace(p.url, "http:", "https:", 1); p.anew() }, kind: fault.Unavailable, symptom: fetch.TLS, says: "does not answer encrypted", do1st: "certificate"},
		{name: "moved: another host", fault: sick(site.MovedAway), kind: fault.Unavailable, symptom: fetch.Moved, says: "hillside.example", do1st: "connect again with the new address"},
		{name: "redirects without end", fault: sick(site.Looping), kind: fault.Unavailable, symptom: fetch.RedirectLoop, says: "without end", do1st: "private window", requests: 6},
		{name: "too many requests", fault: sick(site.TooMany), kind: fault.RateLimited, symptom: fetch.TooMany, says: "fewer requests", do1st: "Nothing needs to be done"},
		{name: "connection reset", fault: sick(site.Resetting), kind: fault.Unavailable, symptom: fetch.Reset, says: "broke the connection off", do1st: "browser"},
		{name: "a page of something else", fault: broken(sim.OtherJSON), kind: fault.Schema, symptom: fetch.Foreign, says: "does not come from the MemberIntel plugin", do1st: "still your site"},

		{name: "the signature's header is lost", fault: broken(sim.HeaderLost)},
		{name: "the signature's trailer is lost", fault: broken(sim.TrailerLost)},
		{name: "both are lost", fault: broken(sim.SignatureLost), kind: fault.Schema, symptom: fetch.Foreign, says: "loses the signature of the plugin's answers", do1st: "X-MemberIntel-"},
		{name: "Authorization is lost", fault: broken(sim.Authorization)},
		{name: "the host adds a parameter", fault: broken(sim.Parameters)},
		{name: "rewritten on its way", fault: broken(sim.Rewritten), kind: fault.Schema, symptom: fetch.Foreign, says: "something changes on their way", do1st: "minifying"},
		{name: "cut off", fault: broken(sim.Cut), kind: fault.Schema, symptom: fetch.NotJSON, says: "cut off or spoilt", do1st: "PHP error log"},
		{name: "JSON of nothing", fault: sick(site.GarbageJSON), kind: fault.Schema, symptom: fetch.NotJSON, says: "cut off or spoilt", do1st: "PHP error log"},
		{name: "a foreign signature", fault: sick(site.Noticed), kind: fault.Schema, symptom: fetch.Foreign, says: "something changes on their way", do1st: "minifying"},
		{name: "every request twice", fault: broken(sim.Doubled), kind: fault.Unavailable, symptom: fetch.Denied, says: "gets memberintel's requests twice", do1st: "repeats requests", requests: 2},
		{name: "one request twice", fault: sim.Fault{Kind: sim.Doubled, Count: 1}, requests: 2},

		{name: "headers lost", fault: broken(sim.Unsigned), kind: fault.Unauthorized, symptom: fetch.Denied, says: "loses the signature of memberintel's requests", do1st: "X-MemberIntel-"},
		{name: "wrong secret", do: func(p *place) { p.at.Secret = make([]byte, 32); p.anew() }, kind: fault.Unauthorized, symptom: fetch.Denied, says: "does not accept the signature", do1st: "connect again"},
		{name: "revoked", do: func(p *place) { p.site.Revoke() }, kind: fault.Unauthorized, symptom: fetch.Denied, says: "does not know the key any more", do1st: "connect again"},
		{name: "clock ahead", do: func(p *place) { p.clock.Advance(7 * time.Minute) }, kind: fault.Unavailable, symptom: fetch.Denied, says: "has a clock that is 7 minutes ahead of memberintel's", do1st: "NTP"},
		{name: "clock behind", do: func(p *place) { p.clock.Advance(-3*time.Hour - time.Minute) }, kind: fault.Unavailable, symptom: fetch.Denied, says: "has a clock that is 3 hours behind memberintel's", do1st: "NTP"},
		{name: "clock nearly right", do: func(p *place) { p.clock.Advance(299 * time.Second) }},
		{name: "staging copy", do: func(p *place) { p.site.Move("https://staging.lakeside.example") }, kind: fault.Unauthorized, symptom: fetch.Denied, says: "it calls itself staging.lakeside.example now", do1st: "moved or is a copy"},
		{name: "MemberPress off", do: func(p *place) { p.site.Activate(false) }, kind: fault.NotFound, symptom: fetch.Denied, says: "does not run MemberPress", do1st: "activate MemberPress"},
		{name: "newer protocol", do: func(p *place) { p.site.Speak(2, 3) }, kind: fault.Schema, symptom: fetch.Denied, says: "speaks protocols 2 to 3 of the MemberIntel plugin, and this memberintel speaks 1", do1st: "Update memberintel"},
		{name: "busy", fault: broken(sim.Busy), kind: fault.RateLimited, symptom: fetch.TooMany, says: "is at work on another request", do1st: "goes on in a moment", requests: 2},
		{name: "busy for a moment", fault: sim.Fault{Kind: sim.Busy, Count: 1}, requests: 2},
		{name: "plugin fails", fault: broken(sim.Failed), kind: fault.Unavailable, symptom: fetch.ServerError, says: "could not answer", do1st: "memberintel:"},
		{name: "plugin fails before it knows who asks", fault: broken(sim.FailedEarly), kind: fault.Unavailable, symptom: fetch.ServerError, says: "could not answer", do1st: "memberintel:"},
	}
}

// leave makes the client look for the site at another host.
func (p *place) leave(name string) {
	p.at.URL = strings.Replace(p.url, host, name, 1)
	p.anew()
}

func TestEverySignatureIsNamedForWhatItIs(t *testing.T) {
	h := newHouse(t, care.Config{PerMinute: 6000, Burst: 100})
	for _, s := range signatures() {
		p := h.open(sim.Config{}, "")
		if s.do != nil {
			s.do(p)
		}
		if s.fault != (sim.Fault{}) {
			p.site.Fault(s.fault)
		}
		_, err := p.handshake(t.Context())
		reached, wanted := len(p.requests()), max(s.requests, 1)
		if s.symptom == fetch.NoSuchName || s.symptom == fetch.TLS && s.fault == (sim.Fault{}) {
			wanted = 0
		}
		if reached != wanted {
			t.Errorf("%s: %d requests instead of %d", s.name, reached, wanted)
		}
		if s.kind == "" {
			if err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
			continue
		}
		sentence, checklist := fault.Sentence(err), connection.MemberPress.ChecklistOf(err)
		if !fault.Is(err, s.kind) || fetch.SymptomOf(err) != s.symptom {
			t.Errorf("%s: kind %s, symptom %s: %v", s.name, fault.KindOf(err), fetch.SymptomOf(err), err)
		}
		if !strings.Contains(sentence, s.says) || !strings.Contains(sentence, ".example") || !strings.HasSuffix(sentence, ".") {
			t.Errorf("%s: says %q", s.name, sentence)
		}
		if len(checklist) == 0 || !strings.Contains(checklist[0], s.do1st) {
			t.Errorf("%s: checklist %q", s.name, checklist)
		}
		p.keepsSecrets(s.name, err)
	}
}

// keepsSecrets sees that neither the secret nor a signature stands in anything that is logged or shown.
func (p *place) keepsSecrets(what string, err error) {
	p.house.t.Helper()
	text := base64.RawURLEncoding.EncodeToString(p.at.Secret)
	shown := fmt.Sprintf("%v %+v %#v %v %+v", err, err, err, p.at, *p.client)
	for _, leak := range []string{text, string(p.at.Secret), fmt.Sprintf("%d", p.at.Secret), fmt.Sprintf("%x", p.at.Secret), "v1=", "mi_request"} {
		if strings.Contains(shown, leak) {
			p.house.t.Errorf("%s: %q is shown: %s", what, leak, shown)
		}
	}
}

func TestACacheIsGoneAroundByPosting(t *testing.T) {
	h := newHouse(t, care.Config{PerMinute: 6000, Burst: 100})
	p := h.open(sim.Config{}, "")
	p.site.Fault(broken(sim.Cached))
	if _, err := p.handshake(t.Context()); err != nil {
		t.Fatal("the first answer is no old one:", err)
	}
	p.requests()
	p.anew()
	if _, err := p.handshake(t.Context()); err != nil || len(p.requests()) != 2 {
		t.Errorf("got %v", err)
	}
	ids, _, err := p.members()
	if asked := p.requests(); err != nil || len(ids) != 40 || len(asked) != 1 || !strings.HasPrefix(asked[0], "POST") {
		t.Errorf("%v, %q", err, asked)
	}
	p = h.open(sim.Config{}, "")
	p.site.Fault(broken(sim.CachedAll))
	for range 3 {
		p.anew()
		_, err = p.handshake(t.Context())
	}
	if !fault.Is(err, fault.Unavailable) || fetch.SymptomOf(err) != fetch.Foreign || !strings.Contains(fault.Sentence(err), "cache in front of it that gives old answers") ||
		!strings.Contains(strings.Join(connection.MemberPress.ChecklistOf(err), " "), "LiteSpeed") {
		t.Errorf("got %v", err)
	}
}

// TestACacheThatIsOlderThanTheKey keeps answers from before the site was connected anew: one that is signed with the
// former key, and one that says that there is none.
func TestACacheThatIsOlderThanTheKey(t *testing.T) {
	h := newHouse(t, care.Config{PerMinute: 6000, Burst: 100})
	for name, before := range map[string]func(p *place){
		"the former key": func(*place) {},
		"no key":         func(p *place) { p.site.Revoke() },
	} {
		t.Run(name, func(t *testing.T) {
			p := h.open(sim.Config{}, "")
			p.site.Fault(broken(sim.Cached))
			before(p)
			_, _ = p.handshake(t.Context())
			p.at.KeyID, p.at.Secret = "mik_another", bytes.Repeat([]byte{7}, secretSize)
			p.site.SetKey(p.at.KeyID, p.at.Secret)
			p.anew()
			if _, err := p.handshake(t.Context()); err != nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestNothingIsShownToAnotherHost redirects to a server that would see the headers.
func TestNothingIsShownToAnotherHost(t *testing.T) {
	h := newHouse(t, care.Config{PerMinute: 6000, Burst: 100})
	var seen atomic.Int32
	other := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Add(1) }))
	other.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	other.Start()
	defer other.Close()
	p := h.open(sim.Config{}, "")
	p.site.Fault(sim.Fault{Kind: sim.ElsewhereTo, To: strings.Replace(other.URL, "127.0.0.1", "hillside.example", 1) + "/?rest_route=/memberintel/v1/sync"})
	for what, ask := range map[string]func() error{
		"handshake":  func() error { _, err := p.handshake(t.Context()); return err },
		"page":       func() error { _, err := p.page(t.Context(), "members", 0); return err },
		"disconnect": func() error { return p.disconnect(t.Context()) },
	} {
		if err := ask(); fetch.SymptomOf(err) != fetch.Moved || seen.Load() != 0 {
			t.Errorf("%s: %d requests reached it, %v", what, seen.Load(), err)
		}
	}
}

// TestARedirectWithinTheSiteIsFollowed has the home page move to www., which a post could not follow.
func TestARedirectWithinTheSiteIsFollowed(t *testing.T) {
	h := newHouse(t, care.Config{PerMinute: 6000, Burst: 100})
	p := h.open(sim.Config{}, "")
	p.names.Set("www."+host, loopback())
	p.www.Store(true)
	if err := p.disconnect(t.Context()); err != nil || p.site.Connected() {
		t.Errorf("got %v", err)
	}
	asked := p.requests()
	if len(asked) != 4 { // the post, the handshake in two steps, the post
		t.Errorf("%q", asked)
	}
}

func TestAFieldThatIsNotKnownNamesTheVersions(t *testing.T) {
	h := newHouse(t, care.Config{PerMinute: 6000, Burst: 100})
	p := h.open(sim.Config{PluginVersion: "3.0.0", MemberPressVersion: "2.0.1"}, "")
	end := p.site.Fault(broken(sim.NewField))
	_, err := p.handshake(t.Context())
	if !fault.Is(err, fault.Schema) || !strings.Contains(fault.Sentence(err), "MemberPress 2.0.1 with plugin 3.0.0 is not supported yet") ||
		!errors.Is(err, errShape) || !strings.Contains(err.Error(), "colour") || !strings.Contains(connection.MemberPress.ChecklistOf(err)[0], "Update memberintel") {
		t.Errorf("got %v", err)
	}
	end()
	hello, err := p.handshake(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p.site.Fault(broken(sim.NewField)) // of rows, which mapping judges one by one
	e, err := p.page(t.Context(), "members", 0)
	if err != nil || len(e.Rows) != 40 || !strings.HasSuffix(string(e.Rows[3]), `,"colour":"green"}`) {
		t.Errorf("%v", err)
	}
	c, err := p.changes(t.Context(), hello.Watermark)
	if err != nil || len(c.Changes) != 1 || !strings.HasSuffix(string(c.Changes[0].Row), `,"colour":"green"}`) {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestAnotherProtocolIsNotRead answers rightly signed, in a protocol that nobody asked for.
func TestAnotherProtocolIsNotRead(t *testing.T) {
	p := newHouse(t, care.Config{}).open(sim.Config{}, "")
	body := `{"protocol":2,"request_id":"r","members":[]}`
	a := fetch.Response{Status: 200, Body: []byte(body), Header: http.Header{}}
	a.Header.Set(headerAnswer, sign(p.at.Secret, answerLines("r", 200, []byte(body))))
	got, own, err := p.judge(a, "r")
	if got != nil || !own || !fault.Is(err, fault.Schema) || !strings.Contains(fault.Sentence(err), "speaks protocol 2 ") {
		t.Errorf("%s, %v, %v", got, own, err)
	}
}
