package memberpress

import (
	"bytes"
	"strconv"
)

// Where an answer's body begins and ends. Every body begins with its protocol; the trailer repeats the signature
// for hosts that take headers away.
const (
	bodyStart    = `{"protocol":`
	trailerStart = "\n" + `{"mi_signature":"`
)

// origin is what the signature of an answer proves.
type origin int

const (
	foreign origin = iota // something else has answered, or something has changed the answer
	stale                 // the plugin has said it, but to another request
	own                   // the plugin has said it to this request
)

// sealed is an answer as it came.
type sealed struct {
	status    int
	signature string // of the header, "" where none came
	raw       []byte
}

// open returns the signed part of an answer and what its signature proves; the part is nil where it proves
// nothing. Nothing is parsed: the two ends are found, and the signature is computed over what stands between.
func (s sealed) open(secret []byte, requestID string) ([]byte, origin) {
	body, trailer := split(s.raw)
	if body == nil {
		return nil, foreign
	}
	for _, signature := range []string{trailer, s.signature} {
		if signature == "" {
			continue
		}
		if signed(secret, answerLines(requestID, s.status, body), signature) {
			return body, own
		}
		// Whoever changes the id that the answer names cannot sign it for that one.
		if named := namedRequest(body); named != "" && signed(secret, answerLines(named, s.status, body), signature) {
			return body, stale
		}
	}
	return nil, foreign
}

// split finds the body between notices of PHP before it and the trailer, and the signature that the trailer
// holds, "" where there is none. The body is nil where it has no beginning.
func split(raw []byte) (body []byte, trailer string) {
	start := bytes.Index(raw, []byte(bodyStart))
	if start < 0 {
		return nil, ""
	}
	raw = raw[start:]
	end := bytes.LastIndex(raw, []byte(trailerStart))
	if end < 0 {
		return bytes.TrimRight(raw, " \t\r\n"), ""
	}
	rest := raw[end+len(trailerStart):]
	if quote := bytes.IndexByte(rest, '"'); quote >= 0 {
		trailer = string(rest[:quote])
	}
	return raw[:end], trailer
}

// namedRequest is the request id that a body names at its beginning, "" where it names none. What it says counts
// only when the signature over it is right.
func namedRequest(body []byte) string {
	rest := bytes.TrimLeft(body[len(bodyStart):], "0123456789")
	rest, found := bytes.CutPrefix(rest, []byte(`,"request_id":"`))
	quote := bytes.IndexByte(rest, '"')
	if !found || quote < 1 || quote > 64 {
		return ""
	}
	return string(rest[:quote])
}

// namesAnother reports whether an answer that proves nothing names another request than the one with the id: what a cache
// kept from before the site had its key is signed with a former one, or says that the key is not known.
func namesAnother(raw []byte, requestID string) bool {
	body, _ := split(raw)
	if body == nil {
		return false
	}
	named := namedRequest(body)
	return named != "" && named != requestID
}

// namedProtocol is the protocol of a signed body, 0 where it names none.
func namedProtocol(body []byte) int {
	digits := body[len(bodyStart):]
	end := bytes.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' })
	version, err := strconv.Atoi(string(digits[:max(end, 0)]))
	if err != nil {
		return 0
	}
	return version
}
