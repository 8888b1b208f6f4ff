package stripe

import (
	"context"
	"net/url"
	"strings"

	"github.com/tidwall/gjson"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

// A key may be allowed to read members and not whose they are. Then what the warehouse holds tells: Stripe's ids
// are unique, so a key that knows an object of ours, made in the same second, is a key of our account.

// applicant is a key that asks to be a connection's.
type applicant struct {
	tenant  tenant.ID
	key     string
	current connection.Connection // the tenant's; zero when it has none
	stored  string                // the key that current has, "" when it has none
}

// recognition is what stored objects say about a key.
type recognition int

const (
	nothingStored recognition = iota // nothing stands under the account that could tell
	sameAccount
	otherAccount // the key knows none of the objects
	unreadable   // the key may not read any of them
)

// sighting is a recognition with what led to it.
type sighting struct {
	recognition

	unknown string   // an object that the key does not know, with otherAccount
	lacks   []string // the streams that it may not read
}

// recognise makes sure that a key of which Stripe does not tell the account reads the account whose rows it is
// about to add to. It is refused with a Conflict where it does not, or where that cannot be told; where nothing
// stands that could tell, the next sync reads everything. An account that was not known when its rows were stored
// stays nameless even if its name is told now: a second name would double them.
func (p *Pipeline) recognise(ctx context.Context, a applicant, r *connection.Request) error {
	if err := p.standing(ctx, &a); err != nil {
		return err
	}
	if r.SourceAccountID != "" && a.current.ID != (connection.ID{}) && a.current.SourceAccountID == "" {
		seen, err := p.lookAtStored(ctx, a, "", r.Livemode)
		if err != nil {
			return err
		}
		if seen.recognition == sameAccount {
			r.SourceAccountID, r.AccountConfirmed = "", false
			return nil
		}
	}
	if r.AccountConfirmed {
		return nil
	}
	seen, err := p.lookAtStored(ctx, a, r.SourceAccountID, r.Livemode)
	if err != nil {
		return err
	}
	switch seen.recognition {
	case nothingStored:
		r.StartOver = true
	case sameAccount:
		r.AccountConfirmed = a.current.AccountConfirmed && a.current.SourceAccountID == r.SourceAccountID
	default:
		return a.refusal(seen, r.SourceAccountID)
	}
	return nil
}

// standing reads what the tenant has connected. A key that cannot be opened any more counts as none: connecting
// again is what helps against it.
func (p *Pipeline) standing(ctx context.Context, a *applicant) error {
	return p.DB.TenantTx(ctx, a.tenant, func(tx *postgres.TenantTx) (err error) {
		a.current, err = p.Connections.Get(ctx, tx, connection.Stripe)
		if fault.Is(err, fault.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		a.stored, err = p.Connections.Secret(ctx, tx, a.current.ID, SecretKey)
		if fault.Is(err, fault.Invalid) {
			return nil
		}
		return err
	})
}

// samples is how many objects of each stream are asked for. One that is known settles it.
const samples = 3

// lookAtStored asks with the key for objects that stand under the account.
func (p *Pipeline) lookAtStored(ctx context.Context, a applicant, account string, livemode bool) (seen sighting, err error) {
	if a.stored == a.key && a.current.SourceAccountID == account && a.current.Livemode == livemode {
		return sighting{recognition: sameAccount}, nil // it has brought them
	}
	client, err := p.newClient(Credential{Key: a.key}, "")
	if err != nil {
		return seen, err
	}
	for _, stream := range Streams() {
		var stored []connection.Stored
		err := p.DB.TenantTx(ctx, a.tenant, func(tx *postgres.TenantTx) error {
			stored, err = p.Connections.StoredOf(ctx, tx, connection.Stripe, account, livemode, tableOf(stream.Name), variantOf(stream.Name), samples)
			return err
		})
		if err != nil {
			return seen, err
		}
		for _, object := range stored {
			known, err := knows(ctx, client, stream, object)
			if fault.Is(err, fault.NotPermitted) {
				seen.lacks = append(seen.lacks, stream.lack())
				break
			}
			if err != nil {
				return seen, err
			}
			if known {
				return sighting{recognition: sameAccount}, nil
			}
			seen.recognition = otherAccount
			if seen.unknown == "" {
				seen.unknown = stream.Object + " " + object.SourceID
			}
		}
	}
	if seen.recognition == nothingStored && len(seen.lacks) > 0 {
		seen.recognition = unreadable
	}
	return seen, nil
}

// knows reports whether the client's account has the object. An id that people choose may be another object's in
// another account, and so may any id where Stripe has copied members from one account to the other; those were
// made at another time.
func knows(ctx context.Context, client *Client, stream Stream, object connection.Stored) (bool, error) {
	found, err := client.Get(ctx, stream.Path+"/"+url.PathEscape(object.SourceID), nil)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	created := gjson.GetBytes(found.Raw, "created")
	if object.SourceCreatedAt == nil || !created.Exists() { // a deleted one shows its id alone
		return !stream.Reusable, nil
	}
	return created.Int() == object.SourceCreatedAt.Unix(), nil
}

// refusal says why the key is not taken, and what helps.
func (a applicant) refusal(seen sighting, account string) error {
	of, first := "this tenant's data", ""
	if account != "" {
		of = "the data of " + account
	}
	if a.current.State != connection.Disconnected {
		first = "run `memberintel disconnect stripe` and "
	}
	if seen.recognition == unreadable {
		return fault.New(fault.Conflict, "The key does not tell its account, and may read nothing by which %s could be recognised: allow it %s. "+
			"If it is of another account, %sconnect with --account and that account's id.", of, strings.Join(seen.lacks, "; "), first)
	}
	return fault.New(fault.Conflict, "The key does not know %s, which is in %s, so it is of another account. "+
		"To connect that one, %sconnect with --account and its id. If it is the same account all the same, connect with a key that may read GET /v1/account.",
		seen.unknown, of, first)
}
