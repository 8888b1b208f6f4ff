package ui_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/consent"
	"memberintel/internal/fetch"
)

// wordpress is a site with the plugin, as far as connecting goes: docs/protocol.md, section Connect.
type wordpress struct {
	*httptest.Server
	t       testing.TB
	service string // where it finds the service
	id      string

	mu       sync.Mutex
	says     string // the home address that it tells, "" for its own
	mute     bool   // it cannot call out
	lies     bool   // it proves what is pushed to it with a verifier of somebody else
	loses    int    // how many answers to what is pushed get lost
	taken    func() // called when it has taken a key
	state    string
	verifier string
	awaited  string // the hash of the code that it waits to be brought
	keyID    string
	secret   string
	shown    string // what the settings screen says
	asked    int    // requests of the service
}

func newWordPress(t testing.TB, id string) *wordpress {
	wp := &wordpress{t: t, id: id, shown: "Not connected"}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /wp-admin/admin.php", wp.admin)
	mux.HandleFunc("POST /wp-admin/admin.php", wp.begin)
	mux.HandleFunc("/{$}", wp.rest)
	wp.Server = httptest.NewTLSServer(mux)
	t.Cleanup(wp.Close)
	return wp
}

// admin is the settings screen, and the callback.
func (wp *wordpress) admin(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("mi_callback") == "1" {
		wp.called(r.URL.Query())
	}
	wp.mu.Lock()
	defer wp.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = fmt.Fprintf(w, `<!DOCTYPE html><title>MemberIntel</title><h1 id="shown">%s</h1><form method="post" action="/wp-admin/admin.php?page=memberintel"><button id="connect">Connect</button></form>`, wp.shown)
}

// begin is a click on Connect.
func (wp *wordpress) begin(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, wp.service+"/connect/memberpress?"+wp.request().Encode(), http.StatusSeeOther)
}

// request makes a new verifier and state and returns what the browser brings to the service.
func (wp *wordpress) request() url.Values {
	wp.mu.Lock()
	defer wp.mu.Unlock()
	wp.verifier, wp.state = text(32), text(24)
	sum := sha256.Sum256([]byte(wp.verifier))
	return url.Values{
		"site": {wp.URL}, "callback": {wp.URL + "/wp-admin/admin.php?page=memberintel&mi_callback=1"}, "state": {wp.state},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "site_id": {wp.id}, "plugin_version": {"1.0.0"},
	}
}

// called takes the code, as the plugin does: first whether the state is its own.
func (wp *wordpress) called(query url.Values) {
	wp.mu.Lock()
	state, mute, exchange := wp.state, wp.mute, map[string]string{"code": query.Get("code"), "code_verifier": wp.verifier, "site_id": wp.id, "home_url": wp.URL}
	wp.mu.Unlock()
	switch {
	case state == "" || query.Get("state") != state:
		wp.show("This answer is not for this site.")
		return
	case query.Get("error") != "":
		wp.show("You did not agree.")
		return
	case mute:
		wp.mu.Lock()
		sum := sha256.Sum256([]byte(query.Get("code")))
		wp.awaited, wp.shown = hex.EncodeToString(sum[:]), "Waiting for the key."
		wp.mu.Unlock()
		return
	}
	status, granted := trade(wp.t, wp.service, exchange)
	if status != http.StatusOK {
		wp.show("The service refused: " + granted["error"])
		return
	}
	wp.mu.Lock()
	defer wp.mu.Unlock()
	wp.keyID, wp.secret, wp.shown = granted["key_id"], granted["secret"], "Connected to "+granted["tenant"]
}

func (wp *wordpress) show(text string) {
	wp.mu.Lock()
	defer wp.mu.Unlock()
	wp.shown = text
}

func (wp *wordpress) screen() string {
	wp.mu.Lock()
	defer wp.mu.Unlock()
	return wp.shown
}

// rest answers the service, signed.
func (wp *wordpress) rest(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	wp.mu.Lock()
	defer wp.mu.Unlock()
	wp.asked++
	route, keyID, secret := r.URL.Query().Get("rest_route"), wp.keyID, wp.secret
	var offer consent.Offer
	if route == "/memberintel/v1/connect" {
		sum := [32]byte{}
		if json.Unmarshal(body, &offer) == nil {
			sum = sha256.Sum256([]byte(offer.Code))
		}
		if wp.awaited == "" || wp.awaited != hex.EncodeToString(sum[:]) || wp.keyID != "" && wp.keyID != offer.KeyID {
			http.Error(w, `{"protocol":1,"code":"mi_not_connecting"}`, http.StatusNotFound)
			return
		}
		keyID, secret = offer.KeyID, offer.Secret
	}
	if keyID == "" || r.Header.Get("X-MemberIntel-Key-Id") != keyID ||
		r.Header.Get("X-MemberIntel-Signature") != signature(secret, "v1", r.Method, route, "", digest(body), r.Header.Get("X-MemberIntel-Timestamp"), r.Header.Get("X-MemberIntel-Nonce"), keyID) {
		http.Error(w, `{"protocol":1,"code":"mi_auth_bad_signature"}`, http.StatusUnauthorized)
		return
	}
	if offer.Code == "" {
		wp.awaited = "" // the key is used
	}
	answer := map[string]any{"protocol": 1, "site_id": wp.id, "entity": "sync", "home_url": wp.URL}
	if route == "/memberintel/v1/sync/disconnect" {
		wp.keyID, wp.secret, wp.shown = "", "", "Not connected"
	}
	if wp.says != "" {
		answer["home_url"] = wp.says
	}
	if offer.Code != "" {
		wp.keyID, wp.secret, wp.shown = keyID, secret, "Connected to "+offer.Tenant
		if wp.taken != nil {
			wp.taken()
		}
		if wp.loses > 0 {
			wp.loses--
			panic(http.ErrAbortHandler)
		}
		answer = map[string]any{"protocol": 1, "site_id": wp.id, "entity": "connect", "code_verifier": wp.verifier}
		if wp.lies {
			answer["code_verifier"] = text(32)
		}
	}
	encoded, _ := json.Marshal(answer)
	w.Header().Set("X-MemberIntel-Response-Signature", signature(secret, "v1", r.Header.Get("X-MemberIntel-Request-Id"), "200", digest(encoded)))
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encoded)
}

// trade posts what a site's server shows for its key.
func trade(t testing.TB, service string, exchange map[string]string) (int, map[string]string) {
	t.Helper()
	encoded, err := json.Marshal(exchange)
	if err != nil {
		t.Error(err)
	}
	response, err := http.Post(service+"/connect/memberpress/token", "application/json", bytes.NewReader(encoded))
	if err != nil {
		t.Error(err)
		return 0, nil
	}
	defer response.Body.Close()
	answer := map[string]string{}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Errorf("%d: %v", response.StatusCode, err)
	}
	return response.StatusCode, answer
}

// asker asks sites as the pipeline does, through the address guard.
type asker struct {
	client *fetch.Client
	key    func(context.Context, connection.Connection) (site, keyID, secret string, err error)
}

var errUnsigned = errors.New("the answer is not signed with the key")

func (a asker) handshake(ctx context.Context, c connection.Connection) (consent.Told, error) {
	site, keyID, secret, err := a.key(ctx, c)
	if err != nil {
		return consent.Told{}, err
	}
	answer, err := a.ask(ctx, site, "/memberintel/v1/sync", keyID, secret, nil)
	return consent.Told{SiteID: answer["site_id"], HomeURL: answer["home_url"]}, err
}

func (a asker) push(ctx context.Context, site, _ string, offer consent.Offer) (string, error) {
	body, err := json.Marshal(offer)
	if err != nil {
		return "", err
	}
	answer, err := a.ask(ctx, site, "/memberintel/v1/connect", offer.KeyID, offer.Secret, body)
	return answer["code_verifier"], err
}

func (a asker) withdraw(ctx context.Context, site, _ string, key consent.Key) error {
	_, err := a.ask(ctx, site, "/memberintel/v1/sync/disconnect", key.ID, key.Secret, []byte(`{"reason":"test"}`))
	return err
}

func (a asker) ask(ctx context.Context, site, route, keyID, secret string, body []byte) (map[string]string, error) {
	method, nonce, at := http.MethodGet, text(16), strconv.FormatInt(time.Now().Unix(), 10)
	if body != nil {
		method = http.MethodPost
	}
	answer, err := a.client.Do(ctx, fetch.Request{URL: site + "/?rest_route=" + url.QueryEscape(route), Body: body, JSON: true, Header: http.Header{
		"X-MemberIntel-Key-Id": {keyID}, "X-MemberIntel-Timestamp": {at}, "X-MemberIntel-Nonce": {nonce}, "X-MemberIntel-Request-Id": {nonce},
		"X-MemberIntel-Signature": {signature(secret, "v1", method, route, "", digest(body), at, nonce, keyID)},
	}}, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if answer.Header.Get("X-MemberIntel-Response-Signature") != signature(secret, "v1", nonce, "200", digest(answer.Body)) {
		return nil, errUnsigned
	}
	told := map[string]any{}
	if err := json.Unmarshal(answer.Body, &told); err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for name, value := range told {
		texts[name] = fmt.Sprint(value)
	}
	return texts, nil
}

func signature(secret string, lines ...string) string {
	key, _ := base64.RawURLEncoding.DecodeString(secret)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join(lines, "\n")))
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// text is so many random bytes.
func text(size int) string {
	b := make([]byte, size)
	_, _ = rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
