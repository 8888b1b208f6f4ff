package app

import (
	"context"
	"io"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

type statusCommand struct {
	Tenant string `placeholder:"T" help:"The tenant's id or name. Default: all tenants."`
}

// Help shows an example.
func (*statusCommand) Help() string { return example("memberintel status --tenant oak-hill") }

type tenantStatus struct {
	TenantID    tenant.ID          `json:"tenant_id"`
	Name        string             `json:"name"`
	Plan        tenant.Plan        `json:"plan"`
	Connections []connectionStatus `json:"connections"` // never nil
}

type connectionStatus struct {
	ConnectionID        connection.ID       `json:"connection_id"`
	PipelineType        connection.Pipeline `json:"pipeline_type"`
	State               connection.State    `json:"state"`
	LastSuccessAt       *time.Time          `json:"last_success_at"`
	LastAttemptAt       *time.Time          `json:"last_attempt_at"`
	LastError           *string             `json:"last_error"`
	Checklist           []string            `json:"checklist"` // never nil
	NextAttemptAt       *time.Time          `json:"next_attempt_at"`
	ConsecutiveFailures int                 `json:"consecutive_failures"`
	ResponseMS          *int                `json:"response_ms"`
	DataAsOf            *time.Time          `json:"data_as_of"`
	Stale               bool                `json:"stale"`
	// Leftovers are the rows of accounts that were connected earlier; never nil.
	Leftovers []connection.Leftover `json:"leftovers"`
}

// Run tells of one tenant or of all. It is not healthy when a connection is degraded or failed.
func (c *statusCommand) Run(ctx context.Context, p *program) error {
	return p.with(ctx, func(h *house) error {
		tenants, err := c.tenants(ctx, h)
		if err != nil {
			return err
		}
		views, healthy := []tenantStatus{}, true
		for _, t := range tenants {
			view, err := h.status(ctx, t)
			if err != nil {
				return err
			}
			views = append(views, view)
			for _, c := range view.Connections {
				healthy = healthy && c.State != connection.Degraded && c.State != connection.Failed
			}
		}
		p.answer(map[string]any{"tenants": views}, func(w io.Writer) { writeStatus(w, views) })
		if !healthy {
			return errNotHealthy
		}
		return nil
	})
}

func (c *statusCommand) tenants(ctx context.Context, h *house) ([]identity.Tenant, error) {
	if c.Tenant == "" {
		return identity.List(ctx, h.db)
	}
	t, err := identity.Find(ctx, h.db, c.Tenant)
	return []identity.Tenant{t}, err
}

// status reads how the tenant's connections fare, at one moment.
func (h *house) status(ctx context.Context, t identity.Tenant) (tenantStatus, error) {
	view := tenantStatus{TenantID: t.ID, Name: t.Name, Plan: t.Plan, Connections: []connectionStatus{}}
	err := h.db.TenantTx(ctx, t.ID, func(tx *postgres.TenantTx) error {
		connections, err := h.connections.List(ctx, tx)
		if err != nil {
			return err
		}
		freshness, err := syncrun.FreshnessOf(ctx, tx)
		if err != nil {
			return err
		}
		for _, c := range connections {
			shown := statusOf(c, freshness)
			if shown.Leftovers, err = h.connections.Leftovers(ctx, tx, c); err != nil {
				return err
			}
			view.Connections = append(view.Connections, shown)
		}
		return nil
	})
	return view, err
}

// statusOf joins a connection with its freshness. One that works and whose data is too old is degraded. Before the
// first attempt there is no freshness but that of an earlier account.
func statusOf(c connection.Connection, freshness []syncrun.Freshness) connectionStatus {
	s := connectionStatus{
		ConnectionID: c.ID, PipelineType: c.Pipeline, State: c.State, LastSuccessAt: c.LastSuccessAt, LastAttemptAt: c.LastAttemptAt,
		LastError: c.LastError, Checklist: c.Checklist(), NextAttemptAt: c.NextSyncAt, ConsecutiveFailures: c.ConsecutiveFailures,
		ResponseMS: c.ResponseMS, Stale: true,
	}
	for _, f := range freshness {
		if f.PipelineType == string(c.Pipeline) && c.LastAttemptAt != nil {
			s.DataAsOf, s.Stale = f.DataAsOf, f.Stale
		}
	}
	if s.State == connection.Connected && s.Stale {
		s.State = connection.Degraded
	}
	return s
}

func writeStatus(w io.Writer, tenants []tenantStatus) {
	if len(tenants) == 0 {
		writef(w, "There are no tenants; add one with `memberintel tenant create --name NAME`.\n")
	}
	for _, t := range tenants {
		writef(w, "%s (%s), plan %s\n", t.Name, t.TenantID, t.Plan)
		if len(t.Connections) == 0 {
			writef(w, "  nothing connected; connect with `memberintel connect stripe --tenant %s`\n", t.Name)
		}
		for _, c := range t.Connections {
			writeConnection(w, c)
		}
	}
}

func writeConnection(w io.Writer, c connectionStatus) {
	age := "data as of " + moment(c.DataAsOf)
	if c.Stale {
		age += ", stale"
	}
	writef(w, "  %s: %s, %s, last success %s\n", c.PipelineType.Label(), c.State, age, moment(c.LastSuccessAt))
	if c.LastError != nil {
		writef(w, "    %s\n", *c.LastError)
	}
	for _, step := range c.Checklist {
		writef(w, "    - %s\n", step)
	}
	for _, left := range c.Leftovers {
		writef(w, "    %s\n", left.Sentence(c.PipelineType))
	}
	if c.NextAttemptAt != nil {
		writef(w, "    next attempt %s\n", moment(c.NextAttemptAt))
	}
}
