package consent

import (
	"context"
	"crypto/subtle"
	"fmt"
	"strings"

	"memberintel/internal/audit"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

// actor is who the audit names for what the flow finds out by itself.
const actor = "memberpress"

// firstContact asks a site that has just been given a key, and lets the first sync follow. What went wrong is told
// by that sync to whoever looks; here it only decides when to try again.
func (f *Flow) firstContact(ctx context.Context, c connection.Connection) {
	var err error
	for _, pause := range f.patience.Handshake {
		if !wait(ctx, pause) {
			return
		}
		if err = f.Confirm(ctx, c, f.platform.Handshake); err == nil || fault.Is(err, fault.Conflict) {
			break
		}
	}
	if err != nil {
		f.log.InfoContext(ctx, "a site that was connected has not answered as itself yet", "connection_id", c.ID, "error", err)
	}
	if err := f.platform.Connected(ctx, c.ID); err != nil {
		f.log.WarnContext(ctx, "the first sync could not be asked for", "connection_id", c.ID, "error", err)
	}
}

// Confirm asks a connected site who it is, and lets it count from then on: as the site that its owner agreed to, at
// the address that the owner saw, and as this tenant's alone. handshake must return only what the site signed with
// the connection's key. Until it has succeeded once, and whenever it fails, nothing may be read from the site.
//
// A site that another tenant is connected to is a Conflict, and the connection ends. One that says that it is
// elsewhere, as a copy with the same key does, is NotPermitted until an owner agrees to that address.
func (f *Flow) Confirm(
	ctx context.Context, c connection.Connection, handshake func(context.Context, connection.Connection) (Told, error),
) error {
	told, err := handshake(ctx, c)
	if err != nil {
		return err
	}
	return f.Recognise(ctx, c, told)
}

// Recognise is Confirm for who has the site's signed answer already: a sync, whose first question it is each time.
func (f *Flow) Recognise(ctx context.Context, c connection.Connection, told Told) error {
	if !strings.EqualFold(told.SiteID, c.SourceAccountID) {
		return fault.New(fault.NotPermitted, "Another site answers at this address than the one that was connected; connect it again.")
	}
	if err := f.compare(ctx, c, told); err != nil {
		return err
	}
	return f.claim(ctx, c)
}

// Vouch takes a person's word, who has connected the site by its key at the terminal, for where it is: what it says
// next of its address counts.
func (f *Flow) Vouch(ctx context.Context, c connection.Connection) error {
	err := f.db.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		_, err := tx.Exec(ctx, `DELETE FROM connected_home WHERE connection_id = $1`, c.ID)
		return err
	})
	if err != nil {
		return fmt.Errorf("consent: forget a site's address: %w", err)
	}
	return nil
}

// compare compares where a site says that it is with where it was agreed to be, and remembers both outcomes.
func (f *Flow) compare(ctx context.Context, c connection.Connection, told Told) error {
	here, err := home(told.HomeURL)
	if err != nil {
		return err
	}
	var moved error
	err = f.db.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		var agreed string
		var hash []byte
		_, err := tx.Exec(ctx, `INSERT INTO connected_home (tenant_id, connection_id, home_url, home_hash) VALUES ($1, $2, $3, $4)
			ON CONFLICT (connection_id) DO NOTHING`, c.TenantID, c.ID, told.HomeURL, hashOf(here)) // connected with a key by hand
		if err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `SELECT home_url, home_hash FROM connected_home WHERE connection_id = $1 FOR UPDATE`, c.ID).Scan(&agreed, &hash)
		if err != nil {
			return err
		}
		if subtle.ConstantTimeCompare(hash, hashOf(here)) == 1 {
			_, err = tx.Exec(ctx, `UPDATE connected_home SET confirmed_at = coalesce(confirmed_at, memberintel_now()), strange_url = NULL
				WHERE connection_id = $1 AND (confirmed_at IS NULL OR strange_url IS NOT NULL)`, c.ID)
			return err
		}
		moved = elsewhere(agreed, told.HomeURL)
		tag, err := tx.Exec(ctx, `UPDATE connected_home SET strange_url = $2 WHERE connection_id = $1 AND strange_url IS DISTINCT FROM $2`, c.ID, told.HomeURL)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return audit.Record(ctx, tx, actor, "connect.strange_home", c.ID.String(), map[string]any{"agreed": agreed, "says": told.HomeURL})
	})
	if err != nil {
		return fmt.Errorf("consent: compare a site's address: %w", err)
	}
	return moved
}

func elsewhere(agreed, says string) error {
	f := fault.New(fault.NotPermitted, "The site that was connected as %s says that it is %s. It may have moved, or be a copy; nothing is read from it until you say so.", agreed, says)
	f.Checklist = []string{
		"If the site has moved, open its WordPress administration, and click Connect under MemberPress, MemberIntel.",
		"If it is a copy for tests, disconnect it there, so that it no longer uses the key of the site that it was copied from.",
	}
	return f
}

// settle notes where a site is that an owner has just agreed to.
func settle(ctx context.Context, tx *postgres.TenantTx, id connection.ID, site string) error {
	where, err := home(site)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO connected_home (tenant_id, connection_id, home_url, home_hash) VALUES ($1, $2, $3, $4)
		ON CONFLICT (connection_id) DO UPDATE SET home_url = excluded.home_url, home_hash = excluded.home_hash,
		    agreed_at = memberintel_now(), confirmed_at = NULL, strange_url = NULL`, tx.Tenant, id, site, hashOf(where))
	if err != nil {
		return fmt.Errorf("consent: keep a site's address: %w", err)
	}
	return nil
}

// claim makes the site this tenant's, which nobody can do who has not had a signed answer from it.
func (f *Flow) claim(ctx context.Context, c connection.Connection) error {
	taken := false
	err := f.db.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		now, err := f.connections.Get(ctx, tx, c.Pipeline)
		if err != nil || now.AccountConfirmed || now.ID != c.ID || now.State == connection.Disconnected {
			return err
		}
		_, _, err = f.connections.Connect(ctx, tx, connection.Request{
			Pipeline: c.Pipeline, SourceAccountID: c.SourceAccountID, AccountConfirmed: true, Livemode: c.Livemode, CredentialKind: now.CredentialKind,
		})
		taken = fault.Is(err, fault.Conflict)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, actor, "connect.confirm", c.ID.String(), nil)
	})
	if !taken {
		return err
	}
	ended := f.db.TenantTx(ctx, c.TenantID, func(tx *postgres.TenantTx) error {
		_, err := f.connections.Disconnect(ctx, tx, c.ID, fault.Sentence(err))
		return err
	})
	if ended != nil {
		return ended
	}
	return err
}
