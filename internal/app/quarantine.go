package app

import (
	"context"
	"io"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/page"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
)

type quarantineCommands struct {
	List   quarantineListCommand   `cmd:"" help:"List objects that were not understood."`
	Replay quarantineReplayCommand `cmd:"" help:"Try them again, after an upgrade say."`
}

type quarantineListCommand struct {
	Tenant string `required:"" placeholder:"T" help:"The tenant's id or name."`
}

// Help shows an example.
func (*quarantineListCommand) Help() string {
	return example("memberintel quarantine list --tenant oak-hill --json")
}

type heldView struct {
	ID       int64     `json:"id"`
	Stream   string    `json:"stream"`
	SourceID string    `json:"source_id"`
	Reason   string    `json:"reason"`
	SeenAt   time.Time `json:"seen_at"`
	Bytes    int       `json:"bytes"`
}

// Run lists all of them, oldest first.
func (c *quarantineListCommand) Run(ctx context.Context, p *program) error {
	return p.withConnection(ctx, c.Tenant, connection.Stripe, func(h *house, t identity.Tenant, _ connection.Connection) error {
		held, err := h.held(ctx, t)
		if err != nil {
			return err
		}
		p.answer(map[string]any{"objects": held}, func(w io.Writer) {
			if len(held) == 0 {
				writef(w, "Nothing is in quarantine.\n")
			}
			for _, o := range held {
				writef(w, "%d\t%s\t%s\t%s\t%s bytes\t%s\n", o.ID, moment(&o.SeenAt), o.Stream, o.SourceID, page.Count(int64(o.Bytes)), o.Reason)
			}
		})
		return nil
	})
}

const heldPage = 100

// held reads the quarantine page by page, since the objects come with their bytes.
func (h *house) held(ctx context.Context, t identity.Tenant) ([]heldView, error) {
	views := []heldView{}
	for after := int64(0); ; {
		var page []syncrun.Held
		err := h.db.TenantTx(ctx, t.ID, func(tx *postgres.TenantTx) (err error) {
			page, err = syncrun.ListQuarantine(ctx, tx, connection.Stripe, after, heldPage)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, o := range page {
			after = o.ID
			views = append(views, heldView{o.ID, o.Stream, o.SourceID, o.Reason, o.SeenAt, len(o.Raw)})
		}
		if len(page) < heldPage {
			return views, nil
		}
	}
}

type quarantineReplayCommand struct {
	Tenant string `required:"" placeholder:"T" help:"The tenant's id or name."`
}

// Help shows an example.
func (*quarantineReplayCommand) Help() string {
	return example("memberintel quarantine replay --tenant oak-hill")
}

type rereadView struct {
	RunID    int64          `json:"run_id"`
	Tried    int            `json:"tried"`
	Released int            `json:"released"`
	Left     int            `json:"left"`
	Status   syncrun.Status `json:"status"`
}

// Run maps the objects again, as they came.
func (c *quarantineReplayCommand) Run(ctx context.Context, p *program) error {
	return p.withConnection(ctx, c.Tenant, connection.Stripe, func(h *house, _ identity.Tenant, found connection.Connection) error {
		out, err := h.stripe.RereadQuarantine(ctx, found)
		if out.Report.RunID == 0 {
			return err
		}
		view := rereadView{out.Report.RunID, out.Tried, out.Released, out.Tried - out.Released, out.Report.Status}
		p.answer(view, line("Run %d %s: %s tried, %d understood now, %d left.",
			view.RunID, view.Status, plural(int64(view.Tried), "object"), view.Released, view.Left))
		return health(view.Status)
	})
}
