package connection_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

func openVault(t *testing.T, path string) *connection.Vault {
	t.Helper()
	vault, err := connection.OpenVault(path)
	if err != nil {
		t.Fatal(err)
	}
	return vault
}

func seal(t *testing.T, v *connection.Vault, id uuid.UUID, name, value string) []byte {
	t.Helper()
	sealed, err := v.Seal(id, name, []byte(value))
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestASealedValueOpensForItsTenantAndNameOnly(t *testing.T) {
	vault := openVault(t, filepath.Join(t.TempDir(), "keys", "key"))
	mine, other := uuid.New(), uuid.New()
	sealed := seal(t, vault, mine, "api_key", "rk_live_hidden")
	if strings.Contains(string(sealed), "hidden") {
		t.Error("the sealed value shows the secret")
	}
	if plain, err := vault.Open(mine, "api_key", sealed); err != nil || string(plain) != "rk_live_hidden" {
		t.Errorf("got %q, %v", plain, err)
	}
	if _, err := vault.Open(other, "api_key", sealed); err == nil {
		t.Error("it opened for another tenant")
	}
	_, err := vault.Open(mine, "webhook_secret", sealed)
	if !fault.Is(err, fault.Invalid) || strings.Contains(err.Error(), "hidden") {
		t.Errorf("under another name: got %v", err)
	}
}

func TestTwoFirstCommandsMakeOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	vaults := make([]*connection.Vault, 12)
	var group sync.WaitGroup
	for i := range vaults {
		group.Go(func() {
			vault, err := connection.OpenVault(path)
			if err != nil {
				t.Error(err)
			}
			vaults[i] = vault
		})
	}
	group.Wait()
	id := uuid.New()
	for _, vault := range vaults {
		// A vault that kept a key of its own sealed with one that the file does not hold.
		if _, err := openVault(t, path).Open(id, "x", seal(t, vault, id, "x", "secret")); err != nil {
			t.Error(err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got mode %v, %v", info.Mode(), err)
	}
	if left, _ := filepath.Glob(path + ".new-*"); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

func TestAKeyFileThatOthersMayReadIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	openVault(t, path)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := connection.OpenVault(path); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("got %v", err)
	}
}

func TestADamagedKeyFileIsRefusedAndLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	for _, content := range []string{"", "not keys", `{"primaryKeyId":1,"key":[]}`} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := connection.OpenVault(path); err == nil {
			t.Errorf("%q passed for keys", content)
		}
		if got, _ := os.ReadFile(path); string(got) != content {
			t.Errorf("%q became %q", content, got)
		}
	}
}

func TestARotatedKeyReachesAProcessThatRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	running, command := openVault(t, path), openVault(t, path)
	id := uuid.New()
	before := seal(t, running, id, "x", "old")
	if err := command.Rotate(); err != nil {
		t.Fatal(err)
	}
	after := seal(t, command, id, "x", "new")
	if plain, err := running.Open(id, "x", after); err != nil || string(plain) != "new" {
		t.Errorf("the running process got %q, %v", plain, err)
	}
	if plain, err := command.Open(id, "x", before); err != nil || string(plain) != "old" {
		t.Errorf("the older key is gone: %q, %v", plain, err)
	}
}

func TestResealUsesTheNewKey(t *testing.T) {
	w := newWorld(t)
	c := w.connect(stripe("acct_1", map[string]string{"api_key": "rk_1", connection.WebhookSecret: "whsec_1"}))
	keyID := func() (id string) {
		w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
			return tx.QueryRow(ctx, `SELECT string_agg(DISTINCT substr(sealed, 1, 5)::text, ',') FROM connection_secret`).Scan(&id)
		})
		return id
	}
	before := keyID()
	if err := w.vault.Rotate(); err != nil {
		t.Fatal(err)
	}
	w.do(func(ctx context.Context, tx *postgres.TenantTx) error {
		n, err := w.store.Reseal(ctx, tx)
		if n != 2 {
			t.Errorf("%d secrets were sealed anew", n)
		}
		return err
	})
	if after := keyID(); after == before || strings.Contains(after, ",") {
		t.Errorf("sealed with %s before, %s after", before, after)
	}
	if got := w.secret(c.ID, "api_key"); got != "rk_1" {
		t.Errorf("got %q", got)
	}
}
