package memberpress

import (
	"crypto/hmac"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// skew is how far a request's time may be from the site's.
const skew = 300

// caller is who asks: a key and what its holder sent.
type caller struct {
	key       string
	secret    []byte
	timestamp int64
	nonce     string
}

// asked is a request that reached the plugin.
type asked struct {
	*http.Request
	route string
	query url.Values
	body  []byte
	id    string
}

// caller finds out which key signed the request. A problem of this step is answered without a signature.
func (s *Site) caller(r asked) (caller, *problem) {
	shapes := map[string]string{
		"Key-Id": `^[A-Za-z0-9_-]{1,64}$`, "Timestamp": `^\d{1,12}$`, "Nonce": `^[0-9a-fA-F]{32}$`,
		"Request-Id": `^[A-Za-z0-9_-]{1,64}$`, "Signature": `^v1=[0-9a-f]{64}$`,
	}
	for name, shape := range shapes {
		if !regexp.MustCompile(shape).MatchString(r.head(name)) {
			return caller{}, &problem{code: "mi_auth_missing", message: "The request is not signed."}
		}
	}
	secret, known := s.keys[r.head("Key-Id")]
	if !known {
		return caller{}, &problem{code: "mi_auth_revoked", message: "This key is not known or no longer valid."}
	}
	if !r.signedBy(secret) {
		return caller{}, &problem{code: "mi_auth_bad_signature", message: "The signature does not match the request."}
	}
	at, err := strconv.ParseInt(r.head("Timestamp"), 10, 64)
	if err != nil {
		return caller{}, &problem{code: "mi_auth_missing", message: "The request is not signed."}
	}
	return caller{r.head("Key-Id"), secret, at, r.head("Nonce")}, nil
}

func (r asked) head(name string) string { return r.Header.Get("X-MemberIntel-" + name) }

// signedBy compares the signature over the whole query, and over what the protocol knows of it: a web server may add
// parameters of its own.
func (r asked) signedBy(secret []byte) bool {
	known := []string{"since", "after", "limit", "sweep", "entities", "entity", "bucket", "mi_request"}
	for _, counts := range []func(string) bool{
		func(string) bool { return true },
		func(key string) bool { return slices.Contains(known, key) },
	} {
		signature := hmacOf(secret, "v1", r.Method, r.route, canonical(r.query, counts), digest(r.body), r.head("Timestamp"), r.head("Nonce"), r.head("Key-Id"))
		if hmac.Equal([]byte(signature), []byte(r.head("Signature"))) {
			return true
		}
	}
	return false
}

// admit says whether a caller may be answered now.
func (s *Site) admit(c caller, r asked) *problem {
	now := s.cfg.Clock.Now()
	if off := c.timestamp - now.Unix(); off > skew || off < -skew {
		return &problem{"mi_auth_clock_skew", "The request's time is too far from this server's.", problemData{Seconds: off}}
	}
	for nonce, at := range s.nonces {
		if at.Before(now.Add(-2 * skew * time.Second)) {
			delete(s.nonces, nonce)
		}
	}
	if _, twice := s.nonces[c.nonce]; twice {
		return &problem{code: "mi_auth_replayed", message: "This request was answered before."}
	}
	s.nonces[c.nonce] = now
	if s.home != s.homed {
		return &problem{"mi_site_moved", "This site has another address than when it was connected.", problemData{HomeURL: s.home}}
	}
	wants, err := strconv.Atoi(r.head("Protocol"))
	if err != nil || wants < s.speaks[0] || wants > s.speaks[1] {
		return &problem{"mi_protocol_unsupported", "This plugin speaks protocol " + strconv.Itoa(s.speaks[1]) + ".",
			problemData{Min: s.speaks[0], Max: s.speaks[1]}}
	}
	if !s.active {
		return &problem{code: "mi_memberpress_missing", message: "MemberPress is not active on this site."}
	}
	return nil
}
