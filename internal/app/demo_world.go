package app

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"memberintel/internal/sim/clock"
	sim "memberintel/internal/sim/stripe"
)

// demoSeed makes every demo tell the same history.
const demoSeed = 20260826

// demoWorld is the outside of the demo: a Stripe on loopback with one account, a club.
type demoWorld struct {
	sim     *sim.Sim
	account *sim.Account
	key     string
	url     string
	server  *http.Server
	served  chan struct{}
}

// openDemoWorld starts it with a club that has a history up to now.
func openDemoWorld(ctx context.Context, members, months int) (*demoWorld, error) {
	w := &demoWorld{sim: sim.New(clock.Follow(time.Now(), 1), demoSeed), served: make(chan struct{})}
	w.account = w.sim.NewAccount(sim.AccountOptions{})
	w.account.Club(demoSeed, members, months)
	w.key = w.account.RestrictedKey(append(sim.ReadPermissions(), "accounts_kyc_basic_read")...)
	listener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w.url = "http://" + listener.Addr().String()
	w.server = &http.Server{
		Handler: w.sim, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	go func() {
		defer close(w.served)
		_ = w.server.Serve(listener) // it ends when close closes it
	}()
	w.sim.Start(context.WithoutCancel(ctx)) // close ends it
	return w, nil
}

// addEndpoint registers a webhook endpoint and returns its signing secrets.
func (w *demoWorld) addEndpoint(url, version string) string {
	return strings.Join(w.account.AddEndpoint(sim.EndpointParams{URL: url, APIVersion: version}).Secrets(), ",")
}

// live keeps the club busy until ctx ends.
func (w *demoWorld) live(ctx context.Context, pace time.Duration) { w.account.Live(ctx, pace) }

// close ends the deliveries and the server.
func (w *demoWorld) close() {
	w.sim.Close()
	_ = w.server.Close()
	<-w.served
}
