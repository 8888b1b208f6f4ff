package ui

import (
	"errors"
	"time"

	"memberintel/internal/fault"
)

func checklist(err error) []string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.Checklist
	}
	return nil
}

// waitOf is how long whoever met the error should wait, 0 when it does not say.
func waitOf(err error) time.Duration {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.RetryAfter
	}
	return 0
}
