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
	err = p.tell(ctx, Site{URL: site, KeyID: keyID, ID: siteID}, secret, question{path: "/connect", post: true, body: body}, func(body []byte) (err error) {
		verifier, err = decodeOffered(body, siteID)
		return err
	})
	if err != nil {
		return "", err
	}
	return verifier, nil
}

// Withdraw takes a key back from a site to which it was offered and which nobody has used since: the site forgets it,
// and goes on with the key that it had before. A site that does not know the key is content.
func (p *Pipeline) Withdraw(ctx context.Context, site, siteID, keyID, secret string) error {
	err := p.tell(ctx, Site{URL: site, KeyID: keyID, ID: siteID}, secret, goodbye("not connected after all"), func(body []byte) error {
		_, err := decodeDisconnect(body)
		return err
	})
	if RefusalCode(err) == codeRevoked {
		return nil
	}
	return err
}

// tell posts to a site that there is no connection to yet.
func (p *Pipeline) tell(ctx context.Context, at Site, secret string, q question, read func(body []byte) error) (err error) {
	if at.Secret, err = ParseSecret(secret); err != nil {
		return err
	}
	c, err := newClient(p.Fetch, p.Care, tenant.ID{}, connection.ID{}, at, p.Config.Now)
	if err != nil {
		return err
	}
	id, request := c.build(q, care.Permit{})
	var opened []byte
	request.Own = func(a fetch.Response) (own bool, err error) {
		opened, own, err = c.judge(a, id)
		return own, err
	}
	answer, err := p.Fetch.Do(ctx, request, offerPatience)
	if err != nil {
		return c.explain(answer, err)
	}
	if err := read(opened); err != nil {
		return c.unknown(err)
	}
	return nil
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
