package consent

import (
	"context"
	"errors"
	"log/slog"

	"github.com/google/uuid"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
)

// Offer is a key that is brought to a site, with the code by which the site knows that it waits for it.
type Offer struct {
	Code string `json:"code"`
	Grant
}

// String hides what the offer holds.
func (o Offer) String() string { return o.KeyID }

// GoString hides what the offer holds.
func (o Offer) GoString() string { return o.KeyID }

// LogValue hides what the offer holds.
func (o Offer) LogValue() slog.Value { return slog.StringValue(o.KeyID) }

// bring takes the key to a site whose server has not fetched it, at the address that the owner saw. The plugin takes
// it only once its own exchange has failed, so the two ways do not both end in a key.
func (f *Flow) bring(ctx context.Context, code string) {
	var a agreement
	var err error
	for _, pause := range f.patience.Push {
		if !wait(ctx, pause) {
			return
		}
		if a, err = f.look(ctx, code); errors.Is(err, ErrInvalidGrant) {
			return // the site has fetched its key
		}
		if err == nil {
			err = f.push(ctx, a, code)
		}
		if err == nil {
			return
		}
		if errors.Is(err, ErrInvalidGrant) {
			break
		}
	}
	f.log.InfoContext(ctx, "a key was not brought to its site", "site", a.SiteURL, "error", err)
	if a.SiteURL == "" {
		return
	}
	if err := f.note(ctx, a, "push"); err != nil {
		f.log.WarnContext(ctx, "a refusal could not be noted", "error", err)
	}
}

// push brings the key once. The site proves with the verifier that it is the one which asked; then the code is spent
// and the key kept, else the key is forgotten.
func (f *Flow) push(ctx context.Context, a agreement, code string) error {
	id, err := f.announce(ctx, a)
	if err != nil {
		return err
	}
	key := Key{newKeyID(), random()}
	verifier, err := f.platform.Push(ctx, a.SiteURL, a.SiteID, Offer{code, Grant{key.ID, key.Secret, id, a.Tenant}})
	if err != nil {
		return err
	}
	if _, err := f.take(ctx, code); err != nil {
		return err
	}
	if !proves(verifier, a.Challenge) {
		return ErrInvalidGrant
	}
	c, err := f.keep(ctx, a, key, &id)
	if err != nil {
		return err
	}
	f.firstContact(ctx, c)
	return nil
}

// announce says which connection it will be, before there is one.
func (f *Flow) announce(ctx context.Context, a agreement) (id connection.ID, err error) {
	err = f.db.TenantTx(ctx, a.TenantID, func(tx *postgres.TenantTx) error {
		if err := mustOwn(ctx, tx, a.UserID); err != nil {
			return err
		}
		c, err := f.current(ctx, tx, a.SiteID)
		id = c.ID
		return err
	})
	if id == uuid.Nil {
		id = uuid.New()
	}
	return id, err
}
