package fetch

import (
	"context"
	"errors"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/tenant"
)

// Site is a connection's website, asked with care.
type Site struct {
	client *Client
	care   *care.Care
	place  care.Place
}

// NewSite joins a client with what is known of the site at address. An address that cannot be asked is a
// fault of kind Invalid.
func NewSite(client *Client, known *care.Care, id tenant.ID, c connection.ID, address string) (*Site, error) {
	u, err := parse(address)
	if err != nil {
		return nil, err
	}
	return &Site{client: client, care: known, place: care.Place{Tenant: id, Connection: c, Site: siteOf(u)}}, nil
}

// Ask waits for its turn, sends the request that build makes of the permit, and lets all machines learn from
// the outcome. It fails as Client.Do does, or with a fault whose cause is care.ErrNotAsked, when the site is
// left in peace or the wait is long; no attempt was spent then. Each request must lead to the site. As
// Client.Do it returns what answer there was beside the fault.
func (s *Site) Ask(ctx context.Context, build func(care.Permit) (Request, error)) (Response, error) {
	permit, err := s.care.Await(ctx, s.place)
	if err != nil {
		return Response{}, err
	}
	request, err := build(permit)
	if err == nil && SiteName(request.URL) != s.place.Site {
		err = fault.New(fault.Invalid, "This request does not lead to %s.", s.place.Site)
	}
	if err != nil {
		return Response{}, errors.Join(err, permit.Done(ctx, care.Outcome{Verdict: care.Unasked}))
	}
	answer, err := s.client.Do(ctx, request, permit.Timeout)
	if noted := permit.Done(ctx, outcome(answer, err)); noted != nil {
		err = errors.Join(err, noted)
	}
	return answer, err
}

// Send is Ask for a request that is the same whatever the permit says.
func (s *Site) Send(ctx context.Context, r Request) (Response, error) {
	return s.Ask(ctx, func(care.Permit) (Request, error) { return r, nil })
}

// outcome is what care learns of an attempt.
func outcome(a Response, err error) care.Outcome {
	o := care.Outcome{Verdict: care.Well, Took: a.Took, Requests: a.Requests}
	if err == nil {
		return o
	}
	o.Verdict = care.Unasked
	var f *fault.Error
	if symptom := SymptomOf(err); symptom != "" && errors.As(err, &f) {
		o.Verdict, o.RetryAfter = diagnosis{symptom: symptom}.meaning("", 0, 0).verdict, f.RetryAfter
	}
	return o
}
