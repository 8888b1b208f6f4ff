package embedded

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// identity is who the server runs as.
type identity struct {
	uid, gid int  // as the file system shows them outside any namespace
	switched bool // this process is root and becomes uid for the server
	mapped   bool // this process is root, and a user namespace hides that from the server
}

// ErrUnreachable means that PostgreSQL, which refuses to run as root, would run
// as a user to whom the data folder is closed, and that no user namespace can
// make up for it.
var ErrUnreachable = errors.New("the data folder is closed to the user that PostgreSQL would run as in place of root")

// Usable tells why no server could keep its data in DataDir; nil when one
// could. It changes nothing, and the folder need not be there yet.
func Usable(dataDir string) error {
	root, err := filepath.Abs(filepath.Join(dataDir, "postgres"))
	if err == nil {
		_, err = identify(layout{root: root})
	}
	if err != nil {
		return fmt.Errorf("embedded: %w", err)
	}
	return nil
}

// identify decides who runs the server. An ordinary user runs it alone. Root
// runs it as the owner of the existing data, else as the first of the users
// that operating systems keep for such work. Where root may not change its
// user (a container without CAP_SETUID), or that user cannot reach the folder
// (a home under /root), a user namespace in which root bears another number
// does instead.
func identify(files layout) (identity, error) {
	euid := os.Geteuid()
	self := identity{uid: euid, gid: os.Getegid()}
	owner, exists, err := ownerOf(files.data())
	if err != nil {
		return identity{}, err
	}
	switch {
	case euid != 0 && exists && owner.uid != euid:
		return identity{}, fmt.Errorf("the data in %s belongs to user %d; run as that user", files.data(), owner.uid)
	case euid != 0:
		return self, nil
	case exists && owner.uid == 0:
		return mappedRoot()
	case exists && !maySwitch():
		return identity{}, fmt.Errorf("the data in %s belongs to user %d, and this process may not run as another user (it lacks CAP_SETUID)", files.data(), owner.uid)
	case exists:
		return owner, nil
	}
	stranger, found := unprivileged()
	found = found && maySwitch()
	if found && reaches(stranger, files.root) {
		return stranger, nil
	}
	who, err := mappedRoot()
	if err != nil && found {
		err = fmt.Errorf("%w: %s must be open to user %d, or lie elsewhere: %w", ErrUnreachable, files.root, stranger.uid, err)
	}
	return who, err
}

func ownerOf(path string) (identity, bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		return identity{}, false, nil
	}
	if err != nil {
		return identity{}, false, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return identity{}, false, fmt.Errorf("no owner known of %s", path)
	}
	return identity{uid: int(stat.Uid), gid: int(stat.Gid), switched: true}, true, nil
}

func unprivileged() (identity, bool) {
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(account.Uid)
		gid, gidErr := strconv.Atoi(account.Gid)
		if uidErr == nil && gidErr == nil && uid > 0 {
			return identity{uid: uid, gid: gid, switched: true}, true
		}
	}
	return identity{}, false
}

// reaches tells whether who may pass through every folder down to path. What is
// not there yet will be made so that he may.
func reaches(who identity, path string) bool {
	for !exists(path) && path != filepath.Dir(path) {
		path = filepath.Dir(path)
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	for dir := path; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return false
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return false
		}
		bit := os.FileMode(0o001)
		switch {
		case int(stat.Uid) == who.uid:
			bit = 0o100
		case int(stat.Gid) == who.gid:
			bit = 0o010
		}
		if info.Mode()&bit == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// own hands a file to the server's user.
func (who identity) own(path string) error {
	if !who.switched {
		return nil
	}
	return os.Lchown(path, who.uid, who.gid)
}

// prepare makes cmd run as the server's user, in a session of its own (no
// Ctrl-C from the terminal), in a folder that always exists, and with an
// environment that holds neither a stray setting nor a secret of the program.
func (who identity) prepare(cmd *exec.Cmd, libraries []string) {
	cmd.Dir = "/"
	cmd.Env = serverEnvironment(libraries)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	switch {
	case who.switched:
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(who.uid), Gid: uint32(who.gid)}
	case who.mapped:
		mapRoot(cmd.SysProcAttr)
	}
}

func serverEnvironment(libraries []string) []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "LOCALE_ARCHIVE", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		value := os.Getenv(name)
		if name == "LD_LIBRARY_PATH" && len(libraries) > 0 {
			value = strings.TrimSuffix(strings.Join(libraries, ":")+":"+value, ":")
		}
		if value != "" {
			env = append(env, name+"="+value)
		}
	}
	return env
}
