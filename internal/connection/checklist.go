package connection

import (
	"errors"

	"memberintel/internal/fault"
)

// ChecklistOf returns what whoever owns the source should look at after err, most likely first: the error's own
// list, or that of its kind on this pipeline. It is never nil.
func (p Pipeline) ChecklistOf(err error) []string {
	var f *fault.Error
	if errors.As(err, &f) && f.Checklist != nil {
		return f.Checklist
	}
	return p.Checklist(fault.KindOf(err))
}

// Checklist returns what to look at for a class of error on this pipeline, most likely first. It is never nil, and
// for no pipeline in particular it holds only what is the same for all.
func (p Pipeline) Checklist(kind fault.Kind) []string {
	var steps []string
	switch p {
	case Stripe:
		steps = stripeChecklist(kind)
	case MemberPress:
		steps = memberPressChecklist(kind)
	case Website:
		steps = websiteChecklist(kind)
	}
	if steps != nil {
		return steps
	}
	switch kind {
	case fault.Drift:
		return []string{
			"Run `memberintel verify` with --repair: it writes what the source shows.",
			"If it comes back, look for somebody who writes to the warehouse, and at the last sync's messages.",
		}
	case fault.Stopped:
		return []string{"A switch stopped this work; see `memberintel switch list` for the reason."}
	default:
		return []string{}
	}
}

// ByItself is said where trying again helps and the program does so.
const ByItself = "Nothing needs to be done if it works again: the next sync catches up."

const (
	moreSlowly = "Nothing needs to be done: the sync goes on more slowly."
	inABrowser = "Open the site in a browser. If it does not work there either, ask whoever hosts it."
	raiseLimit = "If it stays so, raise the limit for memberintel in the site's firewall or security plugin, or ask whoever hosts it."
	newAddress = "If the site has another address now, connect again with that one."
	keptAside  = "Nothing is lost: objects that were not understood are kept as they came."
)

func stripeChecklist(kind fault.Kind) []string {
	switch kind {
	case fault.Unauthorized:
		return []string{
			"Open the Stripe dashboard, Developers, API keys, and check that the restricted key still exists.",
			"Make a new restricted key with read permissions and connect again.",
		}
	case fault.NotPermitted:
		return []string{
			"Open the restricted key in the Stripe dashboard and allow Read for the resources named above.",
			"Start a sync; a key keeps its value when its permissions change.",
		}
	case fault.Schema:
		return []string{keptAside, "Update memberintel, then run `memberintel quarantine replay`."}
	case fault.Unavailable:
		return []string{
			"Look at Stripe's status page, https://status.stripe.com.",
			"Whoever runs memberintel: look whether its machine finds and reaches api.stripe.com.",
			ByItself,
		}
	case fault.RateLimited:
		return []string{moreSlowly, "Look for other programs that use the same Stripe account's API heavily."}
	default:
		return nil
	}
}

func memberPressChecklist(kind fault.Kind) []string {
	switch kind {
	case fault.Unauthorized:
		return []string{
			"In WordPress, open the memberintel plugin and check that the key of this connection is still there.",
			"Make a new key there and connect again.",
			"If the key is there, look whether the clock of the site's server is right: what is signed counts for a few minutes.",
		}
	case fault.NotPermitted:
		return []string{
			"In WordPress, look whether MemberPress and the memberintel plugin are both active, and update the plugin.",
			"Look for a security plugin that restricts the REST API, and except the routes of memberintel from it.",
			"Then start a sync.",
		}
	case fault.NotFound:
		return []string{
			"In WordPress, look whether the memberintel plugin is installed and active.",
			"Look for a security plugin that switches the REST API off, and except the routes of memberintel from it.",
			"If WordPress lives in another folder or under another address, connect again with that one.",
		}
	case fault.Schema:
		return []string{
			keptAside,
			"Update memberintel and its plugin on the site, so that they fit, then run `memberintel quarantine replay`.",
			"Look into the PHP error log of the site, for a plugin that writes into other plugins' answers.",
		}
	case fault.Unavailable:
		return []string{inABrowser, "If it works there, look whether a firewall or a security plugin, such as Cloudflare or Wordfence, blocks memberintel.", ByItself}
	case fault.RateLimited:
		return []string{moreSlowly, raiseLimit}
	case fault.Invalid:
		return []string{newAddress, "Update the memberintel plugin on the site, so that it fits this version."}
	default:
		return nil
	}
}

func websiteChecklist(kind fault.Kind) []string {
	switch kind {
	case fault.Unauthorized:
		return []string{
			"Open the site in a private window of a browser: it asks for a password, as a staging site often does.",
			"Take the lock off, or connect the address that the public sees.",
		}
	case fault.NotPermitted:
		return []string{"Look at the site's robots.txt and at its bot protection: they keep memberintel from the pages."}
	case fault.NotFound:
		return []string{"Open the address in a browser and see whether the page is there.", newAddress}
	case fault.Schema:
		return []string{"Open the site in a browser: perhaps a coming-soon page or a wall stands before its content.", ByItself}
	case fault.Unavailable:
		return []string{inABrowser, "If it works there, look whether a firewall or a bot protection, such as Cloudflare, blocks memberintel.", ByItself}
	case fault.RateLimited:
		return []string{moreSlowly, raiseLimit}
	case fault.Invalid:
		return []string{newAddress}
	default:
		return nil
	}
}
