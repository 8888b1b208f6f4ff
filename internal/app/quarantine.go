package app

import (
	"context"
	"io"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
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
	ID       int64               `json:"id"`
	Pipeline connection.Pipeline `json:"pipeline"`
	Stream   string              `json:"stream"`
	SourceID string              `json:"source_id"`
	Reason   string              `json:"reason"`
	SeenAt   time.Time           `json:"seen_at"`
	Bytes    int                 `json:"bytes"`
}

// Run lists all of them, oldest first, a pipeline after the other.
func (c *quarantineListCommand) Run(ctx context.Context, p *program) error {
	return p.withConnections(ctx, c.Tenant, func(h *house, t identity.Tenant, all []connection.Connection) error {
		held := []heldView{}
		for _, one := range all {
			found, err := h.held(ctx, t, one.Pipeline)
			if err != nil {
				return err
			}
			held = append(held, found...)
		}
		p.answer(map[string]any{"objects": held}, func(w io.Writer) {
			if len(held) == 0 {
				writef(w, "Nothing is in quarantine.\n")
			}
			for _, o := range held {
				writef(w, "%d\t%s\t%s\t%s\t%s\t%s bytes\t%s\n", o.ID, moment(&o.SeenAt), o.Pipeline, o.Stream, o.SourceID, page.Count(int64(o.Bytes)), o.Reason)
			}
		})
		return nil
	})
}

// withConnections is with for a command on all connections of a tenant, of which there must be one at least.
func (p *program) withConnections(ctx context.Context, tenantName string, fn func(*house, identity.Tenant, []connection.Connection) error) error {
	return p.withTenant(ctx, tenantName, func(h *house, t identity.Tenant) error {
		var all []connection.Connection
		err := h.db.TenantTx(ctx, t.ID, func(tx *postgres.TenantTx) (err error) {
			all, err = h.connections.List(ctx, tx)
			return err
		})
		if err == nil && len(all) == 0 {
			err = fault.New(fault.NotFound, "This tenant has no connection; make one with `memberintel connect stripe`, `connect memberpress` or `connect website`.")
		}
		if err != nil {
			return err
		}
		return fn(h, t, all)
	})
}

const heldPage = 100

// held reads the quarantine page by page, since the objects come with their bytes.
func (h *house) held(ctx context.Context, t identity.Tenant, pipeline connection.Pipeline) ([]heldView, error) {
	views := []heldView{}
	for after := int64(0); ; {
		var page []syncrun.Held
		err := h.db.TenantTx(ctx, t.ID, func(tx *postgres.TenantTx) (err error) {
			page, err = syncrun.ListQuarantine(ctx, tx, pipeline, after, heldPage)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, o := range page {
			after = o.ID
			views = append(views, heldView{o.ID, pipeline, o.Stream, o.SourceID, o.Reason, o.SeenAt, len(o.Raw)})
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
	// ErrorMessage is why the last run that did not succeed did not; null when all did.
	ErrorMessage *string `json:"error_message"`
}

// Run maps the objects again, as they came. What is connected twice has two runs, and the number of the last is told.
func (c *quarantineReplayCommand) Run(ctx context.Context, p *program) error {
	return p.withConnections(ctx, c.Tenant, func(h *house, _ identity.Tenant, all []connection.Connection) error {
		view := rereadView{Status: syncrun.Succeeded}
		for _, found := range all {
			of, err := h.pipeline(found.Pipeline)
			if err != nil {
				return err
			}
			out, err := of.reread(ctx, found)
			if out.Report.RunID == 0 {
				return err
			}
			view.RunID, view.Tried, view.Released = out.Report.RunID, view.Tried+out.Tried, view.Released+out.Released
			if out.Report.Status != syncrun.Succeeded {
				view.Status, view.ErrorMessage = out.Report.Status, out.Report.ErrorMessage
			}
		}
		view.Left = view.Tried - view.Released
		p.answer(view, func(w io.Writer) {
			if view.Tried == 0 && view.Status == syncrun.Succeeded {
				writef(w, "Nothing is in quarantine.\n")
				return
			}
			writef(w, "Run %d %s: %s tried, %d understood now, %d left.\n",
				view.RunID, view.Status, plural(int64(view.Tried), "object"), view.Released, view.Left)
			if view.ErrorMessage != nil {
				writef(w, "%s\n", *view.ErrorMessage)
			}
		})
		return health(view.Status)
	})
}
