package app

import (
	"context"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/pipeline/website"
	"memberintel/internal/sim/claude"
	sites "memberintel/internal/sim/website"
)

// demoKey is what the demo's Claude takes.
const demoKey = "demo"

// demoWeek is after how many turns of the club's life its website is as it is a week later.
const demoWeek = 30

// demoPause is what the demo's crawler waits between two pages: nobody else asks the site.
const demoPause = 20 * time.Millisecond

// openPublic serves the club's public website, and a Claude that reads it.
func (w *demoWorld) openPublic(ctx context.Context) (err error) {
	w.websites = sites.New()
	w.websites.SetWeek(2) // the last before anything changes
	if w.public, err = serveLoopback(ctx, sites.Alone(w.websites, sites.Lakeside)); err != nil {
		return err
	}
	w.servers = append(w.servers, w.public)
	if w.claude, err = serveLoopback(ctx, claude.New(claude.Config{Key: demoKey, Clock: w.clock, Answer: claude.Reader})); err != nil {
		return err
	}
	w.servers = append(w.servers, w.claude)
	return nil
}

// changePublic lets the website's weeks go by, each in demoWeek turns: the first brings a new headline, the second new prices.
func (w *demoWorld) changePublic(ctx context.Context, pace time.Duration) {
	week := time.NewTicker(demoWeek * pace)
	defer week.Stop()
	for n := 3; n <= 4; n++ {
		select {
		case <-ctx.Done():
			return
		case <-week.C:
			w.websites.SetWeek(n)
		}
	}
}

// settlePublic points the settings at the demo's own Claude.
func (p *program) settlePublic(world *demoWorld) {
	p.AnthropicURL, p.secrets.AnthropicKey, p.rhythm.pause = world.claude.url(), demoKey, demoPause
}

// connectPublic connects the club's public website.
func (p *program) connectPublic(ctx context.Context, h *house, t identity.Tenant, world *demoWorld) (connection.Connection, error) {
	c, _, err := h.website.Connect(ctx, website.ConnectRequest{Tenant: t.ID, Actor: "demo", URL: world.public.url()})
	return c, err
}
