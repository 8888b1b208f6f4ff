package app

import (
	"context"
	"encoding/json"
	"fmt"

	"memberintel/internal/connection"
	"memberintel/internal/consent"
	"memberintel/internal/fetch"
	"memberintel/internal/identity"
	"memberintel/internal/page"
	"memberintel/internal/pipeline/memberpress"
	"memberintel/internal/syncrun"
	"memberintel/internal/ui"
)

// newFlow joins the flow by which an owner connects a site with the pipeline that reads it.
func (h *house) newFlow(sites *fetch.Client) *consent.Flow {
	return consent.New(h.db, h.connections, sites, consent.Platform{
		Pipeline: connection.MemberPress,
		Credential: func(site, siteID string, key consent.Key) connection.Request {
			return memberpress.Credential(site, siteID, key.ID, key.Secret)
		},
		Handshake: func(ctx context.Context, c connection.Connection) (consent.Told, error) {
			siteID, home, err := h.memberpress.Identify(ctx, c)
			return consent.Told{SiteID: siteID, HomeURL: home}, err
		},
		Push: func(ctx context.Context, site, siteID string, offer consent.Offer) (string, error) {
			body, err := json.Marshal(offer)
			if err != nil {
				return "", fmt.Errorf("app: encode an offer: %w", err)
			}
			return h.memberpress.Offer(ctx, site, siteID, offer.KeyID, offer.Secret, body)
		},
		Withdraw: func(ctx context.Context, site, siteID string, key consent.Key) error {
			return h.memberpress.Withdraw(ctx, site, siteID, key.ID, key.Secret)
		},
		Connected: func(ctx context.Context, id connection.ID) error { return h.request(ctx, id, syncrun.Connecting) },
	}, h.log, consent.Patience{})
}

// recognise asks the flow, which stands above the pipeline, whether a site is the one that was connected.
func (h *house) recognise(ctx context.Context, c connection.Connection, siteID, homeURL string) error {
	return h.flow.Recognise(ctx, c, consent.Told{SiteID: siteID, HomeURL: homeURL})
}

// screens are the customer's pages.
func (p *program) screens(h *house, pages *page.Pages) (*ui.UI, error) {
	return ui.New(ui.Config{
		PublicURL: p.PublicURL, Proxies: p.proxies, Users: identity.NewUsers(h.db), Flow: h.flow, Pages: pages, Log: h.log,
	})
}
