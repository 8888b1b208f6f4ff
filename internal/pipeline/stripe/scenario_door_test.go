package stripe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	simstripe "memberintel/internal/sim/stripe"
)

func TestThePlatformsDoorDoesNotBelieveAClaimedAccount(t *testing.T) {
	w := newWorld(t)
	victim := w.twin("acct_victim")
	ep, platform, _ := w.platform()
	victim.Connect(platform)
	made, err := identity.CreateTenant(t.Context(), w.db, "mallory", "pro")
	w.must(err)
	var claimed connection.Connection
	w.must(w.db.TenantTx(t.Context(), made.ID, func(tx *postgres.TenantTx) (err error) {
		claimed, _, err = w.p.Connections.Connect(t.Context(), tx, connection.Request{
			Pipeline: connection.Stripe, SourceAccountID: victim.ID(), CredentialKind: CredentialKey,
			Secrets: map[string]string{SecretKey: "rk_test_mallory", SecretWebhook: "whsec_mallory"},
		})
		return err
	}))
	base := w.door()
	own := []byte(`{"id":"evt_own","object":"event","type":"invoice.upcoming","created":1,"livemode":false,"api_version":"2026-08-26.dahlia","data":{"object":{"object":"invoice"}}}`)
	if status, _ := w.post(base+"/webhooks/stripe/"+claimed.ID.String(), own, "whsec_mallory"); status != http.StatusOK {
		t.Fatalf("the tenant's own endpoint answered %d", status)
	}
	victim.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	signed, err := ep.Signed(0)
	w.must(err)
	if status, _ := w.post(base+"/webhooks/stripe", signed.Body, "whsec_platform"); status != http.StatusOK {
		t.Errorf("the platform's endpoint answered %d", status)
	}
	if n := one[int](w, claimed, `SELECT count(*) FROM members`); n != 0 {
		t.Errorf("%d members of somebody else's account", n)
	}
	var kept int
	w.must(w.ownerPool().QueryRow(t.Context(), `SELECT count(*) FROM webhook_quarantine WHERE account_id = $1`, victim.ID()).Scan(&kept))
	if kept != 1 {
		t.Errorf("%d deliveries are kept as unclaimed, want 1", kept)
	}
}

func TestThePlatformsKeyMustReachTheAccountThatIsNamed(t *testing.T) {
	w := newWorld(t)
	w.platform()
	stranger := w.twin("acct_stranger")
	made, err := identity.CreateTenant(t.Context(), w.db, "mallory", "pro")
	w.must(err)
	_, _, err = w.p.Connect(t.Context(), ConnectRequest{Tenant: made.ID, Actor: "test", Account: stranger.ID()})
	if err == nil {
		t.Error("an account that never let the platform in was connected by the platform's key")
	}
}

func TestOneTenantsLockDoesNotKeepOthersFromTheDoor(t *testing.T) {
	t.Run("what is derived", func(t *testing.T) {
		oneTenantsLock(t, func(w *world, tx *postgres.TenantTx) error {
			return w.p.Ledger.Warehouse.DeriveAll(t.Context(), tx, source(w.c))
		})
	})
	t.Run("the live run, which is counted with the commit", func(t *testing.T) {
		oneTenantsLock(t, func(_ *world, tx *postgres.TenantTx) error {
			_, err := tx.Exec(t.Context(), `SELECT FROM sync_run WHERE mode = 'live' AND status = 'running' FOR UPDATE`)
			return err
		})
	})
}

func oneTenantsLock(t *testing.T, hold func(*world, *postgres.TenantTx) error) {
	t.Helper()
	w := newWorld(t)
	w.sync("")
	door := w.door()
	others := []connection.Connection{}
	for i := range 6 { // some of them share a committer with the tenant whose rows are locked
		others = append(others, w.second(fmt.Sprint("neighbour ", i), w.twin(fmt.Sprint("acct_n", i)), worldSecret))
	}
	body := func(n int) []byte {
		return fmt.Appendf(nil, `{"id":"evt_%d","object":"event","type":"customer.created","created":%d,"livemode":false,"api_version":%q,
			"data":{"object":{"id":"cus_%d","object":"customer","created":%d,"livemode":false,"name":"member %d"}}}`,
			n, w.clock.Now().Unix(), w.p.Config.APIVersion, n, w.clock.Now().Unix(), n)
	}
	if status, _ := w.post(door+"/webhooks/stripe/"+w.c.ID.String(), body(999), worldSecret); status != http.StatusOK {
		t.Fatalf("the first delivery was answered %d", status)
	}
	held, release, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- w.db.TenantTx(context.WithoutCancel(t.Context()), w.c.TenantID, func(tx *postgres.TenantTx) error {
			err := hold(w, tx)
			close(held)
			<-release
			return err
		})
	}()
	<-held
	slow := make(chan int, 20)
	for i := range cap(slow) {
		go func() {
			status, _ := w.post(door+"/webhooks/stripe/"+w.c.ID.String(), body(1000+i), worldSecret)
			slow <- status
		}()
	}
	start := time.Now()
	for round := range 3 {
		for i, c := range others {
			if status, _ := w.post(door+"/webhooks/stripe/"+c.ID.String(), body(10*round+i), worldSecret); status != http.StatusOK {
				t.Errorf("a neighbour's delivery was answered %d", status)
			}
		}
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("the neighbours waited %v for somebody else's lock", took)
	}
	select {
	case status := <-slow:
		t.Errorf("a delivery was answered %d before the lock was free", status)
	default:
	}
	close(release)
	w.must(<-ended)
	for range cap(slow) {
		if status := <-slow; status != http.StatusOK {
			t.Errorf("the tenant whose rows were locked was answered %d", status)
		}
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM members`); n != 21 {
		t.Errorf("%d members, want 21", n)
	}
}

func TestIdleSendersDoNotCloseTheDoor(t *testing.T) {
	w := newWorld(t)
	door := w.door()
	ep := w.endpoint(door)
	for range 40 {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(door, "http://"))
		w.must(err)
		defer conn.Close()
		_, err = fmt.Fprintf(conn, "POST /webhooks/stripe/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", w.c.ID, maxDelivery)
		w.must(err)
	}
	w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	start := time.Now()
	w.deliver(ep)
	if took := time.Since(start); took > 4*time.Second {
		t.Errorf("a delivery waited %v for senders that send nothing", took)
	}
}

func TestAFullDoorSaysSoWithinSeconds(t *testing.T) {
	w := newWorld(t)
	intake := NewIntake(w.p)
	defer intake.Close()
	h := NewWebhooks(w.p, intake)
	if !h.bytes.TryAcquire(maxInFlight) {
		t.Fatal("the door is full from the beginning")
	}
	mux := http.NewServeMux()
	h.Routes(mux)
	server := httptest.NewServer(mux)
	defer server.Close()
	status, header := w.post(server.URL+"/webhooks/stripe/"+w.c.ID.String(), []byte("{}"), worldSecret)
	if status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("answered %d with Retry-After %q", status, header.Get("Retry-After"))
	}
	if status, _ := w.post(server.URL+"/webhooks/stripe/7f9c24e5-0000-4000-8000-000000000000", []byte("{}"), worldSecret); status != http.StatusNotFound {
		t.Errorf("a connection that is not there was answered %d by a full door", status)
	}
}

func TestADoorThatWasDisconnectedOpensAtOnceAfterAReconnect(t *testing.T) {
	w := newWorld(t)
	w.sync("")
	ep := w.endpoint(w.door())
	key := w.key()
	_, err := w.p.Disconnect(t.Context(), w.c.TenantID, "test")
	w.must(err)
	w.account.CreateCustomer(simstripe.CustomerParams{Name: "Ana"})
	w.deliver(ep) // the door knows now that it is disconnected
	_, _, err = w.p.Connect(t.Context(), ConnectRequest{Tenant: w.c.TenantID, Actor: "test", Key: key, Account: w.account.ID()})
	w.must(err)
	bea := w.account.CreateCustomer(simstripe.CustomerParams{Name: "Bea"})
	w.deliver(ep)
	if got := w.nameOf(w.c, bea); got != "Bea" {
		t.Errorf("the member is %q right after the reconnect", got)
	}
}

func TestAnEventThatIsNestedTooDeepIsRefusedAtTheDoor(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	_, err := parseEvent([]byte(`{"id":"evt_1","object":"event","type":"customer.created","created":1,"data":{"object":` + deep + `}}`))
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

func TestADoorWhoseSecretCannotBeOpenedTellsNobodyWhy(t *testing.T) {
	w := newWorld(t)
	w.owner(`UPDATE connection_secret SET sealed = '\x00'`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.door()+"/webhooks/stripe/"+w.c.ID.String(), strings.NewReader("{}"))
	w.must(err)
	resp, err := http.DefaultClient.Do(req)
	w.must(err)
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	w.must(err)
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || strings.Contains(string(said), "key") {
		t.Errorf("answered %d: %s", resp.StatusCode, said)
	}
}

func TestTheDoorAnswersALostTransactionWithLater(t *testing.T) {
	w := newWorld(t)
	h := &Webhooks{p: w.p}
	for _, code := range []string{"40001", "40P01", "55P03"} {
		answer := httptest.NewRecorder()
		h.reply(answer, httptest.NewRequest(http.MethodPost, "/", http.NoBody), fmt.Errorf("commit: %w", &pgconn.PgError{Code: code}))
		if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
			t.Errorf("%s was answered %d", code, answer.Code)
		}
	}
}
