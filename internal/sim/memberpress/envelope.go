package memberpress

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

type rawJSON = json.RawMessage

// envelope is the body of a good answer, its fields in the order of the wire.
type envelope struct {
	Protocol     int          `json:"protocol"`
	RequestID    string       `json:"request_id"`
	SiteID       string       `json:"site_id"`
	Epoch        string       `json:"epoch"`
	ServerTime   time.Time    `json:"server_time"`
	Entity       string       `json:"entity"`
	Site         *description `json:"site,omitempty"`
	Sweep        *sweepState  `json:"sweep,omitempty"`
	Of           string       `json:"of,omitempty"`
	Bucket       int64        `json:"bucket,omitempty"`
	Disconnected bool         `json:"disconnected,omitempty"`
	Rows         []rawJSON    `json:"rows"`
	Deleted      []deletion   `json:"deleted"`
	Next         *int64       `json:"next"`
	More         bool         `json:"more"`
	Watermark    *string      `json:"watermark"`
	ElapsedMS    int          `json:"elapsed_ms"`
	MemBase      int          `json:"mem_base"`
	MemPeak      int          `json:"mem_peak"`
	Warnings     []string     `json:"warnings"`
}

// connected is the body of the answer to a key that was brought.
type connected struct {
	Protocol     int       `json:"protocol"`
	RequestID    string    `json:"request_id"`
	SiteID       string    `json:"site_id"`
	ServerTime   time.Time `json:"server_time"`
	Entity       string    `json:"entity"`
	CodeVerifier string    `json:"code_verifier"`
}

// problem is what a request is refused with.
type problem struct {
	code    string
	message string
	data    problemData
}

// problemData are the fields that a problem may have.
type problemData struct {
	Entity     string   `json:"entity,omitempty"`
	Entities   []string `json:"entities,omitempty"`
	Parameter  string   `json:"parameter,omitempty"`
	Seconds    int64    `json:"seconds,omitempty"`
	HomeURL    string   `json:"home_url,omitempty"`
	Min        int      `json:"min,omitempty"`
	Max        int      `json:"max,omitempty"`
	Reason     string   `json:"reason,omitempty"`
	Epoch      string   `json:"epoch,omitempty"`
	RetryAfter int      `json:"retry_after,omitempty"`
}

type refusal struct {
	Protocol   int         `json:"protocol"`
	RequestID  string      `json:"request_id"`
	SiteID     string      `json:"site_id"`
	ServerTime time.Time   `json:"server_time"`
	Code       string      `json:"code"`
	Message    string      `json:"message"`
	Data       problemData `json:"data"`
}

// status is the protocol's for a code.
func (p *problem) status() int {
	switch p.code {
	case "mi_bad_request":
		return http.StatusBadRequest
	case "mi_auth_missing", "mi_auth_bad_signature", "mi_auth_revoked", "mi_auth_clock_skew", "mi_auth_replayed":
		return http.StatusUnauthorized
	case "mi_site_moved":
		return http.StatusForbidden
	case "mi_memberpress_missing", "mi_entity_unsupported", "mi_not_connecting":
		return http.StatusNotFound
	case "mi_protocol_unsupported":
		return http.StatusConflict
	case "mi_resync_required":
		return http.StatusGone
	default: // mi_busy, mi_failed
		return http.StatusServiceUnavailable
	}
}

// answer is what goes out, before anything in front of the site touches it.
type answer struct {
	status int
	header http.Header
	body   []byte // without its trailer
	signed string // "" where nobody proved who asks
}

// Now returns the site's time, to the second.
func (s *Site) Now() time.Time { return s.now() }

func (s *Site) now() time.Time { return s.cfg.Clock.Now().UTC().Truncate(time.Second) }

func (s *Site) envelope(id, entity string) *envelope {
	return &envelope{
		Protocol: s.speaks[0], RequestID: id, SiteID: s.id, Epoch: s.state.epoch, ServerTime: s.now(), Entity: entity,
		Rows: []rawJSON{}, Deleted: []deletion{}, ElapsedMS: 41, MemBase: 6291456, MemPeak: 8123456, Warnings: []string{},
	}
}

func (s *Site) refuse(id string, secret []byte, p *problem) answer {
	a := s.seal(id, secret, p.status(), encode(refusal{s.speaks[0], id, s.id, s.now(), p.code, p.message, p.data}))
	if p.data.RetryAfter > 0 {
		a.header.Set("Retry-After", strconv.Itoa(p.data.RetryAfter))
	}
	return a
}

// seal signs a body with the secret, nil for none.
func (s *Site) seal(id string, secret []byte, status int, body []byte) answer {
	a := answer{status: status, body: body, header: http.Header{
		"Content-Type": {"application/json; charset=UTF-8"}, "Cache-Control": {"no-store, no-cache, must-revalidate, max-age=0, private"},
		"Cdn-Cache-Control": {"no-store"}, "Surrogate-Control": {"no-store"}, "X-Litespeed-Cache-Control": {"no-cache"}, "X-Accel-Expires": {"0"},
	}}
	a.header.Set("X-MemberIntel-Protocol", strconv.Itoa(s.speaks[0]))
	a.header.Set("X-MemberIntel-Request-Id", id)
	if secret != nil {
		a.signed = hmacOf(secret, "v1", id, strconv.Itoa(status), digest(body))
		a.header.Set("X-MemberIntel-Response-Signature", a.signed)
	}
	return a
}

// whole is the body with its trailer.
func (a answer) whole() []byte {
	if a.signed == "" {
		return a.body
	}
	return slices.Concat(a.body, []byte("\n"+`{"mi_signature":"`+a.signed+`"}`))
}

func hmacOf(secret []byte, lines ...string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(strings.Join(lines, "\n"))) // a hash never fails
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// canonical is the query as it is signed: sorted, after RFC 3986, without rest_route.
func canonical(query url.Values, known func(string) bool) string {
	var pairs []string
	for key, values := range query {
		if key == "rest_route" || !known(key) || len(values) == 0 {
			continue
		}
		pairs = append(pairs, escape(key)+"="+escape(values[len(values)-1])) // PHP keeps the last
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

func escape(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }
