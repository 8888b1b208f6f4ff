// Package consent lets an owner connect a site by agreeing in a browser, without copying a key. The site sends the
// owner's browser here with a challenge; the owner signs in and sees which site asks and what will be read; the
// browser goes back with a one-time code; the site's server exchanges the code and the challenge's verifier for a
// key. A site that cannot call out is brought the key. docs/protocol.md has the flow from both ends.
//
// What can be stolen on the way is worth nothing alone: the code without the verifier, the row without the code, the
// key without the site that signs with it. A crash at any step loses the code, and the owner begins again. The room
// owns the tables connect_code and connected_home.
package consent

import (
	"context"
	"log/slog"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/postgres"
)

// codeLife is how long a code is good, from the agreement on.
const codeLife = 5 * time.Minute

// Key is what the service and the site sign with.
type Key struct {
	ID     string
	Secret string // 32 bytes, base64url without padding
}

// String hides the secret.
func (k Key) String() string { return k.ID }

// GoString hides the secret.
func (k Key) GoString() string { return k.ID }

// LogValue hides the secret.
func (k Key) LogValue() slog.Value { return slog.StringValue(k.ID) }

// Told is what a site said of itself in an answer that was rightly signed.
type Told struct {
	SiteID  string
	HomeURL string
}

// Platform is what the flow needs of the pipeline that will read the site.
type Platform struct {
	Pipeline connection.Pipeline
	// Credential says how the pipeline keeps a site's address and key.
	Credential func(site, siteID string, key Key) connection.Request
	// Handshake asks a connected site who it is, by its own key. An answer that is not signed with that key is an error.
	Handshake func(ctx context.Context, c connection.Connection) (Told, error)
	// Push brings an offer to a site, signed with the offer's key, and returns the verifier that the site answers. An
	// answer that is not signed with that key is an error. It is asked for sites with https alone.
	Push func(ctx context.Context, site, siteID string, offer Offer) (verifier string, err error)
	// Withdraw lets a site forget a key that was pushed to it and is not kept; what it had before goes on.
	Withdraw func(ctx context.Context, site, siteID string, key Key) error
	// Connected is called when a connection has a new key and the site was asked, whatever came of it.
	Connected func(ctx context.Context, id connection.ID) error
}

// Flow is the service's side of connecting. It is safe for concurrent use.
type Flow struct {
	db          *postgres.DB
	connections *connection.Store
	fetch       *fetch.Client
	platform    Platform
	log         *slog.Logger
	later       chan func(context.Context)
	patience    Patience
}

// Patience is how long the flow waits for a site; a zero field takes its default.
type Patience struct {
	Push      []time.Duration // before each try to bring a key that was not fetched; the plugin itself tries for 15 seconds
	Handshake []time.Duration // before each try of the first handshake: the site has to store its key
}

// New makes a flow. Run does what follows an agreement.
func New(db *postgres.DB, store *connection.Store, client *fetch.Client, platform Platform, log *slog.Logger, p Patience) *Flow {
	if p.Push == nil {
		p.Push = []time.Duration{6 * time.Second, 12 * time.Second, 20 * time.Second}
	}
	if p.Handshake == nil {
		p.Handshake = []time.Duration{time.Second, 4 * time.Second, 15 * time.Second}
	}
	return &Flow{
		db: db, connections: store, fetch: client, platform: platform, log: log, patience: p,
		later: make(chan func(context.Context), 64),
	}
}

// Run does in the background what follows an agreement and an exchange, until ctx ends. What it has not begun by
// then is lost, and nothing is lost by that: the first sync asks the site too, and an owner can click again.
func (f *Flow) Run(ctx context.Context) {
	running := make(chan struct{}, cap(f.later))
	for {
		select {
		case <-ctx.Done():
			for range cap(running) { // wait for those under way
				running <- struct{}{}
			}
			return
		case work := <-f.later:
			running <- struct{}{}
			go func() {
				defer func() { <-running }()
				work(ctx)
			}()
		}
	}
}

// soon hands work to Run, unless more waits than is sensible.
func (f *Flow) soon(work func(context.Context)) {
	select {
	case f.later <- work:
	default:
		f.log.Warn("too many connections are being made at once: some sites are asked later")
	}
}

// wait reports false when ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ErrInvalidGrant is what Exchange gives for anything that is wrong with a code, without saying what.
var ErrInvalidGrant = fault.New(fault.Invalid, "This code is used up, too old or not for this site; click Connect again.")
