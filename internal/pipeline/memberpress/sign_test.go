package memberpress

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"memberintel/internal/fault"
)

func TestSignaturesAreThoseOfTheContract(t *testing.T) {
	requests, answers := 0, 0
	for name, c := range contracts(t) {
		if c.Request.StringToSign != nil {
			requests++
			m := message{
				Method: c.Request.Method, Route: c.Request.Route, Body: []byte(c.Request.Body), Timestamp: c.Request.Headers[headerTimestamp],
				Nonce: c.Request.Headers[headerNonce], KeyID: c.Request.Headers[headerKeyID],
			}
			for key, value := range c.Request.Query {
				m.Query = append(m.Query, pair{key, value})
			}
			if got := m.lines(); got != *c.Request.StringToSign {
				t.Errorf("%s: signs %q, not %q", name, got, *c.Request.StringToSign)
			}
			rightly := *c.Request.Signature == c.Request.Headers[headerSignature]
			if matches := signed(c.secret(t), m.lines(), *c.Request.Signature); !rightly || matches == (name == "error_auth_bad_signature") {
				t.Errorf("%s: the signature of the request matches: %v", name, matches)
			}
		}
		id := c.Request.Headers[headerRequestID]
		whole := sealed{c.Response.Status, c.Response.Headers[headerAnswer], []byte(c.Response.Body)}
		if c.Response.StringToSign == nil {
			if c.From == "service" {
				if body, from := whole.open(c.secret(t), id); body != nil || from != foreign {
					t.Errorf("%s: an answer without a signature was taken for %v", name, from)
				}
			}
			continue
		}
		answers++
		body, _ := split(whole.raw)
		if got := answerLines(id, whole.status, body); got != *c.Response.StringToSign {
			t.Errorf("%s: signs %q, not %q", name, got, *c.Response.StringToSign)
		}
		if got := sign(c.secret(t), *c.Response.StringToSign); got != *c.Response.Signature {
			t.Errorf("%s: signature %s", name, got)
		}
		onlyHeader := sealed{whole.status, whole.signature, body}
		onlyTrailer := sealed{whole.status, "", whole.raw}
		noticed := sealed{whole.status, "", []byte("\ufeff<br />\n<b>Notice</b>: x{y} in z.php\n" + c.Response.Body + "\n<!-- cached -->\n")}
		for _, a := range []sealed{whole, onlyHeader, onlyTrailer, noticed} {
			if got, from := a.open(c.secret(t), id); from != own || string(got) != string(body) {
				t.Errorf("%s: taken for %v", name, from)
			}
		}
		if _, from := whole.open(c.secret(t), "another-request"); from != stale {
			t.Errorf("%s: an answer to another request was taken for %v", name, from)
		}
		spoilt := []sealed{
			{whole.status, whole.signature, []byte(strings.Replace(c.Response.Body, "20", "21", 1))},
			{whole.status + 1, whole.signature, whole.raw},
			{whole.status, "", body},
			{whole.status, whole.signature, body[:len(body)-1]},
			{whole.status, "", whole.raw[:len(whole.raw)-3]},
		}
		for i, a := range spoilt {
			if got, from := a.open(c.secret(t), id); from != foreign || got != nil {
				t.Errorf("%s, spoilt %d: taken for %v", name, i, from)
			}
		}
		if _, from := whole.open(make([]byte, secretSize), id); from != foreign {
			t.Errorf("%s: another secret opened it", name)
		}
	}
	if requests < 30 || answers < 20 {
		t.Errorf("%d requests and %d answers had a signature", requests, answers)
	}
}

func TestASecretIsReadAndNeverShown(t *testing.T) {
	for _, text := range []string{"", "short", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAh", "!QIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA"} {
		if _, err := ParseSecret(text); !fault.Is(err, fault.Invalid) || text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v", text, err)
		}
	}
	const text = "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IDEyMzQ"
	secret, err := ParseSecret(text)
	if err != nil {
		t.Fatal(errors.Unwrap(err))
	}
	at := Site{URL: "https://lakeside.example", KeyID: "mik_1", Secret: secret}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("connect", "site", at)
	slog.New(slog.NewTextHandler(&log, nil)).Info("connect", "site", &at)
	shown := fmt.Sprintf("%v %+v %#v %s", at, &at, at, log.String())
	for _, leak := range []string{text, string(secret), fmt.Sprintf("%d", secret), fmt.Sprintf("%x", secret)} {
		if strings.Contains(shown, leak) {
			t.Errorf("shown: %s", shown)
		}
	}
}

func TestTheLastTrailerCounts(t *testing.T) {
	raw := `notice {"protocol":1,"x":"y"}` + trailerStart + `v1=one"}` + trailerStart + `v1=two"} behind`
	if body, trailer := split([]byte(raw)); string(body) != `{"protocol":1,"x":"y"}`+trailerStart+`v1=one"}` || trailer != "v1=two" {
		t.Errorf("%s, %s", body, trailer)
	}
}
