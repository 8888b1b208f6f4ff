// Package thirdtest is a third platform, for tests alone: the smallest whole pipeline there can be, and a stand-in of the
// plugin that it reads, shaped on Paid Memberships Pro. docs/adding-a-platform.md is written along it, and its tests prove
// that a platform needs no migration and no change of another pipeline.
//
// The source's quirks, as each pipeline states them:
//   - Identity: numbers, each kind of row with its own, made by the source and never used again.
//   - Order: one worker at a time reads, so that what was read later is newer; see stamp.
//   - What changed: rows bear the second of their last change. Deletions leave no trace, so that a full pass alone finds
//     them.
//   - Money: decimals as texts, in the one currency of the site.
//   - Access: a membership gives it until its end date, or for as long as it stands where it has none. It ends by a
//     write, since the plugin's own clock sets the status.
//   - Time: UTC, in whole seconds.
package thirdtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"memberintel/internal/canonical"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/fetch"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// Name is the pipeline's, and the platform's.
const Name connection.Pipeline = "third"

// MappingVersion counts the changes of what the mapping makes of the same bytes.
const MappingVersion = 1

// The names under which a connection's secrets are sealed.
const (
	secretSite = "site"
	secretKey  = "key"
)

// Pipeline syncs sites that run the third plugin. It is safe for concurrent use.
type Pipeline struct {
	Ledger *syncrun.Ledger
	Fetch  *fetch.Client
}

// Connect asks the site for a page and keeps its key, sealed, when it answers.
func (p *Pipeline) Connect(ctx context.Context, id tenant.ID, site, key string) (c connection.Connection, err error) {
	told, err := (&client{p.Fetch, site, key}).page(ctx, kinds()[0].name, 0, time.Time{})
	if err != nil {
		return c, err
	}
	err = p.Ledger.DB.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		c, _, err = p.Ledger.Connections.Connect(ctx, tx, connection.Request{
			Pipeline: Name, SourceAccountID: told.Site, AccountConfirmed: true, Livemode: true, CredentialKind: "key",
			Secrets: map[string]string{secretSite: site, secretKey: key},
		})
		return err
	})
	return c, err
}

// Disconnect ends a connection; its data stays.
func (p *Pipeline) Disconnect(ctx context.Context, id tenant.ID, _ string) (c connection.Connection, warning string, err error) {
	err = p.Ledger.DB.TenantTx(ctx, id, func(tx *postgres.TenantTx) error {
		if c, err = p.Ledger.Connections.Get(ctx, tx, Name); err != nil {
			return err
		}
		if _, err := p.Ledger.Connections.Disconnect(ctx, tx, c.ID, "Disconnected on request."); err != nil {
			return err
		}
		c, err = p.Ledger.Connections.Get(ctx, tx, Name)
		return err
	})
	return c, "", err
}

func source(c connection.Connection) canonical.Source {
	return canonical.Source{Platform: string(Name), AccountID: c.SourceAccountID, Livemode: c.Livemode}
}

// client asks one site.
type client struct {
	through   *fetch.Client
	site, key string
}

func (p *Pipeline) client(ctx context.Context, c connection.Connection) (*client, error) {
	ask := &client{through: p.Fetch}
	err := p.Ledger.DB.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) (err error) {
		if ask.site, err = p.Ledger.Connections.Secret(ctx, tx, c.ID, secretSite); err == nil {
			ask.key, err = p.Ledger.Connections.Secret(ctx, tx, c.ID, secretKey)
		}
		return err
	})
	return ask, err
}

// answer is a page of the source.
type answer struct {
	Site string            `json:"site"` // the source's own name for itself
	Now  time.Time         `json:"now"`
	Rows []json.RawMessage `json:"rows"`
	Next int64             `json:"next"` // 0: that was the last
}

const patience = 20 * time.Second

// page reads the rows of a kind behind an id, those that changed since then; the zero time asks for all.
func (c *client) page(ctx context.Context, kind string, after int64, since time.Time) (a answer, err error) {
	query := url.Values{"after": {strconv.FormatInt(after, 10)}}
	if !since.IsZero() {
		query.Set("modified_after", since.UTC().Format(time.RFC3339))
	}
	response, err := c.through.Do(ctx, fetch.Request{
		URL: c.site + "/third/v1/" + kind + "?" + query.Encode(), Header: http.Header{"X-Third-Key": {c.key}}, JSON: true,
	}, patience)
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(response.Body, &a); err != nil || a.Now.IsZero() {
		return a, fault.Wrap(fault.Schema, err, "The site answers, but not as the plugin does; update the plugin.")
	}
	if a.Next != 0 && a.Next <= after {
		return a, fmt.Errorf("thirdtest: %s: the page after %d leads nowhere", kind, after)
	}
	return a, nil
}
