package stripe_test

import (
	"net/http"
	"strings"
	"testing"

	simstripe "memberintel/internal/sim/stripe"
)

func TestKeysAndPermissions(t *testing.T) {
	w := newWorld(t)
	restricted := w.acct.RestrictedKey("customer_read", "charge_write")
	if !strings.HasPrefix(restricted, "rk_test_") || !strings.HasPrefix(w.key, "sk_test_") {
		t.Fatalf("keys %s %s", restricted, w.key)
	}
	bearer := "Bearer " + restricted
	w.list("/v1/customers", "Authorization", bearer)
	w.list("/v1/refunds", "Authorization", bearer)
	p := w.refused("/v1/subscriptions", 403, "Authorization", bearer)
	if !strings.Contains(p.Error.Message, "'rak_subscription_read'") || !strings.Contains(p.Error.Message, "rk_test_*") ||
		strings.Contains(p.Error.Message, restricted) || p.Error.Type != "invalid_request_error" {
		t.Errorf("missing permission: %+v", p)
	}
	for path, permission := range map[string]string{"/v1/account": "rak_accounts_kyc_basic_read", "/v1/prices": "rak_plan_read",
		"/v1/events/evt_1": "rak_event_read", "/v1/subscription_items?subscription=sub_1": "rak_subscription_read"} {
		if p := w.refused(path, 403, "Authorization", bearer); !strings.Contains(p.Error.Message, permission) {
			t.Errorf("%s: %+v", path, p)
		}
	}
	w.sim.Grant(restricted, simstripe.ReadPermissions()...)
	w.list("/v1/subscriptions", "Authorization", bearer)
	if p := w.refused("/v1/customers", 401, "Authorization", ""); !strings.Contains(p.Error.Message, "You did not provide an API key") {
		t.Errorf("no key: %+v", p)
	}
	if p := w.refused("/v1/customers", 401, "Authorization", "Bearer sk_test_nonsense_1234"); !strings.Contains(p.Error.Message, "Invalid API Key provided: sk_test_") {
		t.Errorf("wrong key: %+v", p)
	}
	w.sim.RevokeKey(restricted)
	if p := w.refused("/v1/customers", 401, "Authorization", bearer); p.Error.Code != "api_key_expired" {
		t.Errorf("revoked key: %+v", p)
	}
	req, err := http.NewRequest(http.MethodGet, w.url+"/v1/account", nil)
	w.must(err)
	req.SetBasicAuth(w.key, "")
	var o map[string]any
	if w.get("/v1/account", &o, "Authorization", req.Header.Get("Authorization")); o["id"] != w.acct.ID() {
		t.Errorf("basic auth: %v", o)
	}
}

func TestPlatformActsOnConnectedAccounts(t *testing.T) {
	w := newWorld(t)
	platform := w.sim.NewAccount(simstripe.AccountOptions{})
	live := w.sim.NewAccount(simstripe.AccountOptions{ID: w.acct.ID(), Livemode: true})
	key := "Bearer " + platform.SecretKey()
	w.acct.CreateCustomer(simstripe.CustomerParams{})
	as := []string{"Authorization", key, "Stripe-Account", w.acct.ID()}
	if p := w.refused("/v1/customers", 403, as...); p.Error.Code != "account_invalid" || !strings.Contains(p.Error.Message, "does not have access to account") {
		t.Fatalf("before connecting: %+v", p)
	}
	w.acct.Connect(platform)
	if l := w.list("/v1/customers", as...); len(l.Data) != 1 {
		t.Fatalf("connected: %v", l.Data)
	}
	if l := w.list("/v1/customers", "Authorization", key); len(l.Data) != 0 {
		t.Fatalf("the platform's own customers: %v", l.Data)
	}
	if l := w.list("/v1/customers", "Authorization", "Bearer "+live.SecretKey()); len(l.Data) != 0 {
		t.Fatalf("test objects in live mode: %v", l.Data)
	}
	w.acct.Deauthorize(platform)
	if p := w.refused("/v1/customers", 403, as...); p.Error.Code != "account_invalid" {
		t.Fatalf("after deauthorizing: %+v", p)
	}
}
