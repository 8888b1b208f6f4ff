package memberpress

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// The headers of the protocol.
const (
	headerKeyID     = "X-MemberIntel-Key-Id"
	headerTimestamp = "X-MemberIntel-Timestamp" // seconds since 1970
	headerNonce     = "X-MemberIntel-Nonce"     // 32 hex digits
	headerRequestID = "X-MemberIntel-Request-Id"
	headerProtocol  = "X-MemberIntel-Protocol"
	headerSignature = "X-MemberIntel-Signature"
	headerAnswer    = "X-MemberIntel-Response-Signature"
)

// message is what the signature of a request covers, whichever way it goes.
type message struct {
	Method    string
	Route     string // such as /memberintel/v1/sync, never the form of the address
	Query     []pair // without rest_route
	Body      []byte
	Timestamp string
	Nonce     string
	KeyID     string
}

// pair is a parameter of a query, decoded.
type pair struct{ key, value string }

// lines is the text that is signed.
func (m message) lines() string {
	return strings.Join([]string{
		"v1", strings.ToUpper(m.Method), m.Route, encodeQuery(m.Query), digest(m.Body), m.Timestamp, m.Nonce, m.KeyID,
	}, "\n")
}

// answerLines is the text that is signed of an answer. The body is given without its trailer.
func answerLines(requestID string, status int, body []byte) string {
	return strings.Join([]string{"v1", requestID, strconv.Itoa(status), digest(body)}, "\n")
}

// sign makes the signature of a text as the headers hold it.
func sign(secret []byte, lines string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(lines)) // a hash never fails
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

// signed reports in constant time whether the signature is that of the text.
func signed(secret []byte, lines, signature string) bool {
	return hmac.Equal([]byte(sign(secret, lines)), []byte(signature))
}

// encodeQuery writes a query as it is signed: sorted by byte, encoded after RFC 3986.
func encodeQuery(query []pair) string {
	parts := make([]string, len(query))
	for i, p := range query {
		parts[i] = encode(p.key) + "=" + encode(p.value)
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}

// encode leaves only the unreserved characters of RFC 3986 as they are; url.QueryEscape writes a space as "+".
func encode(text string) string {
	const hexDigits = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(text) {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_', c == '.', c == '~':
			out.WriteByte(c)
		default:
			out.WriteByte('%')
			out.WriteByte(hexDigits[c>>4])
			out.WriteByte(hexDigits[c&15])
		}
	}
	return out.String()
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}
