package app

import (
	"context"
	"io"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/pipeline/website"
	"memberintel/internal/syncrun"
)

type syncCommand struct {
	Tenant   string              `required:"" placeholder:"T" help:"The tenant's id or name."`
	Pipeline connection.Pipeline `required:"" enum:"${pipelines}" help:"${pipeline_words}."`
	Mode     syncrun.Mode        `enum:"full,incremental," default:"" placeholder:"MODE" help:"full or incremental. Default: full if none was ever completed, else incremental."`
}

// Help shows an example.
func (*syncCommand) Help() string {
	return "It may be interrupted at any time and goes on where it was.\n\n" +
		example("memberintel sync --tenant oak-hill --pipeline stripe")
}

// Run syncs. A run that took place is told as a report, however it ended.
func (c *syncCommand) Run(ctx context.Context, p *program) error {
	return p.withConnection(ctx, c.Tenant, c.Pipeline, func(h *house, t identity.Tenant, found connection.Connection) error {
		watch, done := p.progress()
		report, err := h.sync(ctx, found, t.Plan, c.Mode, p.Stderr, watch)
		done()
		if report.RunID == 0 && report.Detail == nil {
			return err
		}
		answer := any(report)
		if report.Detail != nil {
			answer = report.Detail
		}
		p.answer(answer, func(w io.Writer) {
			writeReport(w, report)
			if site, ok := report.Detail.(website.Report); ok {
				writeProfile(w, site)
			}
		})
		return health(report.Status)
	})
}

type replayCommand struct {
	Tenant string        `required:"" placeholder:"T" help:"The tenant's id or name."`
	Since  time.Duration `required:"" placeholder:"72h" help:"How far back."`
}

// Help shows an example.
func (*replayCommand) Help() string {
	return example("memberintel replay --tenant oak-hill --since 72h")
}

type replayView struct {
	syncrun.Report
	Events int64 `json:"events"` // that the warehouse had not seen
}

// Run reads the events again and applies what was missed.
func (c *replayCommand) Run(ctx context.Context, p *program) error {
	if c.Since <= 0 {
		return usage("--since must be greater than 0, such as 72h.")
	}
	return p.withConnection(ctx, c.Tenant, connection.Stripe, func(h *house, _ identity.Tenant, found connection.Connection) error {
		watch, done := p.progress()
		report, err := h.stripe.Replay(ctx, found, c.Since, watch)
		done()
		if report.RunID == 0 {
			return err
		}
		p.answer(replayView{report, report.Events}, func(w io.Writer) {
			writeReport(w, report)
			switch {
			case report.Events > 0:
				writef(w, "%s applied that the warehouse had not seen.\n", plural(report.Events, "event"))
			case report.Status == syncrun.Succeeded:
				writef(w, "The warehouse had seen all events.\n")
			}
		})
		return health(report.Status)
	})
}

// health turns anything but a success into the exit code that says so.
func health(status syncrun.Status) error {
	if status != syncrun.Succeeded {
		return errNotHealthy
	}
	return nil
}

func writeReport(w io.Writer, r syncrun.Report) {
	if r.RunID == 0 {
		return
	}
	took := ""
	if r.FinishedAt != nil {
		took = " in " + r.FinishedAt.Sub(r.StartedAt).Round(100*time.Millisecond).String()
	}
	writef(w, "Run %d (%s) %s: %s%s.\n", r.RunID, r.Mode, r.Status, plural(r.RecordsProcessed, "record"), took)
	if r.ErrorMessage != nil {
		writef(w, "%s\n", *r.ErrorMessage)
	}
}
