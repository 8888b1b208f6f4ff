package alert

import (
	"cmp"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"memberintel/internal/fault"
)

const (
	dialTimeout  = 30 * time.Second
	serverAnswer = time.Minute // for all of one mail; shorter than leaseTTL
	senderName   = "memberintel"
)

// Relay is the mail server that mails are given to. Printing one shows no password.
type Relay struct {
	host     string
	port     int
	user     string
	password string
	implicit bool // TLS from the first byte
	from     mail.Address
}

// NewRelay reads where mails are given to: smtp://user:password@host:587, or smtps:// for TLS from the first byte
// (port 465). With smtp, a password is sent only after STARTTLS, and without one STARTTLS is used where it is
// offered; on this machine itself neither is asked for. From is the sender's address; "" means the user, where that
// is an address, else memberintel at the host's name. What is wrong is told without the password.
func NewRelay(smtpURL, from string) (*Relay, error) {
	bad := fault.New(fault.Invalid, "MEMBERINTEL_SMTP_URL must look like smtp://user:password@mail.example.org:587, or smtps://...; "+
		"in the user and the password write %%40 for @, %%3A for : and %%2F for /.")
	u, err := url.Parse(smtpURL)
	if err != nil || u.Hostname() == "" || u.Scheme != "smtp" && u.Scheme != "smtps" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return nil, bad // url.Parse quotes what it was given
	}
	r := &Relay{host: u.Hostname(), port: 587, user: u.User.Username(), implicit: u.Scheme == "smtps"}
	r.password, _ = u.User.Password()
	if r.implicit {
		r.port = 465
	}
	if text := u.Port(); text != "" {
		if r.port, err = strconv.Atoi(text); err != nil || r.port < 1 || r.port > 65535 {
			return nil, bad
		}
	}
	if from == "" {
		from = r.user
		if _, err := mail.ParseAddress(from); err != nil {
			from = senderName + "@" + r.domain()
		}
	}
	sender, err := mail.ParseAddress(from)
	if err != nil || strings.ContainsFunc(sender.Address, func(c rune) bool { return c <= ' ' || c >= 0x7f }) {
		return nil, fault.New(fault.Invalid, "The sender of mails must be an address like alerts@example.org, or Name <alerts@example.org>.")
	}
	r.from = mail.Address{Name: oneLine(cmp.Or(sender.Name, senderName), subjectLimit), Address: sender.Address}
	return r, nil
}

// Format writes where the relay is, whatever the verb.
func (r Relay) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, r.server()) }

// LogValue keeps the password out of logs.
func (r Relay) LogValue() slog.Value { return slog.StringValue(r.server()) }

// domain is the host where that is a name.
func (r *Relay) domain() string {
	if net.ParseIP(r.host) != nil {
		return "localhost"
	}
	return r.host
}

func (r Relay) server() string { return net.JoinHostPort(r.host, strconv.Itoa(r.port)) }

// line is an open connection to the mail server. It serves one mail after another.
type line struct {
	client *gomail.Client
	conn   *smtp.Client
	relay  *Relay
	broken bool // nothing more can be said on it
}

// dial connects and signs in. Its error shows no password.
func (r *Relay) dial(ctx context.Context) (*line, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	var raw net.Conn // the library leaves it open when it fails
	options := []gomail.Option{
		gomail.WithPort(r.port), gomail.WithTimeout(serverAnswer), gomail.WithTLSPolicy(r.policy()),
		gomail.WithDialContextFunc(func(ctx context.Context, network, address string) (_ net.Conn, err error) {
			if r.implicit {
				raw, err = (&tls.Dialer{Config: &tls.Config{ServerName: r.host, MinVersion: tls.VersionTLS12}}).DialContext(ctx, network, address)
			} else {
				raw, err = new(net.Dialer).DialContext(ctx, network, address)
			}
			return raw, err
		}),
	}
	if r.user != "" || r.password != "" {
		options = append(options, gomail.WithUsername(r.user), gomail.WithPassword(r.password), gomail.WithOpportunisticSMTPAuth(
			gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthCramMD5))
	}
	client, err := gomail.NewClient(r.host, options...)
	if err != nil {
		return nil, fmt.Errorf("alert: set the mail server up: %s", r.redacted(err))
	}
	conn, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		if raw != nil {
			_ = raw.Close()
		}
		return nil, fmt.Errorf("alert: reach the mail server: %s", r.redacted(err))
	}
	return &line{client: client, conn: conn, relay: r}, nil
}

func (r *Relay) policy() gomail.TLSPolicy {
	ip := net.ParseIP(r.host)
	switch {
	case r.implicit, r.host == "localhost", ip != nil && ip.IsLoopback():
		return gomail.NoTLS // no more than there is
	case r.password != "":
		return gomail.TLSMandatory
	default:
		return gomail.TLSOpportunistic
	}
}

// result is what became of an attempt.
type result struct {
	status  string // sent, waiting, dropped or uncertain
	wait    bool   // the server does not want more for now
	code    int    // the server's, 0 when it gave none
	problem string // for the operator, "" when it was sent
}

// send gives the server one mail. It is dropped when the server refuses this address or this mail for good, and not
// when it refuses us: 530 and 5.7.x speak of rights, which a change of settings mends.
func (l *line) send(p parcel) result {
	message, err := l.relay.message(p)
	if err != nil {
		return result{status: dropped, problem: l.relay.redacted(err)}
	}
	err = l.client.SendWithSMTPClient(l.conn, message)
	if err == nil || message.IsDelivered() {
		l.broken = err != nil
		return result{status: sent}
	}
	r := result{status: waiting, wait: true, problem: l.relay.redacted(err)}
	var refusal *gomail.SendError
	if !errors.As(err, &refusal) {
		l.broken = true
		return r
	}
	r.code = refusal.ErrorCode()
	l.broken = r.code == 0 || refusal.Reason != gomail.ErrSMTPRcptTo
	switch refusal.Reason {
	case gomail.ErrSMTPRcptTo:
		r.wait = r.code == 0 || r.code == 421
		if r.code >= 500 && r.code != 530 && !strings.HasPrefix(refusal.EnhancedStatusCode(), "5.7.") {
			r.status = dropped
		}
	case gomail.ErrSMTPData, gomail.ErrSMTPDataClose:
		if r.code >= 500 {
			r.status, r.wait = dropped, false
		} else if r.code == 0 && refusal.Reason == gomail.ErrSMTPDataClose {
			r.status, r.wait = uncertain, false // all of it was written, and no answer came
		}
	}
	return r
}

// close ends the connection. A broken one is cut: a polite end would finish the mail that broke off.
func (l *line) close() {
	if l.broken || l.client.CloseWithSMTPClient(l.conn) != nil {
		_ = l.conn.Close()
	}
}

// message dresses a mail for its journey. Its id stays the same with each attempt.
func (r *Relay) message(p parcel) (*gomail.Msg, error) {
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(&r.from)
	if err := m.To(p.Recipient); err != nil {
		return nil, err
	}
	_, domain, _ := strings.Cut(r.from.Address, "@")
	m.Subject(oneLine(p.Subject, subjectLimit))
	m.SetMessageIDWithValue(fmt.Sprintf("alert-%d-%d@%s", p.ID, p.CreatedAt.UnixMicro(), domain))
	m.SetDate()
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetBodyString(gomail.TypeTextPlain, p.Text)
	if p.HTML != "" {
		m.AddAlternativeString(gomail.TypeTextHTML, p.HTML)
	}
	return m, nil
}

// redacted is an error's text without the password, which a server might repeat.
func (r *Relay) redacted(err error) string {
	text := err.Error()
	if r.password == "" {
		return text
	}
	encode := base64.StdEncoding.EncodeToString
	for _, secret := range []string{r.password, encode([]byte(r.password)), encode([]byte("\x00" + r.user + "\x00" + r.password))} {
		text = strings.ReplaceAll(text, secret, "...")
	}
	return text
}
