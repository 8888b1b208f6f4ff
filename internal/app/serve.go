package app

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/pipeline/stripe"
	"memberintel/internal/postgres"
	"memberintel/internal/warehouse"
)

// The roles of a server; one process may have all of them.
const (
	roleWeb       = "web"       // HTTP: webhooks, status
	roleWorker    = "worker"    // runs the syncs that were asked for, and works off the refetch lists
	roleScheduler = "scheduler" // asks for the syncs that are due, and tells people what stays wrong
)

// refetchEvery is how often the worker looks for objects in doubt.
const refetchEvery = 500 * time.Millisecond

type serveCommand struct {
	Roles []string `placeholder:"ROLE" default:"web,worker,scheduler" help:"What this process does: web, worker, scheduler."`
}

// Help shows an example.
func (*serveCommand) Help() string {
	return "It runs until Ctrl-C. Secrets come from the environment or from stdin, one NAME=value a line: ANTHROPIC_API_KEY, without which " +
		"websites are not described, and those of a Connect platform, MEMBERINTEL_STRIPE_SECRET_KEY and MEMBERINTEL_STRIPE_WEBHOOK_SECRETS.\n\n" +
		example("memberintel serve --public-url https://memberintel.example.org")
}

// Run serves until it is told to stop, and then ends what is under way.
func (c *serveCommand) Run(ctx context.Context, p *program) error {
	for _, role := range c.Roles {
		if !slices.Contains([]string{roleWeb, roleWorker, roleScheduler}, role) {
			return usage("There is no role %q; there are web, worker and scheduler.", role)
		}
	}
	if err := p.readSecrets(false); err != nil {
		return err
	}
	return p.with(ctx, func(h *house) error {
		var listener net.Listener
		if slices.Contains(c.Roles, roleWeb) {
			var err error
			if listener, err = listen(ctx, p.Listen); err != nil {
				return err
			}
		}
		address := ""
		if listener != nil {
			address = listener.Addr().String()
		}
		p.log.InfoContext(ctx, "serving", "roles", strings.Join(c.Roles, ","), "listen", address, "public_url", p.PublicURL)
		if p.SMTPURL == "" && slices.Contains(c.Roles, roleScheduler) {
			p.log.WarnContext(ctx, "no mail server is set, so mails stay in the outbox; set MEMBERINTEL_SMTP_URL")
		}
		err := p.serve(ctx, h, c.Roles, listener)
		p.log.InfoContext(ctx, "stopped")
		return err
	})
}

// listen tells a port that is taken from other trouble, because people meet it.
func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fault.New(fault.Conflict, "Somebody listens on %s already; name another address with --listen.", address)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "This machine does not let memberintel listen on %s; name another address with --listen.", address)
	}
	return listener, nil
}

// tellBudget says so when the settings ask for more than the database lets anybody spend.
func (p *program) tellBudget(ctx context.Context, h *house) error {
	return h.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		caps, err := guard.CapsOf(ctx, tx)
		if err == nil && p.caps().Above(caps) {
			p.log.WarnContext(ctx, "the database allows less for claude than the settings; `memberintel migrate` with the same settings raises it",
				"database", caps.String(), "settings", p.caps().String())
		}
		return err
	})
}

// serve does what the roles say until ctx ends or one of them cannot go on. The listener is nil without the
// role web, and closed when serve returns.
func (p *program) serve(ctx context.Context, h *house, roles []string, listener net.Listener) error {
	sender, err := p.sender(h)
	if err != nil {
		return err
	}
	if err := p.tellBudget(ctx, h); err != nil {
		p.log.WarnContext(ctx, "the caps for claude could not be compared with the settings", "error", err)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { h.db.Keep(ctx); return nil })
	if slices.Contains(roles, roleWeb) {
		group.Go(func() error { return p.serveHTTP(ctx, h, listener) })
	}
	if slices.Contains(roles, roleWorker) {
		group.Go(func() error { return stripe.Refetcher{Pipeline: h.stripe, Every: refetchEvery}.Run(ctx) })
		group.Go(func() error { return h.engine.Run(ctx, h.handlers()) })
		group.Go(func() error { return p.courier(h).Run(ctx) })
	}
	if slices.Contains(roles, roleScheduler) {
		group.Go(func() error { return h.scheduler.Run(ctx) })
		group.Go(func() error { return warehouse.Keeper{DB: h.db, Warehouse: h.ledger.Warehouse, Log: h.log}.Run(ctx) })
		group.Go(func() error { return h.tidier().Run(ctx) })
		group.Go(func() error { return p.watcher(h).Run(ctx) })
		group.Go(func() error { return sender.Run(ctx) })
	}
	return group.Wait()
}
