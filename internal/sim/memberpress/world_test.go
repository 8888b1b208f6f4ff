package memberpress_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"memberintel/internal/sim/memberpress"
)

// signedHeaders signs a request with the site's key at the site's time, with a nonce of its own.
func signedHeaders(t *testing.T, s *memberpress.Site, method, route string, query map[string]string, body, id string) (headers, sent map[string]string) {
	t.Helper()
	key, text := s.Key()
	secret, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	sent = map[string]string{"mi_request": id}
	for name, value := range query {
		sent[name] = value
	}
	var pairs []string
	for name, value := range sent {
		pairs = append(pairs, name+"="+strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
	}
	slices.Sort(pairs)
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	sum := sha256.Sum256([]byte(body))
	at := strconv.FormatInt(s.Now().Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(strings.Join([]string{
		"v1", method, route, strings.Join(pairs, "&"), hex.EncodeToString(sum[:]), at, hex.EncodeToString(nonce[:]), key,
	}, "\n")))
	return map[string]string{
		"X-MemberIntel-Key-Id": key, "X-MemberIntel-Timestamp": at, "X-MemberIntel-Nonce": hex.EncodeToString(nonce[:]),
		"X-MemberIntel-Request-Id": id, "X-MemberIntel-Protocol": "1", "X-MemberIntel-Signature": "v1=" + hex.EncodeToString(mac.Sum(nil)),
	}, sent
}
