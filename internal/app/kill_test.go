package app

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/postgres/pgtest"
	sim "memberintel/internal/sim/stripe"
)

// asProgram makes the test binary the program itself, so that a test has a process of its own to kill.
const asProgram = "MEMBERINTEL_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(Main())
	}
	os.Exit(m.Run())
}

// victim is a server in a process of its own.
type victim struct {
	command *exec.Cmd
	address string
}

func (d *desk) victim() victim {
	d.t.Helper()
	self, err := os.Executable()
	if err != nil {
		d.t.Fatal(err)
	}
	command := exec.CommandContext(d.t.Context(), self, "serve", "--listen", "127.0.0.1:0", "--roles", "web")
	command.Env = append(append(os.Environ(), d.env...), asProgram+"=1")
	stderr, err := command.StderrPipe()
	if err != nil {
		d.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		d.t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	listens := regexp.MustCompile(`listen=(\S+)`)
	for lines.Scan() {
		if found := listens.FindStringSubmatch(lines.Text()); found != nil {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return victim{command, found[1]}
		}
	}
	d.t.Fatal("the server did not come up")
	return victim{}
}

func (v victim) kill() {
	_ = v.command.Process.Kill()
	_ = v.command.Wait()
}

// mailbag is what Stripe has to deliver: what is not answered 200 is delivered again.
type mailbag struct {
	mu      sync.Mutex
	address string
	left    []parcel
	acked   map[string]bool
	answers map[string]int // how often each answer came: its status, and Retry-After where it was no 200
	moved   chan struct{}  // closed and replaced with every 200
}

// fill makes a bag of all that an endpoint has to deliver.
func fill(t *testing.T, endpoint *sim.Endpoint) *mailbag {
	t.Helper()
	bag := &mailbag{acked: map[string]bool{}, answers: map[string]int{}, moved: make(chan struct{})}
	for i, pending := range endpoint.Pending() {
		signed, err := endpoint.Signed(i)
		if err != nil {
			t.Fatal(err)
		}
		bag.left = append(bag.left, parcel{pending.EventID, signed})
	}
	return bag
}

type parcel struct {
	id     string
	signed sim.Signed
}

// deliver sends until the bag is empty or ctx ends. A server that is gone costs a moment.
func (b *mailbag) deliver(ctx context.Context, path string) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	for ctx.Err() == nil {
		b.mu.Lock()
		if len(b.left) == 0 {
			b.mu.Unlock()
			return
		}
		next, address, moved := b.left[0], b.address, b.moved
		b.left = b.left[1:]
		b.mu.Unlock()
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+path, bytes.NewReader(next.signed.Body))
		if err != nil {
			return
		}
		request.Header.Set("Stripe-Signature", next.signed.Signature)
		response, err := client.Do(request)
		answer := "none"
		if err == nil {
			_ = response.Body.Close()
			answer = strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", response.Header.Get("Retry-After")))
		}
		b.mu.Lock()
		b.answers[answer]++
		if err == nil && response.StatusCode == http.StatusOK {
			b.acked[next.id] = true
			close(b.moved)
			b.moved = make(chan struct{})
			b.mu.Unlock()
			continue
		}
		b.left = append(b.left, next)
		b.mu.Unlock()
		select {
		case <-moved:
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// waitFor returns when more than n deliveries were answered 200.
func (b *mailbag) waitFor(ctx context.Context, n int) error {
	for {
		b.mu.Lock()
		done, moved := len(b.acked), b.moved
		b.mu.Unlock()
		if done > n {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("%d deliveries were answered 200, want more than %d: %w", done, n, ctx.Err())
		}
	}
}

// TestWhatGot200SurvivesKills kills the server 50 times in the middle of deliveries. Every event that was
// answered 200 is in the warehouse afterwards, once, and so is its member.
func TestWhatGot200SurvivesKills(t *testing.T) {
	const kills, between = 50, 20
	d := newDesk(t)
	path := "/webhooks/stripe/" + fmt.Sprint(d.connected().at("connection_id"))
	endpoint := d.account.AddEndpoint(sim.EndpointParams{Secrets: []string{deskSecret}, APIVersion: sim.VersionDahlia, Manual: true})
	for i := range kills*between + 200 {
		d.account.CreateCustomer(sim.CustomerParams{Name: fmt.Sprintf("Member %d", i)})
	}
	bag := fill(t, endpoint)
	all := len(bag.left)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	server := d.victim()
	bag.address = server.address
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() { bag.deliver(ctx, path) })
	}
	for range kills {
		bag.mu.Lock()
		seen := len(bag.acked)
		bag.mu.Unlock()
		if err := bag.waitFor(ctx, min(seen+between/2, all-1)); err != nil {
			t.Fatal(err)
		}
		server.kill()
		d.mustHold(bag)
		server = d.victim()
		bag.mu.Lock()
		bag.address = server.address
		bag.mu.Unlock()
	}
	senders.Wait()
	server.kill()
	d.mustHold(bag)
	if len(bag.acked) != all {
		t.Errorf("%d of %d events were answered 200 in the end", len(bag.acked), all)
	}
}

// mustHold fails unless every event that was answered 200 is in the ledger with its member.
func (d *desk) mustHold(bag *mailbag) {
	d.t.Helper()
	bag.mu.Lock()
	var ids []string
	for id := range bag.acked {
		ids = append(ids, id)
	}
	bag.mu.Unlock()
	rows, err := pgtest.Owner(d.t, d.db).Query(d.t.Context(), `
		SELECT s.id FROM unnest($1::text[]) AS s (id)
		 WHERE (SELECT count(*) FROM stripe_events_processed p
		         JOIN members m ON m.tenant_id = p.tenant_id AND m.last_event_id = p.event_id
		        WHERE p.event_id = s.id) <> 1`, ids)
	if err != nil {
		d.t.Fatal(err)
	}
	lost, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		d.t.Fatal(err)
	}
	if len(lost) > 0 {
		d.t.Fatalf("%d of %d events that were answered 200 are not in the warehouse once: %v", len(lost), len(ids), lost)
	}
}
