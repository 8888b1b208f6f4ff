package memberpress

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
)

// offer is what a service whose site cannot call out brings to it.
func offer(code, keyID, secret string) []byte {
	body, _ := json.Marshal(map[string]string{"code": code, "key_id": keyID, "secret": secret, "connection_id": "c", "tenant": "Club"})
	return body
}

// A key is brought to the site that waits for it, and its answer counts when it is signed with that key.
func TestOfferIsTakenByWhoWaits(t *testing.T) {
	c := newClub(t)
	const keyID, code, verifier = "mik_7Q2fXb9ZtR4c", "mic_Zm9vYmFyYmF6cXV4", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	secret := base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	c.site.Await(code, verifier)
	for name, wrong := range map[string]func() (string, error){
		"another code": func() (string, error) {
			return c.p.Offer(t.Context(), c.server.URL, c.site.ID(), keyID, secret, offer("mic_other", keyID, secret))
		},
		"a key that it is not signed with": func() (string, error) {
			return c.p.Offer(t.Context(), c.server.URL, c.site.ID(), keyID, secret, offer(code, keyID, base64.RawURLEncoding.EncodeToString(make([]byte, 32))))
		},
		"no secret": func() (string, error) { return c.p.Offer(t.Context(), c.server.URL, c.site.ID(), keyID, "", nil) },
	} {
		if got, err := wrong(); err == nil || got != "" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := c.p.Offer(t.Context(), c.server.URL, c.site.ID(), keyID, secret, offer(code, keyID, secret)); got != verifier || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	c.site.Await(code, verifier)
	if got, err := c.p.Offer(t.Context(), c.server.URL, "0198c2de-4d5a-7b60-8a11-6a1f2b3c4d5e", keyID, secret, offer(code, keyID, secret)); got != "" || err == nil {
		t.Errorf("another site than was agreed to: %q, %v", got, err)
	}
}

// Whoever recognises sites is asked before anything is read, and what it says ends the run.
func TestASiteThatIsNotRecognisedIsNotRead(t *testing.T) {
	c := newClub(t)
	var asked []string
	strange := fault.New(fault.NotPermitted, "It may have moved, or be a copy.")
	c.p.Config.Recognise = func(_ context.Context, of connection.Connection, siteID, home string) error {
		asked = append(asked, siteID+" "+home)
		return strange
	}
	report, err := c.p.Sync(t.Context(), c.c, "", nil)
	if !errors.Is(err, strange) || report.RecordsProcessed != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if len(asked) != 1 || asked[0] != c.site.ID()+" https://lakeside.example" {
		t.Errorf("asked about %q", asked)
	}
	siteID, home, err := c.p.Identify(t.Context(), c.current())
	if siteID != c.site.ID() || home != "https://lakeside.example" || err != nil {
		t.Errorf("%s %s, %v", siteID, home, err)
	}
}
