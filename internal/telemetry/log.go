package telemetry

import (
	"context"
	"io"
	"log/slog"

	"memberintel/internal/tenant"
)

type contextKey int

const (
	tenantKey contextKey = iota
	runKey
)

// WithTenant returns a context whose log lines bear the tenant's id.
func WithTenant(ctx context.Context, id tenant.ID) context.Context {
	return context.WithValue(ctx, tenantKey, id)
}

// WithRun returns a context whose log lines bear the sync run's number.
func WithRun(ctx context.Context, run int64) context.Context {
	return context.WithValue(ctx, runKey, run)
}

// NewLogger returns a logger that writes lines of text, or of JSON, to w, each with the tenant_id and
// run_id of the context that it was logged with.
func NewLogger(w io.Writer, level slog.Leveler, json bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if json {
		return slog.New(contextHandler{slog.NewJSONHandler(w, options)})
	}
	return slog.New(contextHandler{slog.NewTextHandler(w, options)})
}

// contextHandler adds to a line what its context knows. Within a group the two stand in that group.
type contextHandler struct{ slog.Handler }

// Handle adds the attributes and passes the line on.
func (h contextHandler) Handle(ctx context.Context, line slog.Record) error {
	if id, ok := ctx.Value(tenantKey).(tenant.ID); ok {
		line.AddAttrs(slog.String("tenant_id", id.String()))
	}
	if run, ok := ctx.Value(runKey).(int64); ok {
		line.AddAttrs(slog.Int64("run_id", run))
	}
	return h.Handler.Handle(ctx, line)
}

// WithAttrs keeps the context's attributes for the loggers made of this one.
func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup does the same for groups.
func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}
