package app

import (
	"memberintel/internal/alert"
)

// watcher tells owners and support what stays wrong.
func (p *program) watcher(h *house) *alert.Watcher {
	return &alert.Watcher{DB: h.db, Connections: h.connections, PublicURL: p.PublicURL, Metrics: h.metrics, Log: h.log, Every: p.rhythm.look}
}

// sender works off the outbox; without a mail server it leaves mails there.
func (p *program) sender(h *house) (*alert.Sender, error) {
	s := &alert.Sender{DB: h.db, Metrics: h.metrics, Log: h.log, Every: p.rhythm.send}
	if p.SMTPURL == "" {
		return s, nil
	}
	var err error
	s.Relay, err = alert.NewRelay(p.SMTPURL, p.MailFrom)
	return s, err
}
