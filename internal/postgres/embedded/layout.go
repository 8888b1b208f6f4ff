package embedded

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

const (
	socketPort = "5432"
	socketName = ".s.PGSQL." + socketPort
	// maxSocketPath leaves room under the 103 (macOS) or 107 (Linux) bytes
	// that the kernel allows for a socket's name.
	maxSocketPath = 100
)

// layout names the files of one embedded server.
type layout struct {
	root      string // DataDir/postgres, absolute
	socketDir string // 0700, the server's user; also holds what the watchdog writes
}

func (l layout) data() string      { return filepath.Join(l.root, "data") }
func (l layout) newData() string   { return filepath.Join(l.root, "data.tmp") }
func (l layout) startLock() string { return filepath.Join(l.root, "start.lock") }
func (l layout) usersLock() string { return filepath.Join(l.root, "users.lock") }
func (l layout) fifo() string      { return filepath.Join(l.root, "users.fifo") }
func (l layout) log() string       { return filepath.Join(l.root, "postgres.log") }
func (l layout) stopping() string  { return filepath.Join(l.socketDir, "stopping") }

// prepare makes the folder around the cluster and derives every path from it
// alone, so that all processes agree, whatever their environment says.
func prepare(dataDir string) (layout, error) {
	if dataDir == "" {
		return layout{}, errors.New("no data folder given")
	}
	root := filepath.Join(dataDir, "postgres")
	// 0711 lets the server's user pass through; the secrets of a state folder
	// are files with a mode of their own.
	if err := os.MkdirAll(root, 0o711); err != nil {
		return layout{}, err
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return layout{}, err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return layout{}, err
	}
	socketDir := filepath.Join(root, "socket")
	if len(filepath.Join(socketDir, socketName)) > maxSocketPath {
		sum := sha256.Sum256([]byte(root))
		socketDir = filepath.Join("/tmp", fmt.Sprintf("memberintel-%d-%s", os.Geteuid(), hex.EncodeToString(sum[:8])))
	}
	return layout{root: root, socketDir: socketDir}, nil
}

// privateDir makes path a folder that only the server's user enters. A folder
// in /tmp that somebody else has put there is refused.
func privateDir(path string, who identity) error {
	err := os.Mkdir(path, 0o700)
	if err == nil {
		return who.own(path)
	}
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() {
		return fmt.Errorf("%s is not a folder", path)
	}
	if int(stat.Uid) == os.Geteuid() { // a starter that ended between the mkdir and the chown
		if err := who.own(path); err != nil {
			return err
		}
	} else if int(stat.Uid) != who.uid {
		return fmt.Errorf("%s belongs to user %d, not to user %d", path, stat.Uid, who.uid)
	}
	if info.Mode().Perm() != 0o700 {
		return fmt.Errorf("%s is open to others; it must have mode 0700", path)
	}
	return nil
}
