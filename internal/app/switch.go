package app

import (
	"context"
	"io"
	"slices"
	"strings"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

type switchCommands struct {
	List switchListCommand `cmd:"" help:"List the switches that were thrown."`
	On   switchOnCommand   `cmd:"" help:"Stop the work that a switch names, at its next commit."`
	Off  switchOffCommand  `cmd:"" help:"Let it go on."`
}

type switchView struct {
	Name      string     `json:"name"`
	On        bool       `json:"on"`
	Reason    string     `json:"reason"`
	By        string     `json:"by"`
	Since     time.Time  `json:"since"`
	ExpiresAt *time.Time `json:"expires_at"`
}

type switchListCommand struct{}

// Help shows an example.
func (*switchListCommand) Help() string { return example("memberintel switch list") }

// Run lists them, those that ran out too.
func (c *switchListCommand) Run(ctx context.Context, p *program) error {
	return p.with(ctx, func(h *house) error {
		var switches []guard.Switch
		err := h.db.OperatorTx(ctx, func(tx *postgres.OperatorTx) (err error) {
			switches, err = guard.List(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
		views := []switchView{}
		for _, s := range switches {
			views = append(views, switchView{s.Name, s.On, s.Reason, s.By, s.Since, s.ExpiresAt})
		}
		p.answer(map[string]any{"switches": views}, func(w io.Writer) { writeSwitches(w, views) })
		return nil
	})
}

func writeSwitches(w io.Writer, switches []switchView) {
	if len(switches) == 0 {
		writef(w, "No switch is on.\n")
	}
	for _, s := range switches {
		state, end := "on", "until it is cleared"
		if s.ExpiresAt != nil {
			end = "until " + moment(s.ExpiresAt)
		}
		if !s.On {
			state, end = "off", "ran out "+moment(s.ExpiresAt)
		}
		writef(w, "%s\t%s\t%s\tsince %s\t%s\n", s.Name, state, end, moment(&s.Since), s.Reason)
	}
}

type switchOnCommand struct {
	Name   string        `arg:"" help:"all, pipeline:NAME (${pipeline_words}), subsystem:claude, subsystem:mail, subsystem:webhooks or tenant:T."`
	Reason string        `required:"" placeholder:"R" help:"Why; whoever finds the work stopped reads it."`
	For    time.Duration `placeholder:"2h" help:"For how long. Default: until it is cleared."`
}

// Help shows an example.
func (*switchOnCommand) Help() string {
	return example(`memberintel switch on pipeline:stripe --reason "Stripe is down" --for 2h`)
}

// Run throws the switch.
func (c *switchOnCommand) Run(ctx context.Context, p *program) error {
	return p.with(ctx, func(h *house) error {
		name, err := p.switchName(ctx, h, c.Name)
		if err != nil {
			return err
		}
		err = guard.Throw(ctx, h.db, name, c.Reason, actor, c.For)
		if err != nil {
			return err
		}
		p.answer(map[string]any{"name": name, "on": true}, line("The switch %s is on: nothing more of that work is written.", name))
		return nil
	})
}

type switchOffCommand struct {
	Name string `arg:"" help:"The switch's name, as the list shows it."`
}

// Help shows an example.
func (*switchOffCommand) Help() string { return example("memberintel switch off pipeline:stripe") }

// Run clears the switch; doing it again changes nothing.
func (c *switchOffCommand) Run(ctx context.Context, p *program) error {
	return p.with(ctx, func(h *house) error {
		name, err := p.switchName(ctx, h, c.Name)
		if err != nil {
			return err
		}
		var cleared bool
		err = h.db.OperatorTx(ctx, func(tx *postgres.OperatorTx) error {
			cleared, err = guard.Off(ctx, tx, name, actor)
			return err
		})
		if err != nil {
			return err
		}
		if cleared {
			if err := h.catchUp(ctx, name); err != nil {
				return err
			}
		}
		text := line("The switch %s is off: that work goes on.", name)
		if !cleared {
			text = line("%s was not on.", name)
		}
		p.answer(map[string]any{"name": name, "on": false, "cleared": cleared}, text)
		return nil
	})
}

// catchUp makes due what the switch held up: deliveries that were refused meanwhile are pulled.
func (h *house) catchUp(ctx context.Context, name string) error {
	var only tenant.ID
	if who, isTenant := strings.CutPrefix(name, "tenant:"); isTenant {
		var err error
		if only, err = tenant.Parse(who); err != nil {
			return err
		}
	} else if name != guard.All && name != guard.Webhooks && name != "pipeline:stripe" {
		return nil
	}
	return h.db.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		return h.connections.DueAgain(ctx, tx, connection.Stripe, only)
	})
}

// switchName lets a tenant's switch be named by the tenant's name too, and refuses that of a pipeline which the program
// does not know: a slip of the pen would stop nothing.
func (p *program) switchName(ctx context.Context, h *house, name string) (string, error) {
	if of, ofPipeline := strings.CutPrefix(name, "pipeline:"); ofPipeline && !slices.Contains(p.pipelines.names(), of) {
		return "", fault.New(fault.Invalid, "There is no switch %q; of pipelines there are %s.", name, p.pipelines.words())
	}
	who, isTenant := strings.CutPrefix(name, "tenant:")
	if !isTenant {
		return name, nil
	}
	t, err := identity.Find(ctx, h.db, who)
	return "tenant:" + t.ID.String(), err
}
