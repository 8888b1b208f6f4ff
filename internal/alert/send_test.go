package alert_test

import (
	"context"
	"fmt"
	"mime"
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"memberintel/internal/alert"
	"memberintel/internal/postgres"
)

// breaks lets n more tenants have an outage, whose owners are owner00 and so on.
func (w *world) breaks(n int) {
	w.t.Helper()
	for i := range n {
		w.tenant, w.connection = w.newTenant(fmt.Sprintf("Club %02d", i), fmt.Sprintf("owner%02d@club.example", i))
		w.fails(3, errDown)
		w.watch() // one by one, so that the mails are written in this order
	}
}

// mails lists what became of the mails, by recipient.
func (w *world) mails() []string {
	w.t.Helper()
	return w.texts(`SELECT concat_ws(' ', recipient, status, attempts) FROM alert_outbox ORDER BY recipient, mail_id`)
}

func (w *world) became(what string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.mails()); diff != "" {
		w.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestAMailArrivesWithItsHeaders(t *testing.T) {
	w := newWorld(t)
	s := newSink(t)
	w.exec(`UPDATE tenant SET name = 'Club de tennis Éléphant' WHERE tenant_id = $1`, w.tenant)
	w.fails(3, errDown)
	w.watch()
	send(t, w.sender(s.url()), 1)
	send(t, w.sender(s.url()), 0)
	mails := s.got()
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	m := mails[0]
	subject, err := new(mime.WordDecoder).DecodeHeader(m.header.Get("Subject"))
	if err != nil || subject != "Club de tennis Éléphant: the Stripe sync does not work" {
		t.Errorf("subject %q, %v", subject, err)
	}
	if m.from != "alerts@memberintel.example.org" || m.to != anna || m.header.Get("From") != `"Alerts" <alerts@memberintel.example.org>` ||
		m.header.Get("To") != "<"+anna+">" || m.header.Get("Auto-Submitted") != "auto-generated" || m.header.Get("Date") == "" ||
		!strings.HasSuffix(m.header.Get("Message-Id"), "@memberintel.example.org>") ||
		!strings.HasPrefix(m.header.Get("Content-Type"), "multipart/alternative") || m.header.Get("User-Agent") != "" {
		t.Errorf("from %s to %s: %v", m.from, m.to, m.header)
	}
	for _, part := range []string{"text/plain; charset=UTF-8", "text/html; charset=UTF-8", "Stripe did not answer.", "https://memberintel.example.org/"} {
		if !strings.Contains(m.body, part) {
			t.Errorf("no %q in %s", part, m.body)
		}
	}
	w.became("sent", anna+" sent 1")
}

func TestATenantsNameBecomesNoHeader(t *testing.T) {
	w := newWorld(t)
	s := newSink(t)
	// No command takes such a name; should one ever stand in the table, it is text all the same.
	w.exec(`UPDATE tenant SET name = E'Oak\r\nBcc: all@world.example\r\n\r\nBuy!\u202e' WHERE tenant_id = $1`, w.tenant)
	w.fails(3, errDown)
	w.watch()
	send(t, w.sender(s.url()), 1)
	m := s.got()[0]
	if m.header.Get("Subject") != "Oak Bcc: all@world.example Buy!: the Stripe sync does not work" || m.header.Get("Bcc") != "" || len(s.got()) != 1 {
		t.Errorf("got %v", m.header)
	}
	if strings.Contains(m.raw, "\nBcc") {
		t.Errorf("a header of the tenant's: %s", m.raw)
	}
}

func TestABadAddressIsGivenUpAndHoldsNobodyUp(t *testing.T) {
	w := newWorld(t)
	refuse := map[string]*smtp.SMTPError{
		"owner00@club.example": {Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"},
		"owner01@club.example": {Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "relaying denied"},
		"owner02@club.example": {Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 0}, Message: "greylisted"},
	}
	s := newSink(t, func(s *sink) {
		s.onRcpt = func(to string) error {
			if refusal := refuse[to]; refusal != nil {
				return refusal
			}
			return nil
		}
	})
	w.breaks(4)
	send(t, w.sender(s.url()), 1)
	want := []string{"owner00@club.example dropped 1", "owner01@club.example waiting 1", "owner02@club.example waiting 1", "owner03@club.example sent 1"}
	w.became("the first attempt", want...)
	send(t, w.sender(s.url()), 0)
	w.became("at once", want...)

	delete(refuse, "owner01@club.example")
	delete(refuse, "owner02@club.example")
	w.pass(time.Minute)
	send(t, w.sender(s.url()), 2)
	w.became("a minute later", "owner00@club.example dropped 1", "owner01@club.example sent 2", "owner02@club.example sent 2", "owner03@club.example sent 1")
	list := w.support()
	at := slices.IndexFunc(list, func(t alert.Trouble) bool { return t.Tenant == "Club 00" })
	if m := list[at].Mails[0]; m.Status != "dropped" || !strings.Contains(*m.LastError, "no such user") {
		t.Errorf("support reads %+v", m)
	}
	if strings.Contains(w.logged.String(), "@club.example") {
		t.Errorf("an address in the log: %s", w.logged)
	}
}

func TestMailsWaitForAServerThatIsDown(t *testing.T) {
	w := newWorld(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	w.breaks(3)
	sender := w.sender("smtp://" + address)
	if left, err := sender.Send(t.Context()); left != 0 || err == nil {
		t.Errorf("%d left, %v", left, err)
	}
	w.became("down", "owner00@club.example waiting 1", "owner01@club.example waiting 1", "owner02@club.example waiting 1")
	if got := w.texts(`SELECT DISTINCT last_error FROM alert_outbox`); len(got) != 1 || !strings.Contains(got[0], "refused") {
		t.Errorf("the reason: %q", got)
	}
	send(t, sender, 0) // not due: the server is left in peace
	for range 12 {
		w.pass(30 * time.Minute)
		if _, err := sender.Send(t.Context()); err == nil {
			t.Fatal("no error of a server that is down")
		}
	}
	s := newSink(t, func(s *sink) { s.address = address })
	w.pass(30 * time.Minute)
	send(t, sender, 3)
	send(t, sender, 0)
	if len(s.got()) != 3 {
		t.Errorf("%d mails", len(s.got()))
	}
}

func TestMailsOfThreeDaysAgoAreNotSent(t *testing.T) {
	w := newWorld(t)
	s := newSink(t)
	w.breaks(1)
	nobody := &alert.Sender{DB: w.db, Log: w.watcher.Log}
	send(t, nobody, 0)
	w.pass(2 * 24 * time.Hour)
	w.newTenant("New", "new@club.example")
	w.became("no server is set", "owner00@club.example waiting 0")
	var backlog alert.Backlog
	w.operator(func(ctx context.Context, tx *postgres.OperatorTx) (err error) {
		backlog, err = alert.BacklogOf(ctx, tx)
		return err
	})
	if backlog.Waiting != 1 || !backlog.Oldest.Equal(w.now.Add(-48*time.Hour)) {
		t.Errorf("backlog %+v", backlog)
	}
	w.pass(24 * time.Hour)
	send(t, w.sender(s.url()), 0)
	w.became("it is set late", "owner00@club.example dropped 0")
}

func TestTheMailSwitchHoldsMailsBack(t *testing.T) {
	w := newWorld(t)
	s := newSink(t)
	w.breaks(2)
	sender := w.sender(s.url())
	for _, name := range []string{"subsystem:mail", "all", "tenant:" + w.tenant.String(), "pipeline:stripe"} {
		w.throw(name)
		want := 0
		if strings.HasPrefix(name, "tenant:") {
			want = 1 // the other tenant's
		}
		send(t, sender, want)
		w.lift(name)
	}
	w.became("others", "owner00@club.example sent 1", "owner01@club.example waiting 0")
	send(t, sender, 1)
}

func TestASwitchThatIsThrownMeanwhileHoldsTheNextMailBack(t *testing.T) {
	w := newWorld(t)
	s := newSink(t, func(s *sink) {
		s.onData = func(net.Conn) error { w.throw("subsystem:mail"); return nil }
	})
	w.breaks(3)
	send(t, w.sender(s.url()), 1)
	w.lift("subsystem:mail")
	s.onData = nil
	w.pass(time.Minute)
	send(t, w.sender(s.url()), 2)
	w.became("afterwards", "owner00@club.example sent 1", "owner01@club.example sent 1", "owner02@club.example sent 1")
}

func TestAMailThatWasHandedOverByAProcessThatDiedIsNotSentAgain(t *testing.T) {
	w := newWorld(t)
	var dying *exec.Cmd
	started, dead := make(chan struct{}), make(chan struct{})
	s := newSink(t, func(s *sink) {
		s.onData = func(net.Conn) error {
			<-started
			_ = dying.Process.Kill() // the mail was read, and the answer never comes
			<-dead
			return nil
		}
	})
	w.breaks(2)
	dying, _ = w.another("send", s.url())
	close(started)
	_ = dying.Wait()
	close(dead)
	w.became("killed", "owner00@club.example sending 1", "owner01@club.example waiting 0")

	// Another process goes on when the dead one's time is over.
	s.onData = nil
	send(t, w.sender(s.url()), 0)
	s.wait(1)
	w.exec(`UPDATE alert_outbox SET lease_expires_at = clock_timestamp() - interval '1 second'`)
	send(t, w.sender(s.url()), 1)
	send(t, w.sender(s.url()), 0)
	w.became("taken over", "owner00@club.example uncertain 1", "owner01@club.example sent 1")
	if got := s.subjects(); len(got) != 2 {
		t.Errorf("arrived %q", got)
	}

	// Who may have been told of the outage is told of its end.
	w.exec(`UPDATE connection SET state = 'connected', consecutive_failures = 0, awaited_since = NULL, last_success_at = memberintel_now()`)
	w.watch()
	send(t, w.sender(s.url()), 2)
}

func TestASenderThatWasHeldUpTooLongSendsNothingMore(t *testing.T) {
	w := newWorld(t)
	first := true
	s := newSink(t)
	slow := newSink(t, func(s2 *sink) {
		s2.onData = func(net.Conn) error {
			if !first {
				return nil
			}
			first = false
			// While the server is at the first mail, the sender's time runs out and another takes the second.
			w.exec(`UPDATE alert_outbox SET lease_expires_at = clock_timestamp() - interval '1 second' WHERE status = 'waiting'`)
			send(t, w.sender(s.url()), 1)
			return nil
		}
	})
	w.breaks(2)
	send(t, w.sender(slow.url()), 1)
	w.became("both", "owner00@club.example sent 1", "owner01@club.example sent 1")
	if got := append(slow.got(), s.got()...); len(got) != 2 || got[0].to == got[1].to {
		t.Errorf("arrived %+v", got)
	}
}

func TestALineThatBreaksLeavesNoSecondMail(t *testing.T) {
	w := newWorld(t)
	first := true
	s := newSink(t, func(s *sink) {
		s.onData = func(conn net.Conn) error {
			if first {
				first = false
				return conn.Close() // taken, and the answer is lost
			}
			return nil
		}
	})
	w.breaks(3)
	send(t, w.sender(s.url()), 2)
	w.became("broken once", "owner00@club.example uncertain 1", "owner01@club.example sent 1", "owner02@club.example sent 1")
	w.pass(time.Hour)
	send(t, w.sender(s.url()), 0)
	if got := len(s.got()); got != 3 {
		t.Errorf("%d arrived", got)
	}
}

func TestWhatTheServerDoesNotTakeIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	answers := []error{
		&smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "busy"},
		&smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "I do not like it"},
	}
	s := newSink(t, func(s *sink) {
		s.onData = func(net.Conn) error {
			if len(answers) == 0 {
				return nil
			}
			answer := answers[0]
			answers = answers[1:]
			return answer
		}
	})
	w.breaks(3)
	send(t, w.sender(s.url()), 0) // busy: no more for now
	w.became("busy", "owner00@club.example waiting 1", "owner01@club.example waiting 0", "owner02@club.example waiting 0")
	send(t, w.sender(s.url()), 1)
	w.became("disliked", "owner00@club.example waiting 1", "owner01@club.example dropped 1", "owner02@club.example sent 1")
	w.pass(time.Minute)
	send(t, w.sender(s.url()), 1)
	if got := len(s.got()); got != 2 {
		t.Errorf("%d arrived", got)
	}
}

func TestManySendersSendEachMailOnce(t *testing.T) {
	w := newWorld(t)
	s := newSink(t)
	w.breaks(35)
	results := make(chan error)
	for range 5 {
		sender := w.sender(s.url())
		go func() {
			_, err := sender.Send(context.WithoutCancel(t.Context()))
			results <- err
		}()
	}
	for range 5 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	var to []string
	for _, m := range s.got() {
		to = append(to, m.to)
	}
	if len(to) != 35 || len(slices.Compact(to)) != 35 {
		t.Errorf("arrived: %q", to)
	}
}
