package connection

import (
	"fmt"
	"sync"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"memberintel/internal/fault"
	"memberintel/internal/tenant"
)

// Vault seals secrets with the keys of a key file. What is sealed for one tenant and name opens for no
// other, so a sealed value that is moved to another row is worth nothing. It is safe for concurrent use.
type Vault struct {
	path string

	mu   sync.RWMutex
	aead tink.AEAD
}

// OpenVault reads the key file, and makes one where there is none; of several that do so at once, all get
// the same. A file that others than its owner may read is refused, and so is one that cannot be read as
// keys: it is never overwritten, since whatever was sealed with it would be lost.
func OpenVault(path string) (*Vault, error) {
	v := &Vault{path: path}
	handle, err := readKeys(path)
	if isMissing(err) {
		handle, err = makeKeys(path)
	}
	if err != nil {
		return nil, err
	}
	return v, v.use(handle)
}

// Seal encrypts a secret of the tenant. The same value is sealed differently each time.
func (v *Vault) Seal(id tenant.ID, name string, plaintext []byte) ([]byte, error) {
	sealed, err := v.current().Encrypt(plaintext, binding(id, name))
	if err != nil {
		return nil, fmt.Errorf("connection: seal %s: %w", name, err)
	}
	return sealed, nil
}

// Open decrypts what Seal made for the same tenant and name. When it cannot, it reads the key file again:
// another process may have rotated the keys since.
func (v *Vault) Open(id tenant.ID, name string, sealed []byte) ([]byte, error) {
	plain, err := v.current().Decrypt(sealed, binding(id, name))
	if err == nil {
		return plain, nil
	}
	handle, reread := readKeys(v.path)
	if reread == nil && v.use(handle) == nil {
		plain, err = v.current().Decrypt(sealed, binding(id, name))
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, fmt.Errorf("connection: open %s: %w", name, err),
			"A stored credential cannot be opened with the keys in %s; put the key file back that it was sealed with, or connect again.",
			v.path)
	}
	return plain, nil
}

// Rotate adds a key that seals from now on. The older keys stay and open what they sealed, so a crash
// before everything is sealed anew loses nothing.
func (v *Vault) Rotate() error {
	handle, err := changeKeys(v.path, func(handle *keyset.Handle) (*keyset.Handle, error) {
		manager := keyset.NewManagerFromHandle(handle)
		id, err := manager.Add(aead.AES256GCMKeyTemplate())
		if err != nil {
			return nil, err
		}
		if err := manager.SetPrimary(id); err != nil {
			return nil, err
		}
		return manager.Handle()
	})
	if err != nil {
		return err
	}
	return v.use(handle)
}

func (v *Vault) use(handle *keyset.Handle) error {
	primitive, err := aead.New(handle)
	if err != nil {
		return fmt.Errorf("connection: the keys in %s are not for sealing: %w", v.path, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.aead = primitive
	return nil
}

func (v *Vault) current() tink.AEAD {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.aead
}

// binding is the associated data: an id has 16 bytes, so no two pairs share one.
func binding(id tenant.ID, name string) []byte { return append(id[:], name...) }
