package identity

import (
	"context"
	"fmt"
	"strings"

	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// SetPassword gives somebody another password, as actor, and ends all sessions of theirs. It counts for every tenant
// that the user serves, and is audited at each of them, before it is done: there is no change that nobody finds. An
// address that nobody signs in with is NotFound. The same again ends the sessions again.
func (u *Users) SetPassword(ctx context.Context, email, password, actor string) error {
	email = strings.ToLower(strings.TrimSpace(email))
	if err := checkPassword(password); err != nil {
		return err
	}
	id, known, err := u.login(ctx, email)
	if err != nil {
		return err
	}
	if known == "" {
		return fault.New(fault.NotFound, "Nobody signs in with the address %s; `memberintel user create` makes a user.", email)
	}
	hash, err := u.hashing.hash(ctx, password)
	if err != nil {
		return err
	}
	if err := u.noteAs(ctx, id, actor, "user.password", email); err != nil {
		return err
	}
	err = u.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		if _, err := tx.Exec(ctx, `UPDATE user_login SET password_hash = $2 WHERE user_id = $1`, id, hash); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `DELETE FROM user_session WHERE user_id = $1`, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("identity: change a password: %w", err)
	}
	return nil
}
