package river

import (
	"context"
	"encoding/json"
	"log/slog"

	riverqueue "github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// attention lets through what needs somebody's; River tells of its daily life too.
type attention struct{ slog.Handler }

// Enabled reports whether the level is a warning or worse.
func (a attention) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && a.Handler.Enabled(ctx, level)
}

// WithAttrs keeps the threshold.
func (a attention) WithAttrs(attrs []slog.Attr) slog.Handler {
	return attention{a.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the threshold.
func (a attention) WithGroup(name string) slog.Handler { return attention{a.Handler.WithGroup(name)} }

// told logs what handlers return: an error ends here. What the end of the process cut is none.
type told struct{ log *slog.Logger }

// HandleError logs an error.
func (t *told) HandleError(ctx context.Context, row *rivertype.JobRow, err error) *riverqueue.ErrorHandlerResult {
	text := "job failed and will be delivered again"
	if row.Attempt >= row.MaxAttempts {
		text = "job failed and is given up"
	}
	t.log.LogAttrs(ctx, slog.LevelWarn, text, append(about(row), slog.Any("error", err))...) //nolint:sloglint // one of two
	return nil
}

// HandlePanic logs a panic, which ends a job and nothing else.
func (t *told) HandlePanic(ctx context.Context, row *rivertype.JobRow, value any, trace string) *riverqueue.ErrorHandlerResult {
	t.log.LogAttrs(ctx, slog.LevelError, "job panicked", append(about(row), slog.Any("panic", value), slog.String("trace", trace))...)
	return nil
}

func about(row *rivertype.JobRow) []slog.Attr {
	var a args
	_ = json.Unmarshal(row.EncodedArgs, &a) // it was read before
	return []slog.Attr{
		slog.String("kind", row.Queue), slog.Int64("run_id", a.Run), slog.Int("gen", int(a.Gen)), slog.Int("attempt", row.Attempt),
	}
}
