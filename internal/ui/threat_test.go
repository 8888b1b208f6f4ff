package ui_test

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres/pgtest"
)

// untouched fails the test when somebody got a code.
func (w *world) untouched(what string) {
	w.t.Helper()
	if got := w.one(`SELECT count(*)::text FROM connect_code`); got != "0" {
		w.t.Errorf("%s: there is a code", what)
	}
}

func TestAnotherWebsiteCannotAgreeForAnOwner(t *testing.T) {
	w := newWorld(t, settings{})
	w.user(w.club, "carl@lakeside.example", identity.RoleOwner)
	b, carl, request := w.signedIn(anna), w.signedIn("carl@lakeside.example"), w.wp.request()
	good := func() url.Values { return b.consents(request, w.club) }
	for name, post := range map[string]func() answer{
		"another origin": func() answer {
			return b.post("/connect/memberpress", good(), "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
		},
		"an origin that hides": func() answer {
			return b.post("/connect/memberpress", good(), "Origin", "null", "Sec-Fetch-Site", "")
		},
		"a neighbour": func() answer {
			return b.post("/connect/memberpress", good(), "Origin", "http://127.0.0.1:1", "Sec-Fetch-Site", "same-site")
		},
		"no token": func() answer {
			form := good()
			form.Del("form")
			return b.post("/connect/memberpress", form)
		},
		"somebody else's token": func() answer { return b.post("/connect/memberpress", carl.consents(request, w.club)) },
		"the token of another site's page": func() answer {
			form := b.consents(w.wp.request(), w.club)
			other := newWordPress(t, "0198c2de-4d5a-7b60-8a11-6a1f2b3c4d5e").request()
			other.Set("form", form.Get("form"))
			other.Set("tenant", w.club.String())
			other.Set("decision", "connect")
			return b.post("/connect/memberpress", other)
		},
		"by a link": func() answer { return b.get("/connect/memberpress?decision=connect&" + good().Encode()) },
	} {
		got := post()
		if got.Header.Get("Location") != "" || got.StatusCode != http.StatusForbidden && got.StatusCode != http.StatusBadRequest && name != "by a link" {
			t.Errorf("%s: %d to %s", name, got.StatusCode, got.Header.Get("Location"))
		}
		w.untouched(name)
	}
	if got := w.browser().post("/connect/memberpress", good()); !strings.HasPrefix(got.Header.Get("Location"), "/signin?") {
		t.Errorf("without a session: %d to %s", got.StatusCode, got.Header.Get("Location"))
	}
	for _, path := range []string{"/signin", "/signout"} {
		got := w.browser().post(path, url.Values{"email": {anna}, "password": {password}}, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
		if got.StatusCode != http.StatusForbidden || len(got.Cookies()) > 0 {
			t.Errorf("%s from another website: %d, %v", path, got.StatusCode, got.Cookies())
		}
	}
	w.untouched("all")
}

func TestNobodyConnectsATenantThatIsNotTheirs(t *testing.T) {
	w := newWorld(t, settings{})
	abbey := w.tenant("Abbey Rowing")
	w.user(abbey, "carl@abbey.example", identity.RoleOwner)
	w.user(w.club, "vera@lakeside.example", identity.RoleViewer)
	w.user(w.club, "otto@lakeside.example", identity.RoleOperator)
	request := w.wp.request()
	for _, who := range []string{"carl@abbey.example", "vera@lakeside.example", "otto@lakeside.example"} {
		b := w.signedIn(who)
		got := b.post("/connect/memberpress", b.consents(request, w.club))
		if got.StatusCode != http.StatusForbidden || got.Header.Get("Location") != "" {
			t.Errorf("%s: %d to %s", who, got.StatusCode, got.Header.Get("Location"))
		}
		w.untouched(who)
	}
}

func TestACodeAloneIsWorthNothing(t *testing.T) {
	w := newWorld(t, settings{})
	clock := pgtest.NewClock(t, w.db, time.Now())
	b := w.signedIn(anna)
	for name, show := range map[string]func(exchange map[string]string){
		"without the verifier":   func(e map[string]string) { delete(e, "code_verifier") },
		"with another verifier":  func(e map[string]string) { e["code_verifier"] = text(32) },
		"with the challenge":     func(e map[string]string) { e["code_verifier"] = e["challenge"] },
		"for another site":       func(e map[string]string) { e["site_id"] = "0198c2de-4d5a-7b60-8a11-6a1f2b3c4d5e" },
		"for another address":    func(e map[string]string) { e["home_url"] = "https://evil.example" },
		"for a copy of the site": func(e map[string]string) { e["home_url"] += "/staging" },
		"too late":               func(map[string]string) { clock.Advance(5*time.Minute + time.Second) },
		"another code":           func(e map[string]string) { e["code"] = "mic_" + text(32) },
		"no code":                func(e map[string]string) { e["code"] = "" },
	} {
		request := w.wp.request()
		right := map[string]string{"code": b.code(request), "code_verifier": w.wp.verifier, "site_id": w.wp.id, "home_url": w.wp.URL}
		wrong := map[string]string{"challenge": request.Get("code_challenge")}
		for key, value := range right {
			wrong[key] = value
		}
		show(wrong)
		delete(wrong, "challenge")
		if status, got := trade(t, w.base, wrong); status != http.StatusBadRequest || len(got) != 1 || got["error"] != "invalid_grant" {
			t.Errorf("%s: %d %v", name, status, got)
		}
		// Whoever showed it with anything wrong has spent it.
		if status, _ := trade(t, w.base, right); status == http.StatusOK && wrong["code"] == right["code"] {
			t.Errorf("%s: the code was good again", name)
		}
	}
	right := map[string]string{"code": b.code(w.wp.request()), "code_verifier": w.wp.verifier, "site_id": w.wp.id, "home_url": w.wp.URL}
	codes := make(chan int, 8)
	for range cap(codes) {
		go func() { status, _ := trade(t, w.base, right); codes <- status }()
	}
	good := 0
	for range cap(codes) {
		if <-codes == http.StatusOK {
			good++
		}
	}
	if good != 1 {
		t.Errorf("eight at once: %d got a key", good)
	}
}

func TestARequestLeadsNowhereButToTheSite(t *testing.T) {
	w := newWorld(t, settings{})
	b := w.signedIn(anna)
	for name, change := range map[string]func(url.Values){
		"another host": func(v url.Values) {
			v.Set("callback", "https://evil.example/wp-admin/admin.php?page=memberintel&mi_callback=1")
		},
		"another page": func(v url.Values) { v.Set("callback", w.wp.URL+"/wp-login.php?page=memberintel&mi_callback=1") },
		"a spoofed host": func(v url.Values) {
			v.Set("site", "https://lakeside.example@evil.example")
			v.Set("callback", "https://lakeside.example@evil.example/wp-admin/admin.php?page=memberintel&mi_callback=1")
		},
		"a second site": func(v url.Values) { v.Add("site", "https://evil.example") },
	} {
		request := w.wp.request()
		change(request)
		for who, browser := range map[string]*browser{"an owner": b, "anybody": w.browser()} {
			got := browser.get("/connect/memberpress?" + request.Encode())
			if got.StatusCode != http.StatusBadRequest || got.Header.Get("Location") != "" || strings.Contains(got.body, `value="connect"`) {
				t.Errorf("%s, %s: %d to %s", name, who, got.StatusCode, got.Header.Get("Location"))
			}
		}
	}
	for next, want := range map[string]string{
		"/connect/memberpress?site=x": "/connect/memberpress?site=x", "https://evil.example": "/", "//evil.example": "/", `/\evil.example`: "/", `\\evil.example`: "/",
		"/\t/evil.example": "/", "javascript:alert(1)": "/", "": "/", "evil": "/", "///evil.example": "/", "/%2f/evil": "/", "https:/evil": "/",
	} {
		got := w.browser().post("/signin", url.Values{"email": {anna}, "password": {password}, "next": {next}})
		if got.StatusCode != http.StatusSeeOther || got.Header.Get("Location") != want {
			t.Errorf("sign in, then %q: %d to %q", next, got.StatusCode, got.Header.Get("Location"))
		}
		got = w.browser().post("/signout", url.Values{"next": {next}})
		if to := got.Header.Get("Location"); to != "/signin?"+(url.Values{"next": {want}}).Encode() {
			t.Errorf("sign out, then %q: to %q", next, to)
		}
	}
}

func TestACopyWithTheSameKeyIsFoundOut(t *testing.T) {
	w := newWorld(t, settings{})
	b := w.signedIn(anna)
	w.arrive(b.post("/connect/memberpress", b.consents(w.wp.request(), w.club)).Header.Get("Location"))
	w.asked()
	c, err := w.connection()
	if err != nil {
		t.Fatal(err)
	}
	const staging = "https://staging.lakeside.example"
	w.wp.mu.Lock()
	w.wp.says = staging // the address leads to a copy now, with the key and the id of the site
	w.wp.mu.Unlock()
	for range 2 {
		if err := w.flow.Confirm(t.Context(), c, w.ask.handshake); !fault.Is(err, fault.NotPermitted) || !strings.Contains(fault.Sentence(err), staging) {
			t.Fatalf("the copy: %v", err)
		}
	}
	if got := w.one(`SELECT strange_url FROM connected_home`); got != staging {
		t.Error(got)
	}
	if got := w.one(`SELECT count(*)::text FROM audit_event WHERE action = 'connect.strange_home'`); got != "1" {
		t.Errorf("%s lines in the audit", got)
	}
	w.wp.mu.Lock()
	w.wp.says = strings.Replace(w.wp.URL, "https://", "http://", 1) // the site again; the scheme is nothing to go by
	w.wp.mu.Unlock()
	if err := w.flow.Confirm(t.Context(), c, w.ask.handshake); err != nil {
		t.Errorf("the site itself: %v", err)
	}
	w.wp.mu.Lock()
	w.wp.says, w.wp.id = "", "0198c2de-4d5a-7b60-8a11-6a1f2b3c4d5e"
	w.wp.mu.Unlock()
	if err := w.flow.Confirm(t.Context(), c, w.ask.handshake); !fault.Is(err, fault.NotPermitted) {
		t.Errorf("another site with the key: %v", err)
	}
}

func TestASiteThatMovedIsReadAfterItsOwnerAgreedAnew(t *testing.T) {
	w := newWorld(t, settings{})
	b := w.signedIn(anna)
	w.arrive(b.post("/connect/memberpress", b.consents(w.wp.request(), w.club)).Header.Get("Location"))
	w.asked()
	moved := newWordPress(t, siteID)
	moved.service, moved.keyID, moved.secret = w.base, w.wp.keyID, w.wp.secret
	w.wp.says = moved.URL
	c, err := w.connection()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.flow.Confirm(t.Context(), c, w.ask.handshake); !fault.Is(err, fault.NotPermitted) {
		t.Fatal(err)
	}
	w.arrive(b.post("/connect/memberpress", b.consents(moved.request(), w.club)).Header.Get("Location"))
	w.asked()
	if c, err = w.connection(); err != nil {
		t.Fatal(err)
	}
	if err := w.flow.Confirm(t.Context(), c, w.ask.handshake); err != nil || w.one(`SELECT home_url FROM connected_home WHERE strange_url IS NULL`) != moved.URL {
		t.Errorf("after that: %v", err)
	}
}

func TestAKeyThatTheSiteDoesNotHaveConnectsNothing(t *testing.T) {
	w := newWorld(t, settings{})
	// Somebody who knows the public parts asks in the site's name, agrees, and takes the key from the exchange.
	code := w.signedIn(anna).code(w.wp.request())
	status, granted := trade(t, w.base, map[string]string{"code": code, "code_verifier": w.wp.verifier, "site_id": w.wp.id, "home_url": w.wp.URL})
	if status != http.StatusOK {
		t.Fatal(status)
	}
	w.asked()
	c, err := w.connection()
	if err != nil || c.State != connection.Pending || c.AccountConfirmed || c.ID.String() != granted["connection_id"] {
		t.Errorf("%+v, %v", c, err)
	}
	if got := w.one(`SELECT (confirmed_at IS NULL)::text FROM connected_home`); got != "true" {
		t.Error("the site counts as confirmed")
	}
	if err := w.flow.Confirm(t.Context(), c, w.ask.handshake); err == nil {
		t.Error("the site was taken for connected")
	}
}

func TestTheServiceIsNotSentToInnerAddresses(t *testing.T) {
	w := newWorld(t, settings{allow: []netip.Prefix{}, push: time.Millisecond})
	b := w.signedIn(anna)
	_, port, _ := strings.Cut(strings.TrimPrefix(w.wp.URL, "https://"), ":")
	for _, site := range []string{
		w.wp.URL, "https://localhost:" + port, "http://169.254.169.254", "http://10.0.0.1", "https://192.168.1.1", "http://[::1]:" + port,
		"http://[::ffff:127.0.0.1]:" + port, "http://0.0.0.0:" + port, "http://100.64.0.1",
	} {
		request := w.wp.request()
		request.Set("site", site)
		request.Set("callback", site+"/wp-admin/admin.php?page=memberintel&mi_callback=1")
		page := b.get("/connect/memberpress?" + request.Encode())
		if page.StatusCode != http.StatusOK || !strings.Contains(page.body, "not public") || strings.Contains(page.body, `value="connect"`) {
			t.Errorf("%s is offered: %d %s", site, page.StatusCode, page.body)
			continue
		}
		form := page.form()
		form.Set("tenant", w.club.String())
		form.Set("decision", "connect")
		if got := b.post("/connect/memberpress", form); got.StatusCode != http.StatusBadRequest || got.Header.Get("Location") != "" {
			t.Errorf("%s is agreed to: %d to %s", site, got.StatusCode, got.Header.Get("Location"))
		}
		w.untouched(site)
	}
	if w.wp.asked > 0 {
		t.Errorf("it was asked %d times", w.wp.asked)
	}
}

func TestTheDatabaseAloneOpensNothing(t *testing.T) {
	w := newWorld(t, settings{})
	b := w.signedIn(anna)
	unused := b.code(w.wp.request())
	unusedVerifier := w.wp.verifier
	got := b.post("/connect/memberpress", b.consents(w.wp.request(), w.club)).Header.Get("Location")
	w.arrive(got)
	w.asked()
	to, err := url.Parse(got)
	if err != nil {
		t.Fatal(err)
	}
	at, err := url.Parse(w.base)
	if err != nil {
		t.Fatal(err)
	}
	cookies := b.Jar.Cookies(at)
	if len(cookies) != 1 || w.wp.secret == "" {
		t.Fatalf("%v %q", cookies, w.wp.secret)
	}
	rows, err := pgtest.Owner(t, w.db).Query(t.Context(), `SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace`)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := collect(rows)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		all := w.one(`SELECT coalesce(string_agg(t::text, E'\n'), '') FROM ` + table + ` t`)
		for what, secret := range map[string]string{
			"the password": password, "the session": cookies[0].Value, "a code": unused, "a spent code": to.Query().Get("code"),
			"a verifier": unusedVerifier, "the verifier": w.wp.verifier, "the key": w.wp.secret,
		} {
			if strings.Contains(all, secret) || strings.Contains(all, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s holds %s", table, what)
			}
		}
	}
	// What does stand there is refused where the real thing is taken.
	for _, stored := range []string{w.one(`SELECT encode(session_hash, 'hex') FROM user_session`), w.one(`SELECT encode(session_hash, 'base64') FROM user_session`)} {
		if _, err := w.users.Session(t.Context(), stored); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("a stored session opens one: %v", err)
		}
	}
	if _, err := w.users.SignIn(t.Context(), anna, w.one(`SELECT password_hash FROM user_login`), netip.MustParseAddr("203.0.113.7")); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("a stored password signs in: %v", err)
	}
}

func TestAnOwnerWhoIsNoneAnyMoreConnectsNothing(t *testing.T) {
	w := newWorld(t, settings{})
	b, request := w.signedIn(anna), w.wp.request()
	form := b.consents(request, w.club)
	code := b.code(request)
	if _, err := w.users.SetRole(t.Context(), w.club, anna, identity.RoleViewer, "test"); err != nil {
		t.Fatal(err)
	}
	status, got := trade(t, w.base, map[string]string{"code": code, "code_verifier": w.wp.verifier, "site_id": w.wp.id, "home_url": w.wp.URL})
	if status != http.StatusBadRequest || got["error"] != "invalid_grant" {
		t.Errorf("%d %v", status, got)
	}
	if _, err := w.connection(); !fault.Is(err, fault.NotFound) {
		t.Errorf("there is a connection: %v", err)
	}
	if got := w.one(`SELECT detail->>'because' FROM audit_event WHERE action = 'connect.refuse'`); got != "role" {
		t.Errorf("the audit says %q", got)
	}
	if got := b.post("/connect/memberpress", form); got.StatusCode != http.StatusForbidden {
		t.Errorf("the page that was still open: %d", got.StatusCode)
	}
}
