package canonical

import "strings"

// Foreign returns an id that a payment platform made, as its kind shows, nil for any other. Records of two platforms are
// linked by such ids alone: a bare number is the same on every platform, and what a platform makes up itself says nothing
// about another.
func Foreign(id string) *string {
	kind, rest, _ := strings.Cut(id, "_")
	switch kind {
	case "cus", "sub", "ch", "py", "pi", "in", "cs", "seti":
		if rest != "" {
			return &id
		}
	}
	return nil
}
