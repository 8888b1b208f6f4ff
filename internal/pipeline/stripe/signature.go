package stripe

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	"memberintel/internal/fault"
)

// tolerance is how far a signature's timestamp may lie from the clock, on either side.
const tolerance = 300 * time.Second

// verifySignature checks a Stripe-Signature header against the raw body. Several secrets are valid while one
// is replaced by another, and the header may carry several signatures. The fault is of kind Unauthorized.
func verifySignature(body []byte, header string, secrets []string, now time.Time) error {
	var stamp string
	var signatures [][]byte
	for _, part := range strings.Split(header, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			stamp = value
		case "v1":
			if sum, err := hex.DecodeString(value); err == nil {
				signatures = append(signatures, sum)
			}
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || len(signatures) == 0 {
		return fault.New(fault.Unauthorized, "The Stripe-Signature header is missing or is not one.")
	}
	if !signed(body, stamp, signatures, secrets) {
		return fault.New(fault.Unauthorized, "The signature does not match; check the endpoint's signing secret.")
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > tolerance || age < -tolerance {
		return fault.New(fault.Unauthorized, "The signature's timestamp is more than 5 minutes off; check the clock.")
	}
	return nil
}

func signed(body []byte, stamp string, signatures [][]byte, secrets []string) bool {
	for _, secret := range secrets {
		mac := hmac.New(sha256.New, []byte(secret))
		_, _ = mac.Write([]byte(stamp + "."))
		_, _ = mac.Write(body)
		want := mac.Sum(nil)
		for _, got := range signatures {
			if hmac.Equal(got, want) {
				return true
			}
		}
	}
	return false
}

// secretsOf splits a comma-separated list of signing secrets.
func secretsOf(list string) []string {
	var secrets []string
	for _, s := range strings.Split(list, ",") {
		if s = strings.TrimSpace(s); s != "" {
			secrets = append(secrets, s)
		}
	}
	return secrets
}
