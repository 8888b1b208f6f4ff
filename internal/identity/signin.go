package identity

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"memberintel/internal/audit"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// subjected is a limit and whom it holds for.
type subjected struct {
	Limit
	subject string
}

// signInLimits are how often a sign-in may be tried, in the order in which they are asked: who guesses from one
// address is stopped by the first two, and does not use up what the account's owner has elsewhere.
func signInLimits(email string, address netip.Addr) []subjected {
	from := Network(address)
	return []subjected{
		{Limit{"sign-in of an account from an address", 10, 15 * time.Minute}, email + "\x00" + from},
		{Limit{"sign-in from an address", 100, 15 * time.Minute}, from},
		{Limit{"sign-in of an account", 100, time.Hour}, email},
	}
}

// SignIn begins a session for whoever knows the password, and returns what the cookie is to hold; it is nowhere
// else. The address is whence the request came. A wrong password and an unknown user are told alike, as
// Unauthorized, and take as long; too many attempts are RateLimited. What was tried and by whom is audited at the
// tenants of the user.
func (u *Users) SignIn(ctx context.Context, email, password string, address netip.Addr) (token string, err error) {
	email = strings.ToLower(strings.TrimSpace(email))
	limits := signInLimits(email, address)
	for _, l := range limits {
		if err := u.Try(ctx, l.Limit, l.subject); err != nil {
			return "", err
		}
	}
	id, hash, err := u.login(ctx, email)
	if err != nil {
		return "", err
	}
	if len(password) > maxPassword {
		password = "" // which nobody has
	}
	right, err := u.hashing.matches(ctx, password, hash)
	if err != nil {
		return "", err
	}
	if !right {
		return "", wrongPassword()
	}
	if !strings.HasPrefix(hash, hashPrefix()) {
		before := hash
		if hash, err = u.hashing.hash(ctx, password); err == nil {
			err = u.setHash(ctx, id, before, hash)
		}
		if err != nil {
			return "", err
		}
	}
	if token, err = u.begin(ctx, id, hash, limits[0]); err != nil {
		return "", err
	}
	return token, u.note(ctx, id, email, "user.sign_in")
}

func wrongPassword() error {
	return fault.New(fault.Unauthorized, "This e-mail address and password do not go together.")
}

// login returns the hash of an address's password, "" where nobody has the address.
func (u *Users) login(ctx context.Context, email string) (id UserID, hash string, err error) {
	err = u.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		return tx.QueryRow(ctx, `SELECT user_id, password_hash FROM user_login WHERE email = $1`, email).Scan(&id, &hash)
	})
	if err != nil && !noRows(err) {
		return id, "", fmt.Errorf("identity: look for a login: %w", err)
	}
	return id, hash, nil
}

// begin stores the new session and forgives the attempts that this account made from here; those of others on the
// same account or address go on counting. hash is what the password was compared with: one that was changed meanwhile
// opens nothing.
func (u *Users) begin(ctx context.Context, id UserID, hash string, own subjected) (string, error) {
	token, begun := newToken(), false
	err := u.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		if err := own.forgive(ctx, tx, own.subject); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM user_session WHERE expires_at < memberintel_now()`); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `INSERT INTO user_session (session_hash, user_id, created_at, last_seen_at, expires_at)
			SELECT $1, user_id, memberintel_now(), memberintel_now(), memberintel_now() + $3::interval
			  FROM user_login WHERE user_id = $2 AND password_hash = $4 FOR SHARE`, tokenHash(token), id, sessionIdle, hash)
		begun = err == nil && tag.RowsAffected() == 1
		return err
	})
	if err != nil {
		return "", fmt.Errorf("identity: begin a session: %w", err)
	}
	if !begun {
		return "", wrongPassword()
	}
	return token, nil
}

// note writes to the audit of each of the user's tenants what the user did.
func (u *Users) note(ctx context.Context, id UserID, email, action string) error {
	return u.noteAs(ctx, id, email, action, email)
}

// noteAs is note for what somebody else, actor, did to the user.
func (u *Users) noteAs(ctx context.Context, id UserID, actor, action, email string) error {
	memberships, err := u.Memberships(ctx, id)
	for _, m := range memberships {
		err = u.db.TenantTx(ctx, m.Tenant, func(tx *postgres.TenantTx) error {
			return audit.Record(ctx, tx, actor, action, email, nil)
		})
		if err != nil {
			return err
		}
	}
	return err
}

// Network is what counts as one address: of IPv6 the network of 64 bits, which one household has.
func Network(address netip.Addr) string {
	address = address.Unmap().WithZone("")
	if address.Is6() {
		if prefix, err := address.Prefix(64); err == nil {
			return prefix.String()
		}
	}
	return address.String()
}
