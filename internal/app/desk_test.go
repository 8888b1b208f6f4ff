package app

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"memberintel/internal/job/river"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/sim/clock"
	sim "memberintel/internal/sim/stripe"
)

// desk is somebody at a terminal: a database, a Stripe, and commands that are run in this process.
type desk struct {
	t       *testing.T
	db      *postgres.DB
	sim     *sim.Sim
	account *sim.Account
	api     *httptest.Server
	key     string
	env     []string
	hidden  []string // what no command may print
	gates   []*gate
}

const deskSecret = "whsec_deskdeskdeskdesk"

func newDesk(t *testing.T) *desk {
	t.Helper()
	return newDeskOn(t, pgtest.New(t))
}

func newDeskOn(t *testing.T, db *postgres.DB) *desk {
	t.Helper()
	d := &desk{t: t, db: db, sim: sim.New(clock.Follow(time.Now(), 1), 1)}
	if err := river.Migrate(t.Context(), d.db); err != nil {
		t.Fatal(err)
	}
	d.account = d.sim.NewAccount(sim.AccountOptions{})
	d.account.Club(1, 12, 4)
	d.api = httptest.NewServer(d.sim)
	t.Cleanup(d.api.Close)
	d.key = d.account.RestrictedKey(append(sim.ReadPermissions(), "accounts_kyc_basic_read")...)
	d.hidden = []string{d.key, deskSecret}
	d.env = []string{
		"MEMBERINTEL_DATABASE_URL=" + d.db.AppURL(), "MEMBERINTEL_OWNER_DATABASE_URL=" + d.db.OwnerURL(),
		"MEMBERINTEL_DATA_DIR=" + t.TempDir(), "MEMBERINTEL_STRIPE_API_URL=" + d.api.URL,
		"MEMBERINTEL_STRIPE_ENDPOINT_RATE=10000", "MEMBERINTEL_STRIPE_ACCOUNT_RATE=10000",
	}
	return d
}

// run runs a command and returns its exit code and what it wrote. No command may print a secret.
func (d *desk) run(stdin io.Reader, args ...string) (code int, stdout, stderr string) {
	d.t.Helper()
	return d.runWith(d.t.Context(), stdin, args...)
}

func (d *desk) runWith(ctx context.Context, stdin io.Reader, args ...string) (code int, stdout, stderr string) {
	d.t.Helper()
	var out, log bytes.Buffer
	code = Run(ctx, Process{Args: args, Env: d.env, Stdin: stdin, Stdout: &out, Stderr: &log})
	for _, secret := range d.hidden {
		if strings.Contains(out.String()+log.String(), secret) {
			d.t.Errorf("%v prints a secret:\n%s%s", args, out.String(), log.String())
		}
	}
	return code, out.String(), log.String()
}

// object is the one JSON object that a command answers with --json.
type object map[string]any

// json runs a command with --json and fails unless it exits with want and answers with one JSON object.
func (d *desk) json(want int, args ...string) object {
	d.t.Helper()
	return d.jsonFrom(nil, want, args...)
}

func (d *desk) jsonFrom(stdin io.Reader, want int, args ...string) object {
	d.t.Helper()
	return d.decode(want, args)(d.run(stdin, append(args, "--json")...))
}

func (d *desk) decode(want int, args []string) func(code int, stdout, stderr string) object {
	return func(code int, stdout, stderr string) object {
		d.t.Helper()
		if code != want {
			d.t.Fatalf("memberintel %s: exit %d, want %d\n%s%s", strings.Join(args, " "), code, want, stdout, stderr)
		}
		var o object
		decoder := json.NewDecoder(strings.NewReader(stdout))
		if err := decoder.Decode(&o); err != nil {
			d.t.Fatalf("memberintel %s: %v in %q", strings.Join(args, " "), err, stdout)
		}
		if decoder.More() {
			d.t.Fatalf("memberintel %s: more than one object in %q", strings.Join(args, " "), stdout)
		}
		return o
	}
}

// at returns the value at a path of fields and numbers.
func (o object) at(path ...any) any {
	var value any = map[string]any(o)
	for _, step := range path {
		switch step := step.(type) {
		case string:
			fields, _ := value.(map[string]any)
			value = fields[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				return nil
			}
			value = list[step]
		}
	}
	return value
}

func (o object) String() string {
	text, _ := json.Marshal(map[string]any(o))
	return string(text)
}

// must fails unless the fields at the paths have the values, which are compared as they print.
func (d *desk) must(o object, want map[string]any) {
	d.t.Helper()
	for path, value := range want {
		var steps []any
		for step := range strings.SplitSeq(path, ".") {
			var n int
			if _, err := fmt.Sscanf(step, "%d", &n); err == nil {
				steps = append(steps, n)
			} else {
				steps = append(steps, step)
			}
		}
		if got := o.at(steps...); fmt.Sprint(got) != fmt.Sprint(value) {
			d.t.Errorf("%s is %v, want %v in %s", path, got, value, o)
		}
	}
}

// secrets is stdin with the desk's key and webhook secret.
func (d *desk) secrets() io.Reader {
	return strings.NewReader("# Stripe\nMEMBERINTEL_STRIPE_KEY=" + d.key + "\nexport MEMBERINTEL_STRIPE_WEBHOOK_SECRET=\"" + deskSecret + "\"\n")
}

// connected adds the tenant club and connects it.
func (d *desk) connected() object {
	d.t.Helper()
	d.json(exitDone, "tenant", "create", "--name", "club")
	return d.jsonFrom(d.secrets(), exitDone, "connect", "stripe", "--tenant", "club")
}

func (d *desk) sync(want int) object {
	d.t.Helper()
	return d.json(want, "sync", "--tenant", "club", "--pipeline", "stripe")
}

// makeDue makes the tenant's connection due now.
func (d *desk) makeDue() {
	d.t.Helper()
	d.exec(`UPDATE connection SET next_sync_at = now() - interval '1 minute'`)
}
