package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"memberintel/internal/sim/clock"
	simclub "memberintel/internal/sim/club"
	"memberintel/internal/sim/memberpress"
	sim "memberintel/internal/sim/stripe"
	sites "memberintel/internal/sim/website"
)

// demoSeed makes every demo tell the same history.
const demoSeed = 20260826

// demoWorld is the outside of the demo: a Stripe on loopback with one account, a club, and the club's site.
type demoWorld struct {
	sim      *sim.Sim
	account  *sim.Account
	key      string
	url      string
	site     demoSite
	club     *simclub.Club
	public   *loopback // the club's public website
	claude   *loopback
	websites *sites.World // of which public serves one
	clock    *clock.Clock
	servers  []*loopback
}

// demoSite is the club's site as the demo needs it: a simulated one, or a real WordPress.
type demoSite interface {
	simclub.Board
	url() string
	// key is what an administrator copies from the plugin's screen.
	key() (id, secret string)
	// connected tells the site where to knock.
	connected(ctx context.Context, connectionID, service string) error
	// settle brings to an end what was written since, and lets the site knock.
	settle(ctx context.Context) error
	// about is where people find it, and how they sign in.
	about() string
	// close ends what the site is.
	close() error
}

// openDemoWorld starts it with a club that has a history up to now. open makes the site that the club's people are then
// written to.
func openDemoWorld(ctx context.Context, members, months int, open func(context.Context, *demoWorld) (demoSite, error)) (*demoWorld, error) {
	w := &demoWorld{clock: clock.Follow(time.Now(), 1)}
	w.sim = sim.New(w.clock, demoSeed)
	w.account = w.sim.NewAccount(sim.AccountOptions{Livemode: true}) // as the site's gateway is
	w.account.Club(demoSeed, members, months)
	w.key = w.account.RestrictedKey(append(sim.ReadPermissions(), "accounts_kyc_basic_read")...)
	server, err := serveLoopback(ctx, w.sim)
	if err != nil {
		return nil, err
	}
	w.servers, w.url = append(w.servers, server), server.url()
	if err := w.openPublic(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.sim.Start(context.WithoutCancel(ctx)) // close ends it
	if w.site, err = open(ctx, w); err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.club = simclub.Open(w.account, w.site, w.clock, demoSeed)
	if err := w.site.settle(ctx); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// addEndpoint registers a webhook endpoint and returns its signing secrets.
func (w *demoWorld) addEndpoint(url, version string) string {
	return strings.Join(w.account.AddEndpoint(sim.EndpointParams{URL: url, APIVersion: version}).Secrets(), ",")
}

// live keeps the club busy until ctx ends: Stripe pushes, the site follows and knocks, its public website changes. It ends early
// when the site fails.
func (w *demoWorld) live(ctx context.Context, pace time.Duration) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		w.account.Live(ctx, pace)
		return nil
	})
	group.Go(func() error { return w.club.Live(ctx, pace, w.site.settle) })
	group.Go(func() error {
		w.changePublic(ctx, pace)
		return nil
	})
	return group.Wait()
}

// close ends the deliveries, the site and the servers.
func (w *demoWorld) close() (err error) {
	w.sim.Close()
	if w.site != nil {
		err = w.site.close()
	}
	for _, server := range w.servers {
		server.close()
	}
	return err
}

// simSite is the simulated site.
type simSite struct {
	*memberpress.Site
	at      string
	door    string    // where to knock; "" until it is connected
	knocked time.Time // when it knocked last
}

// openSimSite serves a site that knows nobody yet.
func openSimSite(ctx context.Context, w *demoWorld) (demoSite, error) {
	listener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &simSite{at: "http://" + listener.Addr().String()}
	s.Site = memberpress.New(memberpress.Config{
		Clock: w.clock, Seed: "demo", Name: "Riverside Club", HomeURL: s.at,
		Gateways: []memberpress.Gateway{
			{ID: simclub.Gateway, Class: "MeprStripeGateway", Label: "Card", Account: memberpress.Text(w.account.ID())},
			{ID: "manual", Class: "MeprArtificialGateway", Label: "Pay at the desk"},
		},
	})
	w.servers = append(w.servers, serveOn(listener, s.Site))
	return s, nil
}

func (s *simSite) url() string { return s.at }

func (s *simSite) key() (id, secret string) { return s.Key() }

func (s *simSite) connected(_ context.Context, connectionID, service string) error {
	s.door = service + "/knock/memberpress/" + connectionID
	return nil
}

// knockApart is how long the site waits between two knocks; the service hears one in ten seconds.
const knockApart = 10 * time.Second

// settle knocks. A knock that comes too soon is left out, since the next one tells as much, and one that fails is lost.
func (s *simSite) settle(ctx context.Context) error {
	if s.door != "" && time.Since(s.knocked) >= knockApart {
		s.knocked = time.Now()
		_, _ = s.Knock(ctx, s.door)
	}
	return nil
}

func (s *simSite) about() string {
	return s.at + "/ (simulated: it answers the plugin's protocol and has no pages)"
}

func (*simSite) close() error { return nil }

// loopback is a server of the outside world on this machine.
type loopback struct {
	address string
	server  *http.Server
	served  chan struct{}
}

func serveLoopback(ctx context.Context, handler http.Handler) (*loopback, error) {
	listener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return serveOn(listener, handler), nil
}

func serveOn(listener net.Listener, handler http.Handler) *loopback {
	l := &loopback{address: listener.Addr().String(), served: make(chan struct{}), server: &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}}
	go func() {
		defer close(l.served)
		_ = l.server.Serve(listener) // it ends when close closes it
	}()
	return l
}

func (l *loopback) url() string { return "http://" + l.address }

func (l *loopback) close() {
	_ = l.server.Close()
	<-l.served
}
