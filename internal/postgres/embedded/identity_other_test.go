//go:build !linux

package embedded

// withoutSetuid is never asked for: capabilities are Linux's.
func withoutSetuid() int { return 2 }
