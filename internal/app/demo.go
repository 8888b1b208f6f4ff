package app

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/pipeline/memberpress"
	"memberintel/internal/pipeline/stripe"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

type demoCommand struct {
	Folder    string        `placeholder:"FOLDER" help:"Its own data folder; what it holds is made anew each time. Default: demo, here or, where PostgreSQL cannot get there, in the data folder."`
	Members   int           `default:"200" placeholder:"N" help:"Customers of the simulated club; some of its members pay in cash and come on top."`
	Months    int           `default:"24" placeholder:"N" help:"How far back their history goes."`
	Pace      time.Duration `default:"2s" placeholder:"2s" help:"How often something happens in the club."`
	Once      bool          `help:"Fill the warehouse, verify it and quit."`
	WordPress bool          `name:"wordpress" help:"Stand up a real WordPress with the plugin for the club's site, in place of a simulated one. It needs a checkout of memberintel, PHP and MariaDB, and says what is missing."`
}

// Help says what it does not need, with examples.
func (*demoCommand) Help() string {
	return "A club sells its memberships on a MemberPress site that takes the money through Stripe. Both are simulated on this machine, connected and " +
		"synced; then the club lives on, Stripe pushes and the site knocks. Most people are known by both and linked by their ids, some by one alone. " +
		"The club's public website is described by a simulated Claude.\n\n" +
		"It needs no account anywhere, and nothing leaves the machine. Ctrl-C ends it and everything that it started. With --wordpress the site is a real " +
		"WordPress with the plugin of this checkout, MemberPress being played by a stand-in with its tables and hooks; WordPress itself is fetched once, as a Debian package.\n\n" +
		example("memberintel demo", "memberintel demo --wordpress --members 50")
}

// Run starts the simulated world and the program's own server, fills the warehouse, and lives on until it is
// interrupted.
func (c *demoCommand) Run(ctx context.Context, p *program) (err error) {
	if c.Members < 0 || c.Months < 0 || c.Pace <= 0 {
		return usage("--members and --months must not be less than 0, and --pace must be greater than 0, such as 2s.")
	}
	folder, err := p.demoFolder(c.Folder)
	if err != nil {
		return err
	}
	defer folder.close()
	open := openSimSite
	if c.WordPress {
		if open, err = p.findWordPress(folder); err != nil {
			return err
		}
	}
	world, err := openDemoWorld(ctx, c.Members, c.Months, open)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.close()) }()
	listener, err := p.listenForDemo(ctx)
	if err != nil {
		return err
	}
	p.settleIn(folder, world, listener)
	db, err := p.openDatabase(ctx, true)
	if err != nil {
		_ = listener.Close()
		return err
	}
	defer db.Close()
	h, err := p.furnish(db)
	if err != nil {
		_ = listener.Close()
		return err
	}

	serveCtx, stop := context.WithCancel(ctx)
	group, serveCtx := errgroup.WithContext(serveCtx)
	group.Go(func() error { return p.serve(serveCtx, h, []string{roleWeb, roleWorker, roleScheduler}, listener) })
	group.Go(func() error {
		defer stop()
		return c.show(serveCtx, p, h, world)
	})
	err = group.Wait()
	stop()
	if ctx.Err() != nil && !c.Once {
		return nil // Ctrl-C is how a demo ends
	}
	return err
}

// show fills the warehouse, tells what is there and lets the club live.
func (c *demoCommand) show(ctx context.Context, p *program, h *house, world *demoWorld) error {
	connections, err := p.connectDemo(ctx, h, world)
	if err != nil {
		return err
	}
	view := demoView{URL: p.PublicURL, Site: world.site.about(), TenantID: connections[0].TenantID, settings: map[string]string{
		"MEMBERINTEL_DATA_DIR": p.DataDir, "MEMBERINTEL_STRIPE_API_URL": p.StripeAPIURL, "MEMBERINTEL_ALLOW_ADDRESSES": "127.0.0.0/8",
		"ANTHROPIC_API_KEY": p.secrets.AnthropicKey, "ANTHROPIC_BASE_URL": p.AnthropicURL,
	}, website: world.public.url(), week: demoWeek * c.Pace}
	for _, found := range connections {
		watch, done := p.progress()
		report, err := h.sync(ctx, found, tenant.Pro, syncrun.Full, p.Stderr, watch)
		done()
		if err != nil {
			return err
		}
		view.Syncs = append(view.Syncs, report)
	}
	for _, found := range connections {
		if !c.Once {
			break
		}
		of, err := h.pipeline(found.Pipeline)
		if err != nil {
			return err
		}
		watch, done := p.progress()
		verdict, err := of.verify(ctx, found, false, watch)
		done()
		if err != nil {
			return err
		}
		view.Verdicts = append(view.Verdicts, verdict)
	}
	if err := view.look(ctx, h); err != nil {
		return err
	}
	p.answer(view, view.write)
	if c.Once {
		return view.health()
	}
	return world.live(ctx, c.Pace)
}

// connectDemo goes the way that a person would: a tenant, a restricted key, then a webhook endpoint at Stripe
// for the address that connecting tells, and its signing secret; for the site the key that its plugin shows.
func (p *program) connectDemo(ctx context.Context, h *house, world *demoWorld) (connections []connection.Connection, err error) {
	t, err := identity.CreateTenant(ctx, h.db, "demo", tenant.Pro)
	if err != nil {
		return nil, err
	}
	request := stripe.ConnectRequest{Tenant: t.ID, Actor: "demo", Key: world.key}
	view, err := p.connectStripe(ctx, h, request)
	if err != nil {
		return nil, err
	}
	request.WebhookSecrets = world.addEndpoint(view.WebhookURL, p.StripeAPIVersion)
	if _, err := p.connectStripe(ctx, h, request); err != nil {
		return nil, err
	}
	id, secret := world.site.key()
	site, err := p.connectMemberPress(ctx, h, memberpress.ConnectRequest{Tenant: t.ID, Actor: "demo", Site: world.site.url(), KeyID: id, Secret: secret})
	if err == nil {
		err = world.site.connected(ctx, site.ConnectionID.String(), p.PublicURL)
	}
	if err != nil {
		return nil, err
	}
	for _, pipeline := range []connection.Pipeline{connection.Stripe, connection.MemberPress} {
		found, err := h.connection(ctx, t, pipeline)
		if err != nil {
			return nil, err
		}
		connections = append(connections, found)
	}
	public, err := p.connectPublic(ctx, h, t, world)
	return append(connections, public), err
}

// listenForDemo takes the configured address, or any free port of this machine when that is taken.
func (p *program) listenForDemo(ctx context.Context) (net.Listener, error) {
	listener, err := listen(ctx, p.Listen)
	if !fault.Is(err, fault.Conflict) {
		return listener, err
	}
	listener, err = listen(ctx, "127.0.0.1:0")
	if err == nil {
		writef(p.Stderr, "%s is taken; using %s.\n", p.Listen, listener.Addr())
	}
	return listener, err
}

// settleIn points the settings at the demo's own world, whatever they were.
func (p *program) settleIn(folder *demoFolder, world *demoWorld, listener net.Listener) {
	p.DatabaseURL, p.OwnerDatabaseURL = "", ""
	p.DataDir, p.KeyFile = folder.path, folder.keyFile()
	p.Listen = listener.Addr().String()
	p.PublicURL = "http://" + reachable(p.Listen)
	p.StripeAPIURL, p.SMTPURL = world.url, ""              // mails are kept, since nothing leaves the machine
	p.StripeEndpointRate, p.StripeAccountRate = 1000, 4000 // the simulated one sets no limits
	p.settlePublic(world)
	p.allowed = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
}
