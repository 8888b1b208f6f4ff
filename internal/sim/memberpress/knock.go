package memberpress

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Knock tells the service behind an address that something changed, as the plugin does after a change, and returns the
// status that it answers. The site's own clock stamps it.
func (s *Site) Knock(ctx context.Context, address string) (status int, err error) {
	at, err := url.Parse(address)
	if err != nil {
		return 0, fmt.Errorf("memberpress: knock: %w", err)
	}
	s.mu.Lock()
	key, secret, watermark := s.keyID, s.keys[s.keyID], s.watermark(s.state.seq, 0)
	s.mu.Unlock()
	body := encode(map[string]any{"watermark": watermark})
	stamp := strconv.FormatInt(s.now().Unix(), 10)
	nonce := nonce()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("memberpress: knock: %w", err)
	}
	for name, value := range map[string]string{
		"Key-Id": key, "Timestamp": stamp, "Nonce": nonce, "Request-Id": nonce, "Protocol": strconv.Itoa(s.speaks[0]),
		"Signature": hmacOf(secret, "v1", http.MethodPost, at.Path, "", digest(body), stamp, nonce, key),
	} {
		request.Header.Set("X-MemberIntel-"+name, value)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Timeout: 5 * time.Second}).Do(request)
	if err != nil {
		return 0, fmt.Errorf("memberpress: knock: %w", err)
	}
	return response.StatusCode, response.Body.Close()
}

// nonce is a number that no request had before.
func nonce() string {
	var random [16]byte
	for i := range random {
		random[i] = byte(rand.Uint32()) //nolint:gosec // it keeps no secret
	}
	return hex.EncodeToString(random[:])
}
