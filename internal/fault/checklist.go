package fault

import "errors"

// ChecklistOf returns what a customer should look at after err, most likely first: its own list, or that of
// its kind. It is never nil.
func ChecklistOf(err error) []string {
	var f *Error
	if errors.As(err, &f) && f.Checklist != nil {
		return f.Checklist
	}
	return Checklist(KindOf(err))
}

// Checklist returns what a customer should look at for a class of error, most likely first. It is never nil.
func Checklist(kind Kind) []string {
	switch kind {
	case Unauthorized:
		return []string{
			"Open the Stripe dashboard, Developers, API keys, and check that the restricted key still exists.",
			"Make a new restricted key with read permissions and connect again.",
		}
	case NotPermitted:
		return []string{
			"Open the restricted key in the Stripe dashboard and allow Read for the resources named above.",
			"Start a sync; a key keeps its value when its permissions change.",
		}
	case Schema:
		return []string{
			"Nothing is lost: objects that were not understood are kept as they came.",
			"Update memberintel, then run `memberintel quarantine replay`.",
		}
	case Drift:
		return []string{
			"Run `memberintel verify` with --repair: it writes what the source shows.",
			"If it comes back, look for somebody who writes to the warehouse, and at the last sync's messages.",
		}
	case Unavailable:
		return []string{
			"Look at the source's status page.",
			"Nothing needs to be done if it works again: the next sync catches up.",
		}
	case RateLimited:
		return []string{"Nothing needs to be done: the sync goes on more slowly.", "Look for other programs that use the same account's API heavily."}
	case Stopped:
		return []string{"A switch stopped this work; see `memberintel switch list` for the reason."}
	default:
		return []string{}
	}
}
