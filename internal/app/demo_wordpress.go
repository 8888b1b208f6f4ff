package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"memberintel/internal/fault"
	"memberintel/internal/sim/memberpress"
)

// wordPress is a real WordPress with the plugin, in place of the simulated site. It is stood up by the script with which
// the plugin's tests do, and its rows are written by PHP, through WordPress and MemberPress' hooks.
type wordPress struct {
	tests string // the checkout's folder with the scripts
	root  string // where it all is
	at    string
	keyID string
	key_  string

	keeper  *exec.Cmd // starts the site, and stops it when its input ends, whoever ends it
	input   io.Closer
	pending bytes.Buffer // changes that wait, one a line
	failed  error        // the first
}

// findWordPress looks for what is needed, and says what is not there.
func (p *program) findWordPress(folder *demoFolder) (func(context.Context, *demoWorld) (demoSite, error), error) {
	tests, err := pluginTests()
	if err != nil {
		return nil, err
	}
	if missing := missingForWordPress(); len(missing) > 0 {
		return nil, fault.New(fault.Invalid, "--wordpress needs what is not on this machine. On Debian or Ubuntu: "+
			"sudo apt-get install -y --no-install-recommends %s", strings.Join(missing, " "))
	}
	root := filepath.Join(folder.path, "wordpress")
	if len(root) > 90 { // a socket's address ends there
		return nil, fault.New(fault.Invalid, "The path of %s is too long for a database's socket; name a shorter folder with --folder.", root)
	}
	return func(ctx context.Context, _ *demoWorld) (demoSite, error) {
		writef(p.Stderr, "Standing up WordPress in %s ...\n", root)
		w := &wordPress{tests: tests, root: root}
		if err := w.start(ctx, p.Stderr); err != nil {
			return nil, errors.Join(err, w.close())
		}
		return w, nil
	}, nil
}

// pluginTests is the folder of the scripts, in the checkout around the current folder or around the program.
func pluginTests() (string, error) {
	here, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("app: the current folder: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("app: the program's folder: %w", err)
	}
	for _, folder := range []string{here, filepath.Dir(program)} {
		for ; ; folder = filepath.Dir(folder) {
			tests := filepath.Join(folder, "wordpress", "tests")
			if _, err := os.Stat(filepath.Join(tests, "people.php")); err == nil {
				return tests, nil
			}
			if folder == filepath.Dir(folder) {
				break
			}
		}
	}
	return "", fault.New(fault.NotFound, "--wordpress takes the plugin from a checkout of memberintel, and there is none here: run it in one.")
}

// missingForWordPress are the packages of what is not there, as Debian names them.
func missingForWordPress() (packages []string) {
	for _, need := range []struct{ command, in string }{
		{"bash", "bash"}, {"setsid", "util-linux"}, {"curl", "curl"}, {"dpkg-deb", "dpkg"}, {"apt-get", "apt"}, {"mariadbd", "mariadb-server"},
		{"mariadb-install-db", "mariadb-server"}, {"mariadb", "mariadb-client"},
	} {
		if _, err := exec.LookPath(need.command); err != nil && !slices.Contains(packages, need.in) {
			packages = append(packages, need.in)
		}
	}
	modules, err := exec.Command("php", "-m").Output() //nolint:noctx // it answers at once
	if err != nil {
		return append(packages, "php-cli", "php-mysql", "php-curl", "php-mbstring")
	}
	for _, module := range []struct{ name, in string }{{"mysqli", "php-mysql"}, {"curl", "php-curl"}, {"mbstring", "php-mbstring"}} {
		if !slices.Contains(strings.Fields(strings.ToLower(string(modules))), module.name) {
			packages = append(packages, module.in)
		}
	}
	return packages
}

// keep is what the keeper runs: it outlives a demo that is killed just long enough to stop what was started.
const keep = `if "$0" start "$1" "$2" </dev/null; then echo ready; else echo failed; fi; cat >/dev/null; exec "$0" stop "$1"`

func (w *wordPress) start(ctx context.Context, say io.Writer) error {
	port, err := freePort(ctx)
	if err != nil {
		return err
	}
	w.at = "http://127.0.0.1:" + port
	//nolint:gosec,noctx // the checkout's own script, which ends with its input and not with ctx, or nobody stopped the site
	w.keeper = exec.Command("bash", "-c", keep, filepath.Join(w.tests, "site"), w.root, port)
	w.keeper.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is for the demo
	w.keeper.Stderr = say
	if w.input, err = w.keeper.StdinPipe(); err != nil {
		return fmt.Errorf("app: WordPress: %w", err)
	}
	output, err := w.keeper.StdoutPipe()
	if err != nil {
		return fmt.Errorf("app: WordPress: %w", err)
	}
	if err := w.keeper.Start(); err != nil {
		w.keeper = nil
		return fmt.Errorf("app: WordPress: %w", err)
	}
	told := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(output).ReadString('\n') // "" where the keeper is gone
		told <- strings.TrimSpace(line)
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case line := <-told:
		if line != "ready" {
			return fault.New(fault.Unavailable, "WordPress could not be stood up; what is above says why, and the logs in %s.", w.root)
		}
	}
	return w.makeKey(ctx)
}

func freePort(ctx context.Context) (string, error) {
	listener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	return port, errors.Join(err, listener.Close())
}

func (w *wordPress) makeKey(ctx context.Context) error {
	out, err := w.php(ctx, nil, "key")
	if err != nil {
		return err
	}
	var made struct {
		KeyID  string `json:"key_id"`
		Secret string `json:"secret"`
	}
	err = json.Unmarshal(out, &made)
	w.keyID, w.key_ = made.KeyID, made.Secret
	if err != nil {
		return fmt.Errorf("app: WordPress' key: %w", err)
	}
	return nil
}

// php runs a step of the script that writes to the site, in a process of its own as each request of a site is.
func (w *wordPress) php(ctx context.Context, input io.Reader, step ...string) ([]byte, error) {
	//nolint:gosec // the checkout's own script
	command := exec.CommandContext(ctx, "php", append([]string{"-d", "memory_limit=512M", filepath.Join(w.tests, "people.php")}, step...)...)
	command.Env = append(os.Environ(), "MEMBERINTEL_TEST_SITE="+filepath.Join(w.root, "site"), "MEMBERINTEL_TEST_URL="+w.at)
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stderr bytes.Buffer
	command.Stdin, command.Stderr = input, &stderr
	out, err := command.Output()
	if err != nil {
		told := append(stderr.Bytes(), out...)
		return nil, fault.Wrap(fault.Unavailable, fmt.Errorf("php people.php %s: %w: %s", step[0], err, told[:min(len(told), 400)]),
			"WordPress could not be written to; its logs are in %s.", w.root)
	}
	return out, nil
}

// Put lets a change wait, which goes through WordPress and MemberPress.
func (w *wordPress) Put(rows ...memberpress.Row) { w.wait("put", rows) }

// Slip lets a change wait, which goes past them.
func (w *wordPress) Slip(rows ...memberpress.Row) { w.wait("slip", rows) }

// Delete lets a deletion wait.
func (w *wordPress) Delete(entity string, ids ...int64) {
	for _, id := range ids {
		w.note("delete", entity, map[string]int64{"id": id})
	}
}

func (w *wordPress) wait(how string, rows []memberpress.Row) {
	for _, row := range rows {
		entity := ""
		switch row.(type) {
		case memberpress.Member:
			entity = "members"
		case memberpress.Product:
			entity = "products"
		case memberpress.Rule:
			entity = "rules"
		case memberpress.Subscription:
			entity = "subscriptions"
		case memberpress.Transaction:
			entity = "transactions"
		}
		w.note(how, entity, row)
	}
}

func (w *wordPress) note(how, entity string, row any) {
	err := json.NewEncoder(&w.pending).Encode(map[string]any{"how": how, "entity": entity, "row": row})
	w.failed = errors.Join(w.failed, err)
}

func (w *wordPress) url() string { return w.at }

func (w *wordPress) about() string {
	return w.at + "/wp-admin/admin.php?page=memberintel (admin, admin-pass)"
}

func (w *wordPress) key() (id, secret string) { return w.keyID, w.key_ }

func (w *wordPress) connected(ctx context.Context, connectionID, service string) error {
	_, err := w.php(ctx, nil, "address", connectionID, service)
	return err
}

// settle writes what waits. At the end of the process the plugin knocks, once there is an address.
func (w *wordPress) settle(ctx context.Context) error {
	if w.failed != nil || w.pending.Len() == 0 {
		return w.failed
	}
	_, err := w.php(ctx, bytes.NewReader(bytes.Clone(w.pending.Bytes())), "write")
	w.pending.Reset()
	return err
}

// close stops everything and waits for it.
func (w *wordPress) close() error {
	if w.keeper == nil {
		return nil
	}
	_ = w.input.Close() // the keeper's sign to stop the site
	if err := w.keeper.Wait(); err != nil {
		return fmt.Errorf("app: stop WordPress: %w", err)
	}
	return nil
}
