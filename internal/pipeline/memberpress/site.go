package memberpress

import (
	"encoding/base64"
	"log/slog"

	"memberintel/internal/fault"
)

// Site is a connected site: where it is and what the service shows it. It prints as its address alone, so that
// the secret cannot slip into a log.
type Site struct {
	URL    string // the home address, such as https://www.example.org/club
	KeyID  string
	Secret []byte // 32 bytes; see ParseSecret
	ID     string // what the site called itself when it was connected; "" before the first contact
}

// String hides the secret.
func (s Site) String() string { return s.URL }

// GoString hides the secret.
func (s Site) GoString() string { return s.URL }

// LogValue hides the secret.
func (s Site) LogValue() slog.Value { return slog.StringValue(s.URL) }

// MarshalText hides the secret.
func (s Site) MarshalText() ([]byte, error) { return []byte(s.URL), nil }

// secretSize is how many bytes a secret has.
const secretSize = 32

// ParseSecret reads a secret as it is written: base64url without padding. The fault for one that is none does
// not repeat it.
func ParseSecret(text string) ([]byte, error) {
	secret, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(secret) != secretSize {
		return nil, fault.New(fault.Invalid, "The secret is not one that the plugin makes; copy it again from the plugin's settings screen.")
	}
	return secret, nil
}
