package memberpress

import (
	"context"
	"errors"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fetch"
	"memberintel/internal/tenant"
)

// offerPatience is how long a site may take to take a key.
const offerPatience = 20 * time.Second

// Credential says how the key of a site is kept that its owner agreed to. The site's own word for its id is still to
// come.
func Credential(site, siteID, keyID, secret string) connection.Request {
	return connection.Request{
		Pipeline: connection.MemberPress, SourceAccountID: siteID, Livemode: true, CredentialKind: credentialKey,
		Secrets: map[string]string{secretSite: site, secretKeyID: keyID, secretKey: secret},
	}
}

// Identify asks the site of a connection who and where it is. The answer was signed with the connection's key.
func (p *Pipeline) Identify(ctx context.Context, c connection.Connection) (siteID, home string, err error) {
	client, err := p.client(ctx, c)
	if err != nil {
		return "", "", err
	}
	h, err := client.handshake(ctx)
	return h.SiteID, h.Site.HomeURL, err
}

// Offer brings a key to a site that cannot call out: body is the offer, which holds the key that it is signed with.
// It returns the verifier by which the site proves that it waits for it, from an answer that is signed with that key.
// There is no connection yet, so it is asked once, and how it answers is not remembered.
func (p *Pipeline) Offer(ctx context.Context, site, siteID, keyID, secret string, body []byte) (verifier string, err error) {
	key, err := ParseSecret(secret)
	if err != nil {
		return "", err
	}
	c, err := newClient(p.Fetch, p.Care, tenant.ID{}, connection.ID{}, Site{URL: site, KeyID: keyID, Secret: key, ID: siteID}, p.Config.Now)
	if err != nil {
		return "", err
	}
	id, request := c.build(question{path: "/connect", post: true, body: body}, care.Permit{})
	var opened []byte
	request.Own = func(a fetch.Response) (own bool, err error) {
		opened, own, err = c.judge(a, id)
		return own, err
	}
	answer, err := p.Fetch.Do(ctx, request, offerPatience)
	if err != nil {
		return "", c.explain(answer, err)
	}
	if verifier, err = decodeOffered(opened, siteID); err != nil {
		return "", c.unknown(err)
	}
	return verifier, nil
}

func decodeOffered(body []byte, siteID string) (verifier string, err error) {
	fields, err := take(body, []string{"protocol", "request_id", "site_id", "server_time", "entity", "code_verifier"})
	if err != nil {
		return "", err
	}
	var site, entity string
	err = errors.Join(fields.read("site_id", &site), fields.read("entity", &entity), fields.read("code_verifier", &verifier))
	if err == nil && (entity != "connect" || site != siteID) {
		err = errShape
	}
	return verifier, err
}
