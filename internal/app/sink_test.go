package app

import (
	"io"
	"log/slog"
	"net"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// sink is a mail server that keeps what it is given.
type sink struct {
	t       *testing.T
	address string
	arrived chan struct{}

	mu    sync.Mutex
	mails []received
}

type received struct{ to, subject, text string }

func newSink(t *testing.T) *sink {
	t.Helper()
	s := &sink{t: t, arrived: make(chan struct{}, 1000)}
	server := smtp.NewServer(s)
	server.Domain, server.ErrorLog = "sink.example", slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.address = listener.Addr().String()
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); _ = listener.Close(); <-served })
	return s
}

func (s *sink) url() string { return "smtp://" + s.address }

// to returns the mails that went to an address, in the order in which they came.
func (s *sink) to(address string) (mails []received) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.mails {
		if m.to == address {
			mails = append(mails, m)
		}
	}
	return mails
}

// wait returns when one more mail has come.
func (s *sink) wait() {
	s.t.Helper()
	select {
	case <-s.arrived:
	case <-time.After(30 * time.Second):
		s.t.Fatal("no mail came")
	}
}

// NewSession begins a conversation.
func (s *sink) NewSession(*smtp.Conn) (smtp.Session, error) { return &letterbox{sink: s}, nil }

type letterbox struct {
	sink *sink
	to   string
}

func (l *letterbox) Mail(string, *smtp.MailOptions) error { return nil }
func (l *letterbox) Reset()                               {}
func (l *letterbox) Logout() error                        { return nil }

func (l *letterbox) Rcpt(to string, _ *smtp.RcptOptions) error {
	l.to = to
	return nil
}

func (l *letterbox) Data(r io.Reader) error {
	message, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(message.Body)
	if err != nil {
		return err
	}
	// Quoted-printable breaks long lines; what is looked for is in one.
	text := strings.NewReplacer("=\r\n", "", "=3D", "=", "\r\n", "\n").Replace(string(body))
	l.sink.mu.Lock()
	defer l.sink.mu.Unlock()
	l.sink.mails = append(l.sink.mails, received{l.to, message.Header.Get("Subject"), text})
	l.sink.arrived <- struct{}{}
	return nil
}
