package identity

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

const (
	sessionIdle     = 12 * time.Hour     // without a request
	sessionAbsolute = 7 * 24 * time.Hour // from the sign-in on
	sessionTouch    = time.Minute        // how exactly it is noted when somebody was last seen
)

// Session is somebody who is signed in.
type Session struct {
	User  UserID
	Email string
	key   string // what the cookie holds; it signs forms
}

// String shows nothing that would open the session.
func (s Session) String() string { return s.Email }

// GoString shows nothing that would open the session.
func (s Session) GoString() string { return s.Email }

// Session returns who holds the token and lets the session last. One that is unknown, too long idle or too old is
// Unauthorized.
func (u *Users) Session(ctx context.Context, token string) (Session, error) {
	s := Session{key: token}
	var seen bool
	err := u.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		err := tx.QueryRow(ctx, `SELECT s.user_id, l.email, s.last_seen_at > memberintel_now() - $2::interval
			FROM user_session s JOIN user_login l USING (user_id) WHERE s.session_hash = $1 AND s.expires_at > memberintel_now()`,
			tokenHash(token), sessionTouch).Scan(&s.User, &s.Email, &seen)
		if err != nil || seen {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE user_session SET last_seen_at = memberintel_now(),
			    expires_at = least(created_at + $2::interval, memberintel_now() + $3::interval)
			WHERE session_hash = $1`, tokenHash(token), sessionAbsolute, sessionIdle)
		return err
	})
	if noRows(err) {
		return Session{}, fault.New(fault.Unauthorized, "Nobody is signed in, or it was too long ago; sign in.")
	}
	if err != nil {
		return Session{}, fmt.Errorf("identity: look for a session: %w", err)
	}
	return s, nil
}

// SignOut ends the session of the token; where there is none, nothing happens.
func (u *Users) SignOut(ctx context.Context, token string) error {
	s, err := u.Session(ctx, token)
	if fault.Is(err, fault.Unauthorized) {
		return nil
	}
	if err != nil {
		return err
	}
	err = u.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		_, err := tx.Exec(ctx, `DELETE FROM user_session WHERE session_hash = $1`, tokenHash(token))
		return err
	})
	if err != nil {
		return fmt.Errorf("identity: end a session: %w", err)
	}
	return u.note(ctx, s.User, s.Email, "user.sign_out")
}

// FormToken is what a form carries to prove that it was shown in this session, with exactly these values in it.
func (s Session) FormToken(values ...string) string {
	mac := hmac.New(sha256.New, []byte(s.key))
	for _, value := range values {
		_, _ = fmt.Fprintf(mac, "%d:%s", len(value), value) // a hash never fails
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// Shown reports in constant time whether the token is that of a form with these values.
func (s Session) Shown(token string, values ...string) bool {
	return s.key != "" && hmac.Equal([]byte(token), []byte(s.FormToken(values...)))
}

// newToken is 32 random bytes as text.
func newToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails; the program ends where the system has no randomness
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// tokenHash is what is stored of a token: enough to know it again, too little to make it.
func tokenHash(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
