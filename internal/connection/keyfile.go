package connection

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"golang.org/x/sys/unix"
)

// maxKeyFile bounds what is read, in bytes; a rotated file has some 200 a key.
const maxKeyFile = 1 << 20

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

func readKeys(path string) (*keyset.Handle, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("connection: open the key file: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("connection: look at the key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("connection: the key file %s is not a file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("connection: others may read the key file %s: run `chmod 600 %s`", path, path)
	}
	content, err := io.ReadAll(io.LimitReader(file, maxKeyFile))
	if err != nil {
		return nil, fmt.Errorf("connection: read the key file: %w", err)
	}
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(content)))
	if err != nil {
		// The cause might quote the file.
		return nil, fmt.Errorf("connection: the key file %s holds no keys that can be read; put its backup in place", path)
	}
	return handle, nil
}

// makeKeys makes the first key file, unless somebody else just did.
func makeKeys(path string) (*keyset.Handle, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("connection: make the key file's folder: %w", err)
	}
	return underLock(path, func() (*keyset.Handle, error) {
		handle, err := readKeys(path)
		if !isMissing(err) {
			return handle, err
		}
		handle, err = keyset.NewHandle(aead.AES256GCMKeyTemplate())
		if err != nil {
			return nil, fmt.Errorf("connection: make a key: %w", err)
		}
		return handle, writeKeys(path, handle)
	})
}

// changeKeys replaces the keys by what change makes of them, one caller at a time.
func changeKeys(path string, change func(*keyset.Handle) (*keyset.Handle, error)) (*keyset.Handle, error) {
	return underLock(path, func() (*keyset.Handle, error) {
		handle, err := readKeys(path)
		if err != nil {
			return nil, err
		}
		if handle, err = change(handle); err != nil {
			return nil, fmt.Errorf("connection: change the keys: %w", err)
		}
		return handle, writeKeys(path, handle)
	})
}

// underLock runs fn while no other process or goroutine does. The lock file stays; the kernel frees the
// lock with its holder.
func underLock(path string, fn func() (*keyset.Handle, error)) (*keyset.Handle, error) {
	lock, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("connection: lock the key file: %w", err)
	}
	defer func() { _ = lock.Close() }()
	for {
		err := unix.Flock(int(lock.Fd()), unix.LOCK_EX)
		if err == nil {
			return fn()
		}
		if !errors.Is(err, unix.EINTR) {
			return nil, fmt.Errorf("connection: lock the key file: %w", err)
		}
	}
}

// writeKeys puts the keys in place as a whole: after a crash there is the old file or the new one.
func writeKeys(path string, handle *keyset.Handle) error {
	var content bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&content)); err != nil {
		return fmt.Errorf("connection: encode the keys: %w", err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("connection: write the key file: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.Write(content.Bytes())
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("connection: write the key file: %w", err)
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("connection: open the key file's folder: %w", err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("connection: sync the key file's folder: %w", err)
	}
	return nil
}
