package fetch

import (
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

var (
	errTimeout   = errors.New("no whole answer in time")
	errTooLarge  = errors.New("the answer is too large")
	errAddress   = errors.New("the address is not a public one") // the guard's refusal
	errPort      = errors.New("the port is none of a website")   // the guard's refusal
	errHandshake = errors.New("no encrypted connection")
)

// diagnosis is what an attempt showed.
type diagnosis struct {
	symptom Symptom
	cause   error
	detail  string // completes the sentence
	pages   bool   // no data was asked for
}

// diagnose returns nil for an answer of use. What stands in front of a site speaks before the site does, so
// it is looked for first, whatever the status.
func diagnose(a Response, err error, wantJSON bool) *diagnosis {
	if err != nil {
		return diagnoseError(a, err)
	}
	page := newPage(a)
	switch {
	case page.challenges():
		return &diagnosis{symptom: Challenge}
	case page.parked():
		return &diagnosis{symptom: Parked}
	case a.Header.Get("Location") != "" && a.Status >= 300 && a.Status < 400: // a body is never sent on
		return misled(a)
	case a.Status < 200 || a.Status >= 300:
		return diagnoseStatus(a.Status, page)
	case a.packed():
		return &diagnosis{symptom: Garbled}
	case wantJSON && isHTML(a.Body):
		return &diagnosis{symptom: WebPage}
	case wantJSON && !holdsJSON(a.Body):
		return &diagnosis{symptom: NotJSON}
	}
	return nil
}

func diagnoseStatus(status int, page page) *diagnosis {
	switch {
	case page.maintains() && status >= 500:
		return &diagnosis{symptom: Maintenance}
	case page.firewall():
		return &diagnosis{symptom: Firewall}
	case status == http.StatusUnauthorized, status == http.StatusForbidden && page.code() != "":
		return &diagnosis{symptom: SignIn, detail: page.code()}
	case status == http.StatusForbidden, status == http.StatusNotAcceptable:
		return &diagnosis{symptom: Firewall}
	case status == http.StatusNotFound, status == http.StatusGone:
		return &diagnosis{symptom: NotFound}
	case status == http.StatusTooManyRequests:
		return &diagnosis{symptom: TooMany}
	case status == 525, status == 526: // the proxy in front does not trust the site
		return &diagnosis{symptom: TLS, detail: "its certificate is not accepted by the service in front of it"}
	case status == 521, status == 523, status == 530: // the proxy in front does not reach the site
		return &diagnosis{symptom: Unreachable}
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout, status == 520, status == 522, status == 524:
		return &diagnosis{symptom: Gateway}
	case status >= 500:
		return &diagnosis{symptom: ServerError}
	case status >= 400:
		return &diagnosis{symptom: RequestRefused}
	default: // a redirect that names no place
		return &diagnosis{symptom: Garbled}
	}
}

// diagnoseError tells what an error of the way there or back means.
func diagnoseError(a Response, err error) *diagnosis {
	found := &diagnosis{cause: withoutAddress(err)}
	var (
		away elsewhere
		name *net.DNSError
		op   *net.OpError
	)
	switch {
	case errors.Is(err, errTimeout) && a.Status != 0:
		found.symptom = SlowDrip
	case errors.Is(err, errTimeout):
		found.symptom = Timeout
	case errors.Is(err, errTooLarge):
		found.symptom = TooLarge
	case errors.Is(err, errLoop):
		found.symptom = RedirectLoop
	case errors.Is(err, errDisallowed):
		found.symptom = Disallowed
	case errors.As(err, &away):
		found.redirected(away)
	case errors.Is(err, errAddress):
		found.symptom = PrivateAddress
	case errors.Is(err, errPort):
		found.symptom = WrongPort
	case errors.As(err, &name) && name.IsNotFound:
		found.symptom = NoSuchName
	case errors.As(err, &op) && op.Op == "dial", isTimeout(err):
		found.symptom = Unreachable
	case errors.Is(err, errHandshake):
		found.symptom, found.detail = TLS, distrusts(err)
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		found.symptom = Reset
	default:
		found.symptom = Garbled
	}
	return found
}

func misled(a Response) *diagnosis {
	found := &diagnosis{symptom: Garbled}
	from, err := url.Parse(a.URL)
	if err != nil {
		return found
	}
	if to, err := from.Parse(a.Header.Get("Location")); err == nil {
		found.redirected(elsewhere{to})
	}
	return found
}

func (d *diagnosis) redirected(away elsewhere) {
	d.symptom, d.detail = Moved, away.to.Hostname()
	switch {
	case away.parks():
		d.symptom = Parked
	case away.installs():
		d.symptom = NotInstalled
	}
}

// distrusts says what is wrong with a certificate or the handshake around it.
func distrusts(err error) string {
	var (
		host    x509.HostnameError
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &host):
		return "its certificate is made out to another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not valid yet"
	case errors.As(err, &unknown):
		return "its certificate comes from nobody who is trusted, or a part of its chain is missing"
	case errors.Is(err, http.ErrSchemeMismatch):
		return "it does not answer encrypted"
	default:
		return "the two sides cannot agree on how to encrypt"
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

// withoutAddress keeps the query out of logs.
func withoutAddress(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
