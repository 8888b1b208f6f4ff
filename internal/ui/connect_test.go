package ui_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
)

func TestAnOwnerConnectsASite(t *testing.T) {
	w := newWorld(t, settings{})
	b, request := w.browser(), w.wp.request()
	first := b.get("/connect/memberpress?" + request.Encode())
	if first.StatusCode != http.StatusSeeOther || !strings.HasPrefix(first.Header.Get("Location"), "/signin?next=") {
		t.Fatalf("without a session: %d %s", first.StatusCode, first.Header.Get("Location"))
	}
	to, err := url.Parse(first.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	signed := b.post("/signin", url.Values{"email": {anna}, "password": {password}, "next": {to.Query().Get("next")}})
	page := b.get(signed.Header.Get("Location"))
	for _, want := range []string{w.wp.URL, "Lakeside Tennis Club", "What will be read", "never read", anna, "Do not connect"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page does not say %q:\n%s", want, page.body)
		}
	}
	if policy := page.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") || !strings.Contains(policy, "form-action 'self' "+w.wp.URL+";") {
		t.Errorf("policy %s", policy)
	}
	form := page.form()
	form.Set("tenant", w.club.String())
	form.Set("decision", "connect")
	agreed := b.post("/connect/memberpress", form)
	location := agreed.Header.Get("Location")
	if !strings.HasPrefix(location, request.Get("callback")+"&code=mic_") {
		t.Fatalf("%d to %s", agreed.StatusCode, location)
	}
	w.arrive(location)
	if got := w.wp.screen(); got != "Connected to Lakeside Tennis Club" {
		t.Fatalf("the site says %q", got)
	}
	c, err := w.connection()
	if err != nil || c.State != connection.Pending || c.SourceAccountID != siteID || c.CredentialKind != "key" {
		t.Errorf("%+v, %v", c, err)
	}
	w.asked()
	if c, err = w.connection(); err != nil || !c.AccountConfirmed {
		t.Errorf("after the site has answered: %+v, %v", c, err)
	}
	if got := w.one(`SELECT (confirmed_at IS NOT NULL)::text || ' ' || home_url FROM connected_home`); got != "true "+w.wp.URL {
		t.Error(got)
	}
	if got := w.one(`SELECT string_agg(action, ' ' ORDER BY audit_id) FROM audit_event WHERE action LIKE 'connect%'`); got != "connect.agree connect.exchange connect.confirm" {
		t.Error(got)
	}
}

func TestConnectingAgainRenewsTheKey(t *testing.T) {
	w := newWorld(t, settings{})
	b := w.signedIn(anna)
	var ids, keys []string
	for range 2 {
		w.arrive(b.post("/connect/memberpress", b.consents(w.wp.request(), w.club)).Header.Get("Location"))
		w.asked()
		c, err := w.connection()
		if err != nil || !c.AccountConfirmed {
			t.Fatalf("%+v, %v", c, err)
		}
		ids, keys = append(ids, c.ID.String()), append(keys, w.wp.keyID)
	}
	if ids[0] != ids[1] || keys[0] == keys[1] {
		t.Errorf("connections %v, keys %v", ids, keys)
	}
}

func TestWhoeverDoesNotAgreeGoesBack(t *testing.T) {
	w := newWorld(t, settings{})
	b, request := w.signedIn(anna), w.wp.request()
	form := b.consents(request, w.club)
	form.Set("decision", "deny")
	got := b.post("/connect/memberpress", form)
	w.arrive(got.Header.Get("Location"))
	if w.wp.screen() != "You did not agree." || w.one(`SELECT count(*)::text FROM connect_code`) != "0" {
		t.Errorf("%d to %s: %s", got.StatusCode, got.Header.Get("Location"), w.wp.screen())
	}
}

func TestAnOwnerOfSeveralChooses(t *testing.T) {
	w := newWorld(t, settings{})
	abbey, viewed := w.tenant("Abbey Rowing"), w.tenant("Viewed Club")
	w.user(abbey, anna, identity.RoleOwner)
	w.user(viewed, anna, identity.RoleViewer)
	w.tenant("Foreign Club")
	b, request := w.signedIn(anna), w.wp.request()
	page := b.get("/connect/memberpress?" + request.Encode()).body
	if strings.Contains(page, " checked") || !strings.Contains(page, "Abbey Rowing") || !strings.Contains(page, "you are viewer") || strings.Contains(page, "Foreign Club") {
		t.Errorf("got %s", page)
	}
	form := b.consents(request, abbey)
	form.Del("tenant")
	if got := b.post("/connect/memberpress", form); got.StatusCode != http.StatusBadRequest || !strings.Contains(got.body, "Choose what") {
		t.Errorf("without a choice: %d %s", got.StatusCode, got.body)
	}
	w.arrive(b.post("/connect/memberpress", b.consents(request, abbey)).Header.Get("Location"))
	if w.wp.screen() != "Connected to Abbey Rowing" {
		t.Error(w.wp.screen())
	}
}

func TestATenantHasOneSite(t *testing.T) {
	w := newWorld(t, settings{})
	b := w.signedIn(anna)
	w.arrive(b.post("/connect/memberpress", b.consents(w.wp.request(), w.club)).Header.Get("Location"))
	w.asked()
	other := newWordPress(t, "0198c2de-4d5a-7b60-8a11-6a1f2b3c4d5e")
	request := other.request()
	if page := b.get("/connect/memberpress?" + request.Encode()).body; !strings.Contains(page, "disconnect that one first") || strings.Contains(page, `value="connect"`) {
		t.Errorf("got %s", page)
	}
	if got := b.post("/connect/memberpress", b.consents(request, w.club)); got.StatusCode != http.StatusConflict || got.Header.Get("Location") != "" {
		t.Errorf("%d to %s", got.StatusCode, got.Header.Get("Location"))
	}
}

func TestASiteBelongsToTheTenantThatHadItsAnswer(t *testing.T) {
	w := newWorld(t, settings{})
	b := w.signedIn(anna)
	w.arrive(b.post("/connect/memberpress", b.consents(w.wp.request(), w.club)).Header.Get("Location"))
	w.asked()
	abbey := w.tenant("Abbey Rowing")
	w.user(abbey, "carl@abbey.example", identity.RoleOwner)
	carl := w.signedIn("carl@abbey.example")
	w.arrive(carl.post("/connect/memberpress", carl.consents(w.wp.request(), abbey)).Header.Get("Location"))
	w.asked()
	if got := w.one(`SELECT state || ' ' || last_error FROM connection WHERE tenant_id = $1`, abbey); !strings.HasPrefix(got, "disconnected This MemberPress account is connected to another tenant") {
		t.Error(got)
	}
	if c, err := w.connection(); err != nil || c.State != connection.Pending || !c.AccountConfirmed {
		t.Errorf("the first: %+v, %v", c, err)
	}
}

// fixture is what wordpress/contract holds of a message.
type fixture struct {
	Request  struct{ Body string }
	Response struct {
		Status int
		JSON   map[string]string
	}
}

func TestTheExchangeIsAsTheContractSays(t *testing.T) {
	w := newWorld(t, settings{})
	read := func(name string) (f fixture) {
		content, err := os.ReadFile("../../wordpress/contract/" + name + ".json")
		if err == nil {
			err = json.Unmarshal(content, &f)
		}
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	good, refused := read("connect_token"), read("connect_token_refused")
	var exchange map[string]string
	if err := json.Unmarshal([]byte(good.Request.Body), &exchange); err != nil {
		t.Fatal(err)
	}
	code := w.signedIn(anna).code(w.wp.request())
	mine := map[string]string{"code": code, "code_verifier": w.wp.verifier, "site_id": w.wp.id, "home_url": w.wp.URL}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(exchange)), slices.Sorted(maps.Keys(mine))); diff != "" {
		t.Error(diff)
	}
	status, got := trade(t, w.base, mine)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(good.Response.JSON)), slices.Sorted(maps.Keys(got))); diff != "" || status != good.Response.Status {
		t.Errorf("%d %s", status, diff)
	}
	if len(got["secret"]) != len(good.Response.JSON["secret"]) || len(got["key_id"]) < 12 || !strings.HasPrefix(got["key_id"], "mik_") {
		t.Errorf("got %v", got)
	}
	status, got = trade(t, w.base, mine)
	if diff := cmp.Diff(refused.Response.JSON, got); diff != "" || status != refused.Response.Status {
		t.Errorf("%d %s", status, diff)
	}
}
