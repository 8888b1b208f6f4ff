package identity

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"memberintel/internal/fault"
)

// The parameters of argon2id: the first choice of OWASP's Password Storage Cheat Sheet, 46 MiB in one pass of one
// thread. They stand in each hash, so that raising them leaves older hashes good; a sign-in brings those up to date.
const (
	hashMemory  = 47104 // KiB
	hashTime    = 1
	hashThreads = 1
	hashSalt    = 16 // bytes; RFC 9106, section 3.1
	hashKey     = 32 // bytes
)

const (
	minPassword = 12   // characters
	maxPassword = 1024 // bytes; hashing a longer one would only cost time
)

// hashing bounds how many passwords are hashed at once, because each takes 46 MiB.
type hashing chan struct{}

func newHashing() hashing { return make(hashing, 2) }

// hash makes a new hash of the password, with its parameters and salt.
func (h hashing) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, hashSalt)
	_, _ = rand.Read(salt) // never fails; the program ends where the system has no randomness
	key, err := h.key(ctx, password, salt, hashMemory, hashTime, hashThreads)
	if err != nil {
		return "", err
	}
	return encodeHash(salt, key), nil
}

// matches reports whether the password is the hash's, in a time that does not tell how much of it is right. Without
// a hash it takes as long and is false, so that nobody learns from the time whether there is such a user.
func (h hashing) matches(ctx context.Context, password, hash string) (bool, error) {
	known := hash != ""
	if !known {
		hash = encodeHash(make([]byte, hashSalt), make([]byte, hashKey))
	}
	var version, memory, time uint32
	var threads uint8
	parameters, rest, _ := strings.Cut(strings.TrimPrefix(hash, "$argon2id$"), "p=")
	if _, err := fmt.Sscanf(parameters, "v=%d$m=%d,t=%d,", &version, &memory, &time); err != nil || version != argon2.Version {
		return false, fmt.Errorf("identity: a stored password hash is not understood")
	}
	encoded := strings.Split(rest, "$")
	if _, err := fmt.Sscan(encoded[0], &threads); err != nil || len(encoded) != 3 {
		return false, fmt.Errorf("identity: a stored password hash is not understood")
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(encoded[1])
	want, keyErr := base64.RawStdEncoding.DecodeString(encoded[2])
	if saltErr != nil || keyErr != nil {
		return false, fmt.Errorf("identity: a stored password hash is not understood")
	}
	got, err := h.key(ctx, password, salt, memory, time, threads)
	return err == nil && subtle.ConstantTimeCompare(got, want) == 1 && known, err
}

func (h hashing) key(ctx context.Context, password string, salt []byte, memory, time uint32, threads uint8) ([]byte, error) {
	select {
	case h <- struct{}{}:
		defer func() { <-h }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password), salt, time, memory, threads, hashKey), nil
}

func encodeHash(salt, key []byte) string {
	return hashPrefix() + base64.RawStdEncoding.EncodeToString(salt) + "$" + base64.RawStdEncoding.EncodeToString(key)
}

// hashPrefix is how a hash begins that needs no renewal.
func hashPrefix() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, hashMemory, hashTime, hashThreads)
}

// checkPassword lets through what is long enough to be no quick guess; what it is made of is its owner's affair.
func checkPassword(password string) error {
	switch {
	case !utf8.ValidString(password) || strings.ContainsRune(password, 0):
		return fault.New(fault.Invalid, "A password is plain text.")
	case utf8.RuneCountInString(password) < minPassword:
		return fault.New(fault.Invalid, "A password has at least %d characters; a few words that belong to no sentence are good.", minPassword)
	case len(password) > maxPassword:
		return fault.New(fault.Invalid, "A password has at most %d bytes.", maxPassword)
	}
	return nil
}
