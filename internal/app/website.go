package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/connection"
	"memberintel/internal/fetch"
	"memberintel/internal/identity"
	"memberintel/internal/pipeline/website"
	"memberintel/internal/syncrun"
)

const (
	courierEvery = 30 * time.Second // the worker looks after the batches that travel to Claude
	tidyEvery    = 6 * time.Hour    // the scheduler looks for texts that are kept for too long
)

// newWebsite makes the pipeline that describes websites. Sites are spared as any stranger's are: the crawler pauses between
// two pages.
func (p *program) newWebsite(h *house, through *fetch.Client) *website.Pipeline {
	return website.New(website.Config{
		Key: p.secrets.AnthropicKey, URL: p.AnthropicURL,
		Models: website.Models{First: p.ModelFirst, Weekly: p.ModelWeekly, OnDemand: p.ModelOnDemand},
	}, h.ledger, through, care.New(h.db, care.Config{PerMinute: p.rhythm.pages}), fetch.NewCrawler(fetch.CrawlerConfig{About: p.PublicURL, Pause: p.rhythm.pause}))
}

// courier carries questions and answers between the queue and Claude, and asks for a sync where an answer has come.
func (p *program) courier(h *house) website.Courier {
	return website.Courier{Pipeline: h.website, Every: cmp.Or(p.rhythm.carry, courierEvery), Arrived: h.brought}
}

// tidier drops what is kept for too long of sites that nobody reads any more.
func (h *house) tidier() website.Tidier { return website.Tidier{Pipeline: h.website, Every: tidyEvery} }

// syncWebsite is the pipeline's sync with what it tells beside the run.
func (h *house) syncWebsite(ctx context.Context, c connection.Connection, mode syncrun.Mode, watch func(*syncrun.Run)) (syncrun.Report, error) {
	report, err := h.website.Sync(ctx, c, mode, watch)
	told := report.Report
	if report.PipelineType != "" {
		told.Detail = report
	}
	return told, err
}

type connectWebsiteCommand struct {
	Tenant string `required:"" placeholder:"T" help:"The tenant's id or name."`
	URL    string `name:"url" required:"" placeholder:"URL" help:"The site's address."`
}

// Help says what is read and what it costs, with an example.
func (*connectWebsiteCommand) Help() string {
	return "Once a week the homepage and at most five more pages are read, as robots.txt allows. Only when they changed, Claude describes the site " +
		"anew; serve and sync need ANTHROPIC_API_KEY for that, and the budgets in `memberintel --help` bound what it costs.\n\n" +
		example("memberintel connect website --tenant oak-hill --url https://oak-hill.example")
}

// Run looks whether the site is a public one, and keeps its address.
func (c *connectWebsiteCommand) Run(ctx context.Context, p *program) error {
	return p.withTenant(ctx, c.Tenant, func(h *house, t identity.Tenant) error {
		p.about = connection.Website
		found, warnings, err := h.website.Connect(ctx, website.ConnectRequest{Tenant: t.ID, Actor: actor, URL: c.URL})
		if err != nil {
			return err
		}
		view := connectView{ConnectionID: found.ID, TenantID: found.TenantID, Pipeline: found.Pipeline, State: found.State, Warnings: warnings}
		return p.connected(ctx, h, t, view, view.State == connection.Pending, func(w io.Writer) {
			writef(w, "Connected the website %s to %s, as %s.\n", found.SourceAccountID, t.Name, view.State)
			if view.State == connection.Pending {
				writef(w, "Whichever process reads it needs the key of Claude's API, ANTHROPIC_API_KEY, in its environment.\n")
			}
		})
	})
}

// writeProfile tells what a site is, and what changed, to people.
func writeProfile(w io.Writer, r website.Report) {
	switch {
	case r.Unchanged:
		writef(w, "The site shows what it showed, so nobody was asked.\n")
	case r.Cached:
		writef(w, "No other analysis before %s; this is the profile that is there.\n", moment(r.NextAllowedAt))
	case r.Waiting:
		writef(w, "The site changed; its description comes with a batch.\n")
	}
	p := r.Profile
	if p == nil {
		return
	}
	writef(w, "\nProfile, version %d of %s:\n", p.Version, moment(&p.CreatedAt))
	say := func(name, text, field string) {
		writef(w, "  %s\t%s\n", name, printable(text))
		for _, e := range p.Evidence {
			if e.Field == field { // one quote is enough to look it up; all are in --json
				writef(w, "  \t  %q, %s\n", e.Quote, cmp.Or(printable(e.Page), "somewhere"))
				break
			}
		}
	}
	for _, line := range []struct {
		name, field string
		text        *string
	}{{"Niche", "niche", p.Niche}, {"Audience", "audience", p.Audience}, {"Positioning", "positioning", p.Positioning}} {
		if line.text != nil {
			say(line.name, *line.text, line.field)
		}
	}
	for _, pattern := range p.PricingPatterns {
		say("Charges", pattern.Kind+": "+pattern.Text, "pricing_patterns."+pattern.Kind)
	}
	for _, pattern := range p.ContentPatterns {
		say("Gives", pattern.Kind+": "+pattern.Text, "content_patterns."+pattern.Kind)
	}
	if len(p.Changes) > 0 {
		writef(w, "Since the version before:\n")
	}
	for _, change := range p.Changes {
		writef(w, "  %s\t%s: %s\n", change.Kind, change.Field, fromTo(change.Before, change.After))
	}
}

// fromTo writes a change, of which a side is missing where something came or went.
func fromTo(before, after string) string {
	if before == "" || after == "" {
		return fmt.Sprintf("%q", before+after)
	}
	return fmt.Sprintf("%q -> %q", before, after)
}
