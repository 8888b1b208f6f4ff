package app

import (
	"context"
	"io"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/page"
	"memberintel/internal/pipeline/stripe"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
	"memberintel/internal/warehouse"
)

type demoCommand struct {
	Folder  string        `placeholder:"FOLDER" help:"Its own data folder; what it holds is made anew each time. Default: demo, here or, where PostgreSQL cannot get there, in the data folder."`
	Members int           `default:"200" placeholder:"N" help:"Members of the simulated club."`
	Months  int           `default:"24" placeholder:"N" help:"How far back their history goes."`
	Pace    time.Duration `default:"2s" placeholder:"2s" help:"How often something happens in the club."`
	Once    bool          `help:"Fill the warehouse, verify it and quit."`
}

// Help says what it does not need, with an example.
func (*demoCommand) Help() string {
	return "It needs no account anywhere, and nothing leaves the machine. Ctrl-C ends it and everything that it started.\n\n" +
		example("memberintel demo")
}

// demoView is what --json tells of a filled warehouse.
type demoView struct {
	URL      string           `json:"url"`
	DBURL    string           `json:"db_url"`
	TenantID tenant.ID        `json:"tenant_id"`
	Sync     syncrun.Report   `json:"sync"`
	Verify   *stripe.Verdict  `json:"verify"` // with --once alone
	Members  map[string]int64 `json:"members"`
	Payments int64            `json:"payments"`
}

// Run starts a simulated Stripe and the program's own server, fills the warehouse, and lives on until it is
// interrupted.
func (c *demoCommand) Run(ctx context.Context, p *program) error {
	folder, err := p.demoFolder(c.Folder)
	if err != nil {
		return err
	}
	defer folder.close()
	world, err := openDemoWorld(ctx, c.Members, c.Months)
	if err != nil {
		return err
	}
	defer world.close()
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
	found, err := p.connectDemo(ctx, h, world)
	if err != nil {
		return err
	}
	view := demoView{URL: p.PublicURL, TenantID: found.TenantID}
	watch, done := p.progress()
	view.Sync, err = h.sync(ctx, found, tenant.Pro, syncrun.Full, p.Stderr, watch)
	done()
	if err != nil {
		return err
	}
	if c.Once {
		watch, done = p.progress()
		verdict, err := h.stripe.Verify(ctx, found, false, watch)
		done()
		if err != nil {
			return err
		}
		view.Verify = &verdict
	}
	if err := c.tell(ctx, p, h, view); err != nil {
		return err
	}
	if c.Once {
		if view.Verify.Drift() {
			return errNotHealthy
		}
		return health(view.Sync.Status)
	}
	world.live(ctx, c.Pace)
	return nil
}

// connectDemo goes the way that a person would: a tenant, a restricted key, then a webhook endpoint at Stripe
// for the address that connecting tells, and its signing secret.
func (p *program) connectDemo(ctx context.Context, h *house, world *demoWorld) (c connection.Connection, err error) {
	t, err := identity.CreateTenant(ctx, h.db, "demo", tenant.Pro)
	if err != nil {
		return c, err
	}
	request := stripe.ConnectRequest{Tenant: t.ID, Actor: "demo", Key: world.key}
	view, err := p.connectStripe(ctx, h, request)
	if err != nil {
		return c, err
	}
	request.WebhookSecrets = world.addEndpoint(view.WebhookURL, p.StripeAPIVersion)
	if _, err := p.connectStripe(ctx, h, request); err != nil {
		return c, err
	}
	return h.connection(ctx, t, connection.Stripe)
}

// tell prints what is in the warehouse and the ways into it.
func (c *demoCommand) tell(ctx context.Context, p *program, h *house, view demoView) error {
	var summary warehouse.Summary
	var sums []warehouse.Money
	err := h.db.TenantTx(ctx, view.TenantID, func(tx *postgres.TenantTx) (err error) {
		if summary, err = warehouse.Summarise(ctx, tx); err != nil {
			return err
		}
		view.Payments, sums, err = warehouse.Paid(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	if view.DBURL, err = h.readerURL(ctx, view.TenantID.String()); err != nil {
		return err
	}
	view.Members = map[string]int64{}
	for _, n := range summary.Members {
		view.Members[n.Status] = n.Count
	}
	p.answer(view, func(w io.Writer) {
		writeReport(w, view.Sync)
		writef(w, "\n")
		for _, n := range summary.Members {
			writef(w, "  %s\t%s\n", n.Status+" members", page.Count(n.Count))
		}
		writef(w, "  subscriptions\t%s\n", page.Count(summary.Subscriptions))
		writef(w, "  payments\t%s%s\n", page.Count(view.Payments), amounts(sums))
		for _, m := range summary.MRR {
			writef(w, "  MRR\t%s\n", page.Money(m.Minor, m.Currency))
		}
		if view.Verify != nil {
			writef(w, "\n")
			writeVerdict(w, *view.Verify)
			return
		}
		writef(w, "\nStatus page:  %s/\n", view.URL)
		writef(w, "SQL:          psql %q\n", view.DBURL)
		writef(w, "              SELECT * FROM members WHERE membership_status = 'active';\n")
		writef(w, "\nThe club lives on: members join, pay, fail to pay and leave, and each change arrives by webhook. Ctrl-C ends it.\n")
	})
	return nil
}

func amounts(sums []warehouse.Money) (text string) {
	for _, m := range sums {
		text += ", " + page.Money(m.Minor, m.Currency)
	}
	return text
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
	p.StripeAPIURL = world.url
	p.StripeEndpointRate, p.StripeAccountRate = 1000, 4000 // the simulated one sets no limits
}
