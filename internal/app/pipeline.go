package app

import (
	"context"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/schedule"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

// pipeline is what the program does with the connections of one kind. None of the functions may be nil.
type pipeline struct {
	sync   func(context.Context, connection.Connection, syncrun.Mode, func(*syncrun.Run)) (syncrun.Report, error)
	queued schedule.Sync
	verify func(ctx context.Context, c connection.Connection, repair bool, watch func(*syncrun.Run)) (syncrun.Verdict, error)
	reread func(context.Context, connection.Connection) (syncrun.Reread, error)
	// end disconnects; the warning is a sentence for whoever asked, "" for none.
	end func(ctx context.Context, id tenant.ID, actor string) (c connection.Connection, warning string, err error)
}

// offer is a pipeline by its name.
type offer struct {
	name connection.Pipeline
	make func(*house) pipeline // nil: this version has none, and says so
}

// pipelines is the one list of what the program can be connected to: commands, worker and switches know no other.
// docs/adding-a-platform.md says what else a new one needs.
type pipelines []offer

func ownPipelines() pipelines {
	return pipelines{
		{connection.Stripe, func(h *house) pipeline {
			return pipeline{
				sync: h.stripe.Sync, queued: h.stripe.SyncQueued, verify: h.stripe.Verify, reread: h.stripe.RereadQuarantine,
				end: func(ctx context.Context, id tenant.ID, actor string) (connection.Connection, string, error) {
					c, err := h.stripe.Disconnect(ctx, id, actor)
					return c, "", err
				},
			}
		}},
		{connection.MemberPress, func(h *house) pipeline {
			return pipeline{
				sync: h.memberpress.Sync, queued: h.memberpress.SyncQueued, verify: h.memberpress.Verify,
				reread: h.memberpress.RereadQuarantine, end: h.memberpress.Disconnect,
			}
		}},
		{connection.Website, func(h *house) pipeline {
			return pipeline{
				sync: h.syncWebsite, queued: h.website.SyncQueued, verify: h.website.Verify, reread: h.website.RereadQuarantine,
				end: func(ctx context.Context, id tenant.ID, actor string) (connection.Connection, string, error) {
					c, err := h.website.Disconnect(ctx, id, actor)
					return c, "", err
				},
			}
		}},
	}
}

// names are those of all pipelines, also of those that this version does not have.
func (p pipelines) names() []string {
	names := make([]string, len(p))
	for i, o := range p {
		names[i] = string(o.name)
	}
	return names
}

// vars are what the grammar of the command line stands in for.
func (p pipelines) vars() kong.Vars {
	return kong.Vars{"version": version(), "pipelines": strings.Join(p.names(), ","), "pipeline_words": p.words()}
}

// words are the names as a sentence has them: "stripe, memberpress or website".
func (p pipelines) words() string {
	names := p.names()
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// served refuses the pipelines that this version does not have.
func (p pipelines) served(name connection.Pipeline) error {
	if slices.ContainsFunc(p, func(o offer) bool { return o.name == name && o.make != nil }) {
		return nil
	}
	var served []string
	for _, o := range p {
		if o.make != nil {
			served = append(served, o.name.Label())
		}
	}
	return fault.New(fault.Invalid, "The %s pipeline comes with a later version; this one has %s.", name, strings.Join(served, " and "))
}

// furnished are the pipelines that this version has, on the house's database.
func (p pipelines) furnished(h *house) map[connection.Pipeline]pipeline {
	found := map[connection.Pipeline]pipeline{}
	for _, o := range p {
		if o.make != nil {
			found[o.name] = o.make(h)
		}
	}
	return found
}

// pipeline is what serves a connection. One that another release has made may have none here.
func (h *house) pipeline(name connection.Pipeline) (pipeline, error) {
	found, ok := h.pipelines[name]
	if !ok {
		return pipeline{}, fault.New(fault.Invalid, "This version has no %s pipeline.", name)
	}
	return found, nil
}
