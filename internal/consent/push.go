package consent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

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
// it only once its own exchange has failed, so the two ways do not both end in a key. Each try brings the same offer,
// since the site may have taken it while its answer was lost. A key that is not kept here in the end is taken back
// there.
func (f *Flow) bring(ctx context.Context, code string) {
	offer := Offer{Code: code, Grant: Grant{KeyID: newKeyID(), Secret: random(), ConnectionID: uuid.New()}}
	var a agreement
	offered := false
	err := errNotTried
	for _, pause := range f.patience.Push {
		if !wait(ctx, pause) {
			break
		}
		found, looked := f.look(ctx, code)
		if errors.Is(looked, ErrInvalidGrant) {
			if !offered {
				return // the site has fetched its key
			}
			// A try that seemed to fail may have kept the key and spent the code.
			c, holds, lookErr := f.holder(ctx, a, Key{offer.KeyID, offer.Secret})
			if holds {
				f.firstContact(ctx, c)
				return
			}
			looked = errors.Join(looked, lookErr)
		}
		if err = looked; err == nil {
			a = found
			err = f.push(ctx, a, &offer, &offered)
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
	if offered {
		f.withdraw(ctx, a, offer)
	}
	if err := f.note(ctx, a, "push"); err != nil {
		f.log.WarnContext(ctx, "a refusal could not be noted", "error", err)
	}
}

// errNotTried is why nothing was brought when the program ends before the first try.
var errNotTried = errors.New("consent: the program ended")

// push brings the key once. The site proves with the verifier that it is the one which asked; then the key is kept and
// the code spent, both or neither. offered becomes true as soon as the site may have taken the key.
func (f *Flow) push(ctx context.Context, a agreement, offer *Offer, offered *bool) error {
	offer.Tenant = a.Tenant
	if err := f.announce(ctx, a, offer); err != nil {
		return err
	}
	*offered = true
	verifier, err := f.platform.Push(ctx, a.SiteURL, a.SiteID, *offer)
	if err != nil {
		return err
	}
	if !proves(verifier, a.Challenge) {
		if _, err := f.take(ctx, offer.Code); err != nil {
			return err
		}
		return ErrInvalidGrant
	}
	c, err := f.keep(ctx, a, Key{offer.KeyID, offer.Secret}, offer)
	if err != nil {
		return err
	}
	f.firstContact(ctx, c)
	return nil
}

// announce says in the offer which connection it will be, before there is one.
func (f *Flow) announce(ctx context.Context, a agreement, offer *Offer) error {
	return f.db.TenantTx(ctx, a.TenantID, func(tx *postgres.TenantTx) error {
		if err := mustOwn(ctx, tx, a.UserID); err != nil {
			return err
		}
		c, err := f.current(ctx, tx, a.SiteID)
		if err == nil && c.ID != uuid.Nil {
			offer.ConnectionID = c.ID
		}
		return err
	})
}

// withdraw lets the site forget a key that is not kept here, so that its owner sees there that it is not connected,
// and not that it waits for ever. Where even that fails, the site's screen says that nobody has used the key.
func (f *Flow) withdraw(ctx context.Context, a agreement, offer Offer) {
	ctx, end := context.WithTimeout(context.WithoutCancel(ctx), withdrawPatience)
	defer end()
	if err := f.platform.Withdraw(ctx, a.SiteURL, a.SiteID, Key{offer.KeyID, offer.Secret}); err != nil {
		f.log.InfoContext(ctx, "a key that was not kept could not be taken back", "site", a.SiteURL, "error", err)
	}
}

// withdrawPatience is how long a key is tried to be taken back, also when the program ends.
const withdrawPatience = 5 * time.Second
