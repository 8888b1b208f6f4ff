package alert_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"memberintel/internal/alert"
)

func TestNobodySeesThePassword(t *testing.T) {
	w := newWorld(t)
	s := newSink(t, func(s *sink) { s.password = "another one" })
	w.breaks(1)
	sender := w.sender("smtp://alerts:hush%40hush@" + s.address)
	_, err := sender.Send(t.Context())
	if err == nil || !strings.Contains(err.Error(), "you said ...") {
		t.Errorf("a wrong password: %v", err)
	}
	w.became("refused", "owner00@club.example waiting 1")
	ctx, cancel := context.WithCancel(t.Context())
	w.pass(time.Hour)
	ended := make(chan error)
	go func() { ended <- sender.Run(ctx) }()
	w.logged.wait("mails could not be sent")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	said := w.logged.String() + fmt.Sprintf("%v %+v %#v %s", sender.Relay, sender.Relay, *sender.Relay, sender.Relay) +
		strings.Join(w.texts(`SELECT last_error FROM alert_outbox`), " ")
	if strings.Contains(said, "hush") {
		t.Errorf("the password: %s", said)
	}

	s.password = "hush@hush"
	w.pass(time.Hour)
	send(t, w.sender("smtp://alerts:hush%40hush@"+s.address), 1)
}

func TestMailServersAreNamedInOneWay(t *testing.T) {
	for _, url := range []string{
		"", "mail.example.org", "mail.example.org:25", "http://mail.example.org", "smtp://", "smtp://user:secret@", "smtp://user:sec/ret@host",
		"smtp://user:secret@host:99999", "smtp://user:secret@host/path", "smtp://user:secret@host?x=1", "smtp://user:%zzsecret@host", "smtp://user:secret@host:port",
	} {
		_, err := alert.NewRelay(url, "")
		if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "MEMBERINTEL_SMTP_URL must look like") {
			t.Errorf("%s: %v", url, err)
		}
	}
	for _, from := range []string{"alerts", "a@b, c@d", "alerts@example.org\r\nBcc: x@y.example", "ålerts@example.org"} {
		if _, err := alert.NewRelay("smtp://host", from); err == nil {
			t.Errorf("sender %q was taken", from)
		}
	}
	for url, want := range map[string]string{
		"smtp://mail.example.org": "mail.example.org:587", "smtps://u:p@mail.example.org": "mail.example.org:465", "smtp://[::1]:25": "[::1]:25",
	} {
		if relay, err := alert.NewRelay(url, ""); err != nil || fmt.Sprint(relay) != want {
			t.Errorf("%s: %v, %v", url, relay, err)
		}
	}
}

func TestTLSFromTheFirstByte(t *testing.T) {
	w := newWorld(t)
	pair, file := certificate(t)
	s := newSink(t, func(s *sink) { s.implicit = &tls.Config{Certificates: []tls.Certificate{pair}}; s.password = "hush" })
	w.breaks(1)
	url := "smtps://alerts:hush@" + s.address
	if _, err := w.sender(url).Send(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate that nobody vouches for: %v", err)
	}
	w.pass(time.Hour)
	command, said := w.another("send", url, "SSL_CERT_FILE="+file)
	if err := command.Wait(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	if got := s.got(); len(got) != 1 || !got[0].secure {
		t.Errorf("arrived: %+v", got)
	}
}
