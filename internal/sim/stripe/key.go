package stripe

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// key is an API key of an account with what it may do; nil permissions mean everything.
type key struct {
	value       string
	account     *Account
	permissions []string
}

// ReadPermissions are the permissions that read everything the sim serves, except the account itself.
func ReadPermissions() []string {
	return []string{"balance_transaction_source_read", "charge_read", "customer_read", "dispute_read", "event_read",
		"invoice_read", "payment_intent_read", "plan_read", "product_read", "subscription_read", "webhook_read"}
}

// SecretKey makes a key sk_test_... or sk_live_... that may do everything. The keys of an account that is a platform
// reach its connected accounts with the Stripe-Account header.
func (a *Account) SecretKey() string {
	return a.addKey("sk_", nil)
}

// RestrictedKey makes a key rk_test_... or rk_live_... with permissions such as customer_read; a write permission grants
// reading too. Without any the key can do nothing.
func (a *Account) RestrictedKey(permissions ...string) string {
	return a.addKey("rk_", append([]string{}, permissions...))
}

// RevokeKey makes a key invalid for good: requests with it are answered 401.
func (s *Sim) RevokeKey(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, value)
	s.revoked[value] = true
}

// Grant replaces the permissions of a restricted key from the next request on.
func (s *Sim) Grant(value string, permissions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k := s.keys[value]; k != nil {
		s.keys[value] = &key{value, k.account, append([]string{}, permissions...)}
	}
}

// Connect gives a platform access to an account. The platform's Connect endpoints get the account's events.
func (a *Account) Connect(platform *Account) {
	defer a.change()()
	if !slices.Contains(a.platforms, platform) {
		a.platforms = append(a.platforms, platform)
	}
}

// Deauthorize ends a platform's access at once. The last event that the platform's Connect endpoints get for the account
// is account.application.deauthorized; requests are answered 403 from now on.
func (a *Account) Deauthorize(platform *Account) {
	defer a.change()()
	i := slices.Index(a.platforms, platform)
	if i < 0 {
		return
	}
	a.emitRaw("account.application.deauthorized", []byte(`{"id":"`+platform.options.ApplicationID+
		`","object":"application","name":"`+platform.options.Name+`"}`), nil)
	a.platforms = slices.Delete(slices.Clone(a.platforms), i, i+1)
}

func (a *Account) addKey(prefix string, permissions []string) string {
	a.mu.Lock()
	value := prefix + mode(a.livemode) + "_51" + random(a.keys, 5) + a.suffix + random(a.keys, 80)
	a.mu.Unlock()
	a.sim.mu.Lock()
	defer a.sim.mu.Unlock()
	a.sim.keys[value] = &key{value, a, permissions}
	return value
}

// authorize finds the key of a request and the account that it acts on.
func (s *Sim) authorize(r *http.Request) (*key, *Account, *apiError) {
	value := bearer(r)
	if value == "" {
		return nil, nil, errNoKey()
	}
	s.mu.RLock()
	k, revoked := s.keys[value], s.revoked[value]
	s.mu.RUnlock()
	switch {
	case revoked:
		return nil, nil, errExpiredKey(value)
	case k == nil:
		return nil, nil, errInvalidKey(value)
	}
	id := r.Header.Get("Stripe-Account")
	if id == "" || id == k.account.id {
		return k, k.account, nil
	}
	a := s.Account(id, k.account.livemode)
	if a == nil || !a.connectedTo(k.account) {
		return nil, nil, errNoAccess(value, id)
	}
	return k, a, nil
}

func (a *Account) connectedTo(platform *Account) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return slices.Contains(a.platforms, platform)
}

func (k *key) may(permission string) bool {
	return k.permissions == nil || slices.Contains(k.permissions, permission) ||
		slices.Contains(k.permissions, strings.TrimSuffix(permission, "_read")+"_write")
}

func bearer(r *http.Request) string {
	scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case strings.EqualFold(scheme, "Bearer"):
		return strings.TrimSpace(rest)
	case strings.EqualFold(scheme, "Basic"):
		raw, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return ""
		}
		user, _, _ := strings.Cut(string(raw), ":")
		return user
	}
	return ""
}
