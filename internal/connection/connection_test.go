package connection_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

// world is a database with one tenant, and the store on it.
type world struct {
	t      *testing.T
	db     *postgres.DB
	vault  *connection.Vault
	store  *connection.Store
	tenant tenant.ID
}

func newWorld(t *testing.T) *world {
	t.Helper()
	vault, err := connection.OpenVault(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: pgtest.New(t), vault: vault, store: connection.NewStore(vault)}
	w.tenant = w.newTenant("Lakeside Tennis")
	return w
}

func (w *world) newTenant(name string) tenant.ID {
	w.t.Helper()
	created, err := identity.CreateTenant(w.t.Context(), w.db, name, tenant.Pro)
	if err != nil {
		w.t.Fatal(err)
	}
	return created.ID
}

func (w *world) as(id tenant.ID, fn func(context.Context, *postgres.TenantTx) error) error {
	ctx := w.t.Context()
	return w.db.TenantTx(ctx, id, func(tx *postgres.TenantTx) error { return fn(ctx, tx) })
}

// do runs fn for the tenant of the world and fails the test when fn does.
func (w *world) do(fn func(context.Context, *postgres.TenantTx) error) {
	w.t.Helper()
	if err := w.as(w.tenant, fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) service(fn func(context.Context, *postgres.ServiceTx) error) {
	w.t.Helper()
	ctx := w.t.Context()
	if err := w.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error { return fn(ctx, tx) }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) connectAs(id tenant.ID, r connection.Request) (c connection.Connection, created bool, err error) {
	err = w.as(id, func(ctx context.Context, tx *postgres.TenantTx) error {
		c, created, err = w.store.Connect(ctx, tx, r)
		return err
	})
	return c, created, err
}

func (w *world) connect(r connection.Request) connection.Connection {
	w.t.Helper()
	c, _, err := w.connectAs(w.tenant, r)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) get() (c connection.Connection) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *postgres.TenantTx) (err error) {
		c, err = w.store.Get(ctx, tx, connection.Stripe)
		return err
	})
	return c
}

func (w *world) secret(id connection.ID, name string) (value string) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *postgres.TenantTx) (err error) {
		value, err = w.store.Secret(ctx, tx, id, name)
		return err
	})
	return value
}

func (w *world) disconnect(id connection.ID) (changed bool) {
	w.t.Helper()
	w.do(func(ctx context.Context, tx *postgres.TenantTx) (err error) {
		changed, err = w.store.Disconnect(ctx, tx, id, "The account took back its permission.")
		return err
	})
	return changed
}

func stripe(account string, secrets map[string]string) connection.Request {
	return connection.Request{
		Pipeline: connection.Stripe, SourceAccountID: account, AccountConfirmed: account != "", CredentialKind: "restricted_key",
		Secrets: secrets,
	}
}

func TestTheFirstConnectMakesAPendingConnection(t *testing.T) {
	w := newWorld(t)
	c, created, err := w.connectAs(w.tenant, stripe("acct_1", map[string]string{"api_key": "rk_test_1"}))
	if err != nil || !created {
		t.Fatalf("got created=%t, %v", created, err)
	}
	if c.State != connection.Pending || c.TenantID != w.tenant || c.Generation != 1 {
		t.Errorf("got %+v", c)
	}
	if diff := cmp.Diff(c, w.get()); diff != "" {
		t.Errorf("Get differs from Connect: %s", diff)
	}
	if got := w.secret(c.ID, "api_key"); got != "rk_test_1" {
		t.Errorf("got secret %q", got)
	}
	if got := w.secret(c.ID, "nothing"); got != "" {
		t.Errorf("got %q for a secret that is not there", got)
	}
}

func TestWithoutAConnectionTheSentenceSaysHowToMakeOne(t *testing.T) {
	w := newWorld(t)
	err := w.as(w.tenant, func(ctx context.Context, tx *postgres.TenantTx) error {
		_, err := w.store.Get(ctx, tx, connection.Stripe)
		return err
	})
	want := "This tenant has no Stripe connection; connect one with `memberintel connect stripe`."
	if !fault.Is(err, fault.NotFound) || fault.Sentence(err) != want {
		t.Errorf("got %v", err)
	}
}

func TestConnectingAgainKeepsWhatIsNotGiven(t *testing.T) {
	w := newWorld(t)
	before := w.connect(stripe("acct_1", map[string]string{"api_key": "rk_1", connection.WebhookSecret: "whsec_1"}))
	after, created, err := w.connectAs(w.tenant, stripe("acct_1", map[string]string{"api_key": "rk_2", connection.WebhookSecret: ""}))
	if err != nil || created {
		t.Fatalf("got created=%t, %v", created, err)
	}
	if after.ID != before.ID || after.Generation != before.Generation+1 || !after.ConnectedAt.Equal(before.ConnectedAt) {
		t.Errorf("got %+v after %+v", after, before)
	}
	if key, hook := w.secret(after.ID, "api_key"), w.secret(after.ID, connection.WebhookSecret); key != "rk_2" || hook != "whsec_1" {
		t.Errorf("got %q and %q", key, hook)
	}
}

func TestAnotherAccountOrModeIsRefusedWhileOneIsConnected(t *testing.T) {
	w := newWorld(t)
	w.connect(stripe("acct_1", nil))
	live := stripe("acct_1", nil)
	live.Livemode = true
	for name, r := range map[string]connection.Request{
		"another account": stripe("acct_2", nil), "the other mode": live, "an account without a name": stripe("", nil),
	} {
		_, _, err := w.connectAs(w.tenant, r)
		if !fault.Is(err, fault.Conflict) || !strings.Contains(fault.Sentence(err), "connected to acct_1 in test mode") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if got := w.get(); got.SourceAccountID != "acct_1" || got.Generation != 1 {
		t.Errorf("a refused request changed the connection: %+v", got)
	}
}

func TestAfterADisconnectAnotherAccountIsANewConnection(t *testing.T) {
	w := newWorld(t)
	before := w.connect(stripe("acct_1", map[string]string{"api_key": "rk_1", connection.WebhookSecret: "whsec_1"}))
	w.disconnect(before.ID)
	after, created, err := w.connectAs(w.tenant, stripe("acct_2", map[string]string{"api_key": "rk_2"}))
	if err != nil || !created || after.ID == before.ID || after.State != connection.Pending {
		t.Fatalf("got %+v, created=%t, %v", after, created, err)
	}
	if got := w.secret(after.ID, connection.WebhookSecret); got != "" {
		t.Errorf("the old account's webhook secret came along: %q", got)
	}
}

func TestAnUnknownAccountMayBeNamedBeforeTheFirstAttemptOnly(t *testing.T) {
	w := newWorld(t)
	before := w.connect(stripe("", nil))
	w.connect(stripe("", nil))
	after := w.connect(stripe("acct_1", nil))
	if after.ID != before.ID || after.SourceAccountID != "acct_1" {
		t.Errorf("got %+v", after)
	}

	other := w.newTenant("Hillside")
	c, _, err := w.connectAs(other, stripe("", nil))
	if err != nil {
		t.Fatal(err)
	}
	err = w.as(other, func(ctx context.Context, tx *postgres.TenantTx) error {
		return w.store.Succeeded(ctx, tx, c.ID, connection.Outcome{})
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.connectAs(other, stripe("acct_2", nil)); !fault.Is(err, fault.Conflict) {
		t.Errorf("rows may stand under the unknown account, and it was renamed: %v", err)
	}
}

func TestAnAccountFeedsOneTenantOnly(t *testing.T) {
	w := newWorld(t)
	c := w.connect(stripe("acct_1", nil))
	other := w.newTenant("Hillside")
	_, _, err := w.connectAs(other, stripe("acct_1", nil))
	if !fault.Is(err, fault.Conflict) || strings.Contains(err.Error(), "Lakeside") || strings.Contains(err.Error(), w.tenant.String()) {
		t.Errorf("got %v", err)
	}
	w.disconnect(c.ID)
	if _, _, err := w.connectAs(other, stripe("acct_1", nil)); err != nil {
		t.Errorf("the account was free: %v", err)
	}
	if _, _, err := w.connectAs(w.tenant, stripe("acct_1", nil)); !fault.Is(err, fault.Conflict) {
		t.Errorf("the account came back to a second tenant: %v", err)
	}
}

func TestConnectsAtTheSameTimeMakeOneConnection(t *testing.T) {
	w := newWorld(t)
	const many = 6
	var group sync.WaitGroup
	made := make(chan bool, many)
	for i := range many {
		group.Go(func() {
			_, created, err := w.connectAs(w.tenant, stripe("acct_1", map[string]string{"api_key": fmt.Sprint("rk_", i)}))
			if err != nil {
				t.Error(err)
			}
			made <- created
		})
	}
	group.Wait()
	close(made)
	count := 0
	for created := range made {
		if created {
			count++
		}
	}
	if got := w.get().Generation; count != 1 || got != many {
		t.Errorf("%d were made, the generation is %d", count, got)
	}
}

func TestDisconnectDeletesTheCredentialAndAReconnectStartsAnew(t *testing.T) {
	w := newWorld(t)
	before := w.connect(stripe("acct_1", map[string]string{"api_key": "rk_1", connection.WebhookSecret: "whsec_1"}))
	if !w.disconnect(before.ID) || w.disconnect(before.ID) {
		t.Error("the first disconnect changes something, the second nothing")
	}
	ended := w.get()
	if ended.State != connection.Disconnected || ended.DisconnectedAt == nil || ended.Generation != 2 ||
		*ended.LastError != "The account took back its permission." {
		t.Errorf("got %+v", ended)
	}
	if key, hook := w.secret(before.ID, "api_key"), w.secret(before.ID, connection.WebhookSecret); key != "" || hook != "whsec_1" {
		t.Errorf("got %q and %q", key, hook)
	}
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
		if err := w.store.Succeeded(ctx, tx, before.ID, connection.Outcome{}); err != nil {
			return err
		}
		return w.store.Failed(ctx, tx, before.ID, fault.New(fault.Unavailable, "Away."), false, connection.Outcome{})
	})
	if diff := cmp.Diff(ended, w.get()); diff != "" {
		t.Errorf("an attempt that ended late changed a disconnected connection: %s", diff)
	}
	again := w.connect(stripe("acct_1", map[string]string{"api_key": "rk_2"}))
	if again.ID != before.ID || again.State != connection.Pending || again.DisconnectedAt != nil || again.LastError != nil ||
		!again.ConnectedAt.After(before.ConnectedAt) {
		t.Errorf("got %+v", again)
	}
}

func TestASecretIsNotPrinted(t *testing.T) {
	r := stripe("acct_1", map[string]string{"api_key": "rk_live_hidden"})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if got := fmt.Sprintf(verb, r); strings.Contains(got, "hidden") {
			t.Errorf("%s shows %s", verb, got)
		}
	}
	if got := fmt.Sprint(r.LogValue()); strings.Contains(got, "hidden") {
		t.Errorf("the log shows %s", got)
	}
}
