package alert_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// sink is a mail server that keeps what it is given. Its hooks play the ways in which servers disappoint.
type sink struct {
	t       *testing.T
	address string
	server  *smtp.Server
	// onRcpt and onData decide on an address and on a mail that was read; nil takes it.
	onRcpt func(to string) error
	onData func(conn net.Conn) error
	// password, where there is one, has to be given.
	password string
	// implicit is for TLS from the first byte; nil does without.
	implicit *tls.Config

	mu    sync.Mutex
	more  sync.Cond
	mails []received
}

type received struct {
	from, to string
	secure   bool
	header   mail.Header
	body     string
	raw      string
}

// newSink starts a server on loopback that ends with t. Options may set hooks before it listens.
func newSink(t *testing.T, options ...func(*sink)) *sink {
	t.Helper()
	s := &sink{t: t}
	s.more.L = &s.mu
	s.server = smtp.NewServer(s)
	s.server.Domain, s.server.AllowInsecureAuth = "sink.example", true
	s.server.ErrorLog = quiet{}
	for _, option := range options {
		option(s)
	}
	if s.address == "" {
		s.address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	if s.implicit != nil {
		listener = tls.NewListener(listener, s.implicit)
	}
	served := make(chan struct{})
	go func() { defer close(served); _ = s.server.Serve(listener) }()
	t.Cleanup(func() { _ = s.server.Close(); _ = listener.Close(); <-served })
	return s
}

func (s *sink) url() string { return "smtp://" + s.address }

// got returns the mails so far, by recipient and subject.
func (s *sink) got() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	mails := slices.Clone(s.mails)
	slices.SortStableFunc(mails, func(a, b received) int {
		return strings.Compare(a.to+a.header.Get("Subject"), b.to+b.header.Get("Subject"))
	})
	return mails
}

// wait returns when so many mails have arrived.
func (s *sink) wait(mails int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.mails) < mails {
		s.more.Wait()
	}
}

func (s *sink) subjects() (list []string) {
	for _, m := range s.got() {
		list = append(list, m.header.Get("Subject"))
	}
	return list
}

// NewSession begins a conversation.
func (s *sink) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{sink: s, conn: c, allowed: s.password == ""}, nil
}

type session struct {
	sink     *sink
	conn     *smtp.Conn
	allowed  bool
	from, to string
}

func (s *session) AuthMechanisms() []string {
	if s.sink.password == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, password string) error {
		if s.allowed = password == s.sink.password; !s.allowed {
			return errors.New("you said " + password) // servers that repeat what they hear exist
		}
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.allowed {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if s.sink.onRcpt != nil {
		return s.sink.onRcpt(to)
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	parsed, err := mail.ReadMessage(strings.NewReader(string(raw)))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(parsed.Body)
	if err != nil {
		return err
	}
	if s.sink.onData != nil {
		if err := s.sink.onData(s.conn.Conn()); err != nil {
			return err
		}
	}
	_, secure := s.conn.TLSConnectionState()
	s.sink.mu.Lock()
	defer s.sink.mu.Unlock()
	s.sink.more.Broadcast()
	s.sink.mails = append(s.sink.mails, received{s.from, s.to, secure, parsed.Header, string(body), string(raw)})
	return nil
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// certificate is for 127.0.0.1; file is where whoever is to trust it finds it.
func certificate(t *testing.T) (_ tls.Certificate, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}
