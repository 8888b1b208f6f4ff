package memberpress

import (
	"context"
	"net/url"
	"strconv"
	"strings"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/tenant"
)

// routes is where the plugin's routes begin, whichever form an address has.
const routes = "/memberintel/v1"

// client asks the plugin of one site. What is returned was signed by the plugin for this very request. It is not
// for concurrent use, since a site is asked one thing at a time.
type client struct {
	site   *fetch.Site
	home   url.URL
	keyID  string
	sign   func(lines string) string // holds the secret, so that printing a client does not
	open   func(a sealed, requestID string) ([]byte, origin)
	now    func() time.Time
	siteID string // "" before the site has told it
	epoch  string // "" before the site has told it
	runs   string // what the site says that it runs, for sentences; "" before
	pretty bool   // whether to ask at /wp-json instead of /?rest_route=
	hooked bool   // whether what hooks saw change is enough; else the site compares all that it has
	post   bool   // whether to send reading requests with POST too, because a cache answers each GET
}

// newClient makes a client for the site of a connection. A nil clock is the machine's. The fault is of kind
// Invalid for an address that cannot be asked or a key that is none.
func newClient(through *fetch.Client, known *care.Care, who tenant.ID, what connection.ID, at Site, now func() time.Time) (*client, error) {
	site, err := fetch.NewSite(through, known, who, what, at.URL)
	if err != nil {
		return nil, err
	}
	home, err := url.Parse(at.URL)
	if err != nil || len(at.Secret) != secretSize || at.KeyID == "" || strings.Trim(at.KeyID, keyCharacters) != "" {
		return nil, fault.New(fault.Invalid, "The key is not one that the plugin makes; copy it again from the plugin's settings screen.")
	}
	home.Path, home.RawPath, home.RawQuery, home.Fragment = strings.TrimRight(home.Path, "/"), "", "", ""
	if now == nil {
		now = time.Now
	}
	secret := at.Secret
	return &client{
		site: site, home: *home, keyID: at.KeyID, siteID: at.ID, now: now,
		sign: func(lines string) string { return sign(secret, lines) },
		open: func(a sealed, requestID string) ([]byte, origin) { return a.open(secret, requestID) },
	}, nil
}

// keyCharacters are those of a key id.
const keyCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

// handshake asks what the site is and can do, and for the watermark from which changes count.
func (c *client) handshake(ctx context.Context) (Handshake, error) {
	body, err := c.ask(ctx, question{path: "/sync"})
	if err != nil {
		return Handshake{}, err
	}
	e, h, err := decodeHandshake(body)
	if err != nil {
		c.runs = versions(describe(body))
		return Handshake{}, c.unknown(err)
	}
	if h.Site.ProtocolMin > Protocol || h.Site.ProtocolMax < Protocol {
		return Handshake{}, c.unsupported(h.Site.ProtocolMin, h.Site.ProtocolMax)
	}
	c.runs, c.epoch = versions(h.Site), ""
	return h, c.same(e, "sync")
}

// page asks for the rows of an entity whose ids are above after, ascending: as many as care thinks right, or fewer.
func (c *client) page(ctx context.Context, entity string, after int64) (Envelope, error) {
	body, err := c.ask(ctx, question{
		path: "/sync/" + entity, query: []pair{{"after", strconv.FormatInt(after, 10)}}, paged: true,
	})
	if err != nil {
		return Envelope{}, err
	}
	e, err := decodePage(body)
	if err != nil {
		return Envelope{}, c.unknown(err)
	}
	return e, c.same(e, entity)
}

// changes asks for what changed since a watermark, or since a moment as RFC 3339. The site goes on with its sweep,
// or begins a new round of it: everything that was committed before the first request has been told when More is
// false. Of the entities that are mirrored alone: a site has many more rows that nobody keeps. Where the site's state is
// no longer the one that the watermark belongs to, or the watermark was of fewer entities, the fault is resync's.
func (c *client) changes(ctx context.Context, since string) (Envelope, error) {
	if c.hooked {
		return c.marks(ctx, since)
	}
	return c.changed(ctx, since, "1")
}

// marks is changes without the sweep, which is what a knock calls for: quick, and right for all that hooks see.
func (c *client) marks(ctx context.Context, since string) (Envelope, error) {
	return c.changed(ctx, since, "0")
}

func (c *client) changed(ctx context.Context, since, sweep string) (Envelope, error) {
	body, err := c.ask(ctx, question{path: "/sync/changes", query: []pair{{"since", since}, {"sweep", sweep}, {"entities", mirrored()}}, paged: true})
	if err != nil {
		return Envelope{}, err
	}
	e, err := decodeChanges(body)
	if err != nil {
		return Envelope{}, c.unknown(err)
	}
	return e, c.same(e, "changes")
}

// checksums asks for all runs of an entity's ids, in as many requests as the site needs.
func (c *client) checksums(ctx context.Context, entity string, bucket int) (Checksums, error) {
	all := Checksums{Entity: entity, Bucket: bucket}
	for after := int64(0); ; {
		body, err := c.ask(ctx, question{path: "/sync/checksums", query: []pair{
			{"after", strconv.FormatInt(after, 10)}, {"bucket", strconv.Itoa(bucket)}, {"entity", entity},
		}})
		if err != nil {
			return Checksums{}, err
		}
		e, sums, err := decodeChecksums(body)
		if err != nil {
			return Checksums{}, c.unknown(err)
		}
		if err := c.same(e, "checksums"); err != nil {
			return Checksums{}, err
		}
		if sums.Entity != entity || sums.Bucket != bucket || e.More && e.Next <= after {
			return Checksums{}, c.unknown(errShape)
		}
		all.Runs = append(all.Runs, sums.Runs...)
		if after = e.Next; !e.More {
			return all, nil
		}
	}
}

// disconnect ends the connection at the site. A site that does not know the key any more is disconnected already.
func (c *client) disconnect(ctx context.Context) error {
	end := goodbye("disconnected by the tenant")
	body, err := c.ask(ctx, end)
	if fetch.SymptomOf(err) == fetch.Moved {
		// What is posted follows no redirect. A handshake does, and shows where the site is.
		if _, found := c.handshake(ctx); found != nil {
			return err
		}
		body, err = c.ask(ctx, end)
	}
	if RefusalCode(err) == codeRevoked {
		return nil
	}
	if err != nil {
		return err
	}
	e, err := decodeDisconnect(body)
	if err != nil {
		return c.unknown(err)
	}
	return c.same(e, "disconnect")
}

// goodbye ends the connection of the key that it is signed with. The reason has no quotes in it.
func goodbye(reason string) question {
	return question{path: "/sync/disconnect", post: true, body: []byte(`{"reason":"` + reason + `"}`)}
}

// same compares an answer with what is known of the site, and remembers what was not.
func (c *client) same(e Envelope, entity string) error {
	switch {
	case e.Entity != entity:
		return c.unknown(errShape)
	case c.siteID != "" && e.SiteID != c.siteID:
		return c.anotherSite()
	case c.epoch != "" && e.Epoch != c.epoch:
		return c.resync("epoch")
	}
	c.siteID, c.epoch = e.SiteID, e.Epoch
	return nil
}
