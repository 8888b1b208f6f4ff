package ui_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestSignInSaysNothingOfWhoIsThere(t *testing.T) {
	w := newWorld(t, settings{})
	wrong := w.browser().post("/signin", url.Values{"email": {anna}, "password": {"three small red boots"}})
	unknown := w.browser().post("/signin", url.Values{"email": {"nobody@lakeside.example"}, "password": {"three small red boots"}})
	if wrong.StatusCode != http.StatusUnauthorized || strings.ReplaceAll(unknown.body, "nobody@", "anna@") != wrong.body || len(wrong.Cookies())+len(unknown.Cookies()) > 0 {
		t.Errorf("%d %s\n%d %s", wrong.StatusCode, wrong.body, unknown.StatusCode, unknown.body)
	}
	if strings.Contains(wrong.body, "boots") {
		t.Error("the page shows the password")
	}
}

func TestTheCookieIsForThisServerAlone(t *testing.T) {
	for public, want := range map[string]string{
		"https://memberintel.example": "__Host-memberintel=TOKEN; Path=/; HttpOnly; Secure; SameSite=Lax",
		"":                            "memberintel=TOKEN; Path=/; HttpOnly; SameSite=Lax",
	} {
		w := newWorld(t, settings{public: public})
		got := w.browser().post("/signin", url.Values{"email": {anna}, "password": {password}})
		cookies := got.Cookies()
		if len(cookies) != 1 {
			t.Fatalf("%d %v", got.StatusCode, cookies)
		}
		if shown := strings.Replace(got.Header.Get("Set-Cookie"), cookies[0].Value, "TOKEN", 1); shown != want || len(cookies[0].Value) != 43 {
			t.Errorf("got %s", shown)
		}
	}
}

func TestWhoeverSignsOutIsOut(t *testing.T) {
	w := newWorld(t, settings{})
	b := w.signedIn(anna)
	at, err := url.Parse(w.base)
	if err != nil {
		t.Fatal(err)
	}
	kept := b.Jar.Cookies(at)
	request := w.wp.request()
	if got := b.post("/signout", url.Values{"next": {"/"}}); got.StatusCode != http.StatusSeeOther {
		t.Errorf("got %d", got.StatusCode)
	}
	stolen := w.browser()
	stolen.Jar.SetCookies(at, kept)
	for _, browser := range []*browser{b, stolen} {
		if got := browser.get("/connect/memberpress?" + request.Encode()); !strings.HasPrefix(got.Header.Get("Location"), "/signin?") {
			t.Errorf("still in: %d", got.StatusCode)
		}
	}
}

func TestANewSignInIsANewSession(t *testing.T) {
	w := newWorld(t, settings{})
	b := w.signedIn(anna)
	at, err := url.Parse(w.base)
	if err != nil {
		t.Fatal(err)
	}
	before := b.Jar.Cookies(at)
	b.post("/signin", url.Values{"email": {anna}, "password": {password}})
	if after := b.Jar.Cookies(at); after[0].Value == before[0].Value || w.one(`SELECT count(*)::text FROM user_session`) != "1" {
		t.Errorf("the session before goes on")
	}
}

func TestGuessingIsStoppedAtTheAddressThatAProxyNames(t *testing.T) {
	w := newWorld(t, settings{proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}})
	try := func(from, word string) int {
		return w.browser().post("/signin", url.Values{"email": {anna}, "password": {word}}, "X-Forwarded-For", from).StatusCode
	}
	for i := range 12 {
		want := http.StatusUnauthorized
		if i >= 10 {
			want = http.StatusTooManyRequests
		}
		// What stands before the last proxy's word may be anybody's invention.
		if got := try([]string{"1.2.3.4, 203.0.113.7", "5.6.7.8, 203.0.113.7, 10.0.0.9"}[i%2], "a wrong password"); got != want {
			t.Errorf("try %d: %d", i, got)
		}
	}
	if got := try("203.0.113.7, 198.51.100.4", password); got != http.StatusSeeOther {
		t.Errorf("from elsewhere: %d", got)
	}
	if got := try("203.0.113.7", password); got != http.StatusTooManyRequests {
		t.Errorf("from there: %d", got)
	}
}

func TestPagesForbidWhatTheyDoNotNeed(t *testing.T) {
	w := newWorld(t, settings{})
	got := w.browser().get("/signin")
	for header, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
		"X-Content-Type-Options":  "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store", "Referrer-Policy": "same-origin",
	} {
		if got.Header.Get(header) != want {
			t.Errorf("%s: %s", header, got.Header.Get(header))
		}
	}
}
