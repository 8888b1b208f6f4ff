package app

import (
	"context"
	"io"
	"time"

	"memberintel/internal/alert"
	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/tenant"
)

type statusCommand struct {
	Tenant string `placeholder:"T" help:"The tenant's id or name. Default: all tenants, and the support list."`
}

// Help shows an example.
func (*statusCommand) Help() string {
	return "What does not work stands first. On a terminal it is coloured, unless NO_COLOR is set.\n\n" + example("memberintel status --tenant oak-hill")
}

type statusView struct {
	Summary map[connection.State]int `json:"summary"` // how many connections are in a state; those that none is in are left out
	Tenants []tenantStatus           `json:"tenants"` // by name, never nil
	*supportView
}

type tenantStatus struct {
	TenantID    tenant.ID          `json:"tenant_id"`
	Name        string             `json:"name"`
	Plan        tenant.Plan        `json:"plan"`
	Connections []connectionStatus `json:"connections"` // never nil
	Banners     []bannerStatus     `json:"banners"`     // never nil
}

type connectionStatus struct {
	ConnectionID        connection.ID       `json:"connection_id"`
	PipelineType        connection.Pipeline `json:"pipeline_type"`
	State               connection.State    `json:"state"`
	PausedBecause       *string             `json:"paused_because"` // null while it is not paused
	Since               *time.Time          `json:"since"`          // since when a success has been due; null while all is well
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

	well bool
}

type bannerStatus struct {
	ConnectionID connection.ID       `json:"connection_id"`
	PipelineType connection.Pipeline `json:"pipeline_type"`
	Level        alert.Level         `json:"level"`
	Sentence     string              `json:"sentence"`
	Since        time.Time           `json:"since"`
	Checklist    []string            `json:"checklist"` // never nil
	Next         string              `json:"next"`
}

// Run tells of one tenant, or of all and the support list. It is not healthy when a connection is degraded or failed.
func (c *statusCommand) Run(ctx context.Context, p *program) error {
	return p.with(ctx, func(h *house) error {
		tenants, err := c.tenants(ctx, h)
		if err != nil {
			return err
		}
		view, healthy := statusView{Summary: map[connection.State]int{}, Tenants: []tenantStatus{}}, true
		for _, t := range tenants {
			status, err := h.status(ctx, t)
			if err != nil {
				return err
			}
			view.Tenants = append(view.Tenants, status)
			for _, c := range status.Connections {
				view.Summary[c.State]++
				healthy = healthy && c.well
			}
		}
		if c.Tenant == "" {
			if view.supportView, err = h.support(ctx); err != nil {
				return err
			}
		}
		p.answer(view, func(w io.Writer) { statusText{w: w, paint: p.paint(), now: time.Now()}.write(view) })
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
	view := tenantStatus{TenantID: t.ID, Name: t.Name, Plan: t.Plan, Connections: []connectionStatus{}, Banners: []bannerStatus{}}
	err := h.db.TenantTx(ctx, t.ID, func(tx *postgres.TenantTx) error {
		all, err := syncrun.HealthOf(ctx, tx, h.connections)
		if err != nil {
			return err
		}
		for _, health := range all {
			shown := statusOf(health)
			if shown.Leftovers, err = h.connections.Leftovers(ctx, tx, health.Connection); err != nil {
				return err
			}
			view.Connections = append(view.Connections, shown)
		}
		banners, err := alert.Banners(ctx, tx, h.connections)
		for _, b := range banners {
			view.Banners = append(view.Banners, bannerStatus{b.ConnectionID, b.Pipeline, b.Level, b.Sentence, b.Since, b.Checklist, b.Next})
		}
		return err
	})
	return view, err
}

func statusOf(h syncrun.Health) connectionStatus {
	c := h.Connection
	s := connectionStatus{
		ConnectionID: c.ID, PipelineType: c.Pipeline, State: h.State, Since: h.Since, LastSuccessAt: c.LastSuccessAt, LastAttemptAt: c.LastAttemptAt,
		LastError: c.LastError, Checklist: c.Checklist(), NextAttemptAt: h.NextAttemptAt, ConsecutiveFailures: c.ConsecutiveFailures,
		ResponseMS: c.ResponseMS, DataAsOf: h.DataAsOf, Stale: h.Stale, well: h.Well(),
	}
	if h.Paused != "" {
		s.PausedBecause = &h.Paused
	}
	return s
}

// banner returns what stands above everything else about the connection, nil when nothing does.
func (t tenantStatus) banner(id connection.ID) *bannerStatus {
	for i := range t.Banners {
		if t.Banners[i].ConnectionID == id {
			return &t.Banners[i]
		}
	}
	return nil
}
