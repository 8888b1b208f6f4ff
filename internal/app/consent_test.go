package app

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"memberintel/internal/sim/clock"
	site "memberintel/internal/sim/memberpress"
)

const deskPassword = "three small red boats"

func TestAUserIsMadeAtTheTerminal(t *testing.T) {
	d := newDesk(t)
	d.hidden = append(d.hidden, deskPassword)
	d.json(exitDone, "tenant", "create", "--name", "club")
	create := func(role, password string) (io.Reader, []string) {
		return strings.NewReader("MEMBERINTEL_USER_PASSWORD=" + password), []string{"user", "create", "--tenant", "club", "--email", "Anna@club.example", "--role", role}
	}
	for _, created := range []bool{true, false} {
		stdin, args := create("owner", deskPassword)
		d.must(d.jsonFrom(stdin, exitDone, args...), map[string]any{"email": "anna@club.example", "role": "owner", "created": created})
	}
	for _, refused := range [][3]string{{"viewer", deskPassword, "conflict"}, {"owner", "another long password", "conflict"}, {"owner", "short", "invalid"}} {
		stdin, args := create(refused[0], refused[1])
		d.must(d.jsonFrom(stdin, exitError, args...), map[string]any{"kind": refused[2]})
	}
	_, args := create("owner", "")
	d.must(d.jsonFrom(strings.NewReader(""), exitUsage, args...), map[string]any{"kind": "usage"})
	d.must(d.json(exitDone, "user", "role", "viewer", "--tenant", "club", "--email", "anna@club.example"), map[string]any{"role": "viewer", "changed": true})

	const next = "four large green boats"
	d.hidden = append(d.hidden, next)
	change := func(email, password string) (io.Reader, []string) {
		return strings.NewReader("MEMBERINTEL_USER_PASSWORD=" + password), []string{"user", "password", "--email", email}
	}
	stdin, args := change("Anna@club.example", next)
	d.must(d.jsonFrom(stdin, exitDone, args...), map[string]any{"changed": true})
	for _, refused := range [][3]string{{"bob@club.example", next, "not_found"}, {"anna@club.example", "short", "invalid"}} {
		stdin, args := change(refused[0], refused[1])
		d.must(d.jsonFrom(stdin, exitError, args...), map[string]any{"kind": refused[2]})
	}
	_, args = change("anna@club.example", "")
	d.must(d.jsonFrom(strings.NewReader(""), exitUsage, args...), map[string]any{"kind": "usage"})
}

func TestFromAConsentToItsRows(t *testing.T) {
	d := newDesk(t)
	d.hidden = append(d.hidden, deskPassword)
	d.env = append(d.env, "MEMBERINTEL_ALLOW_ADDRESSES=127.0.0.0/8", "MEMBERINTEL_USER_PASSWORD="+deskPassword)
	server := httptest.NewUnstartedServer(nil)
	home := "http://" + server.Listener.Addr().String()
	club := site.New(site.Config{Clock: clock.Follow(time.Now(), 1), Seed: "consent", HomeURL: home})
	club.Revoke()
	for id := range int64(30) {
		club.Put(site.Member{ID: id + 1, Login: fmt.Sprint("member", id), FirstName: "Ann", LastName: fmt.Sprint("Smith", id)})
	}
	server.Config.Handler = club
	server.Start()
	defer server.Close()
	d.json(exitDone, "tenant", "create", "--name", "club")
	d.json(exitDone, "user", "create", "--tenant", "club", "--email", "anna@club.example", "--role", "owner")
	address, end := d.serving()
	defer end()

	base := "http://" + address
	verifier := strings.Repeat("verifier", 6)
	challenge := sha256.Sum256([]byte(verifier))
	code := consented(t, base, home, club.ID(), base64.RawURLEncoding.EncodeToString(challenge[:]))
	body, err := json.Marshal(map[string]string{"code": code, "code_verifier": verifier, "site_id": club.ID(), "home_url": home})
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Post(base+"/connect/memberpress/token", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var granted struct {
		KeyID  string `json:"key_id"`
		Secret string `json:"secret"`
		Tenant string `json:"tenant"`
	}
	if err := json.NewDecoder(response.Body).Decode(&granted); err != nil || response.StatusCode != http.StatusOK || granted.Tenant != "club" {
		t.Fatalf("the exchange: %d %v", response.StatusCode, err)
	}
	secret, err := base64.RawURLEncoding.DecodeString(granted.Secret)
	if err != nil {
		t.Fatal(err)
	}
	d.hidden = append(d.hidden, granted.Secret)
	d.must(d.json(exitDone, "status", "--tenant", "club"), map[string]any{"tenants.0.connections.0.state": "pending"})
	club.SetKey(granted.KeyID, secret)
	d.holds(time.Minute, "the site is connected", `SELECT count(*) = 1 FROM connection WHERE state = 'connected' AND account_confirmed`)
	if n := d.count(`SELECT count(*) FROM members WHERE name ILIKE '%smith%'`); n != 30 {
		t.Errorf("%d members", n)
	}
	if n := d.count(`SELECT count(*) FROM connected_home WHERE confirmed_at IS NOT NULL`); n != 1 {
		t.Error("the site's address is not confirmed")
	}
}

// consented signs in, agrees, and returns the code that the site is to get.
func consented(t *testing.T, base, home, siteID, challenge string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := url.Values{
		"site": {home}, "callback": {home + "/wp-admin/admin.php?page=memberintel&mi_callback=1"}, "state": {"state"}, "code_challenge": {challenge},
		"code_challenge_method": {"S256"}, "site_id": {siteID}, "plugin_version": {"1.0.0"},
	}
	signed, err := browser.PostForm(base+"/signin", url.Values{"email": {"anna@club.example"}, "password": {deskPassword}})
	if err != nil || signed.StatusCode != http.StatusSeeOther {
		t.Fatalf("sign in: %v", err)
	}
	_ = signed.Body.Close()
	shown, err := browser.Get(base + "/connect/memberpress?" + ask.Encode())
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(shown.Body)
	_ = shown.Body.Close()
	if err != nil || shown.StatusCode != http.StatusOK {
		t.Fatalf("consent: %d %v %s", shown.StatusCode, err, page)
	}
	form := url.Values{"decision": {"connect"}}
	for _, field := range regexp.MustCompile(`name="([a-z_]+)" (?:id="[^"]*" )?value="([^"]*)"`).FindAllStringSubmatch(string(page), -1) {
		if field[1] != "decision" && field[1] != "next" {
			form.Set(field[1], html.UnescapeString(field[2]))
		}
	}
	agreed, err := browser.PostForm(base+"/connect/memberpress", form)
	if err != nil {
		t.Fatal(err)
	}
	_ = agreed.Body.Close()
	to, err := url.Parse(agreed.Header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" || !strings.HasPrefix(to.String(), home) {
		t.Fatalf("agree: %d to %q", agreed.StatusCode, agreed.Header.Get("Location"))
	}
	return to.Query().Get("code")
}
