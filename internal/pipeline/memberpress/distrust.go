package memberpress

import (
	"encoding/json"
	"errors"
	"fmt"

	"memberintel/internal/fault"
	"memberintel/internal/fetch"
)

// errStale is an answer of the plugin to an earlier request.
var errStale = errors.New("an answer to another request")

// staled tells of an answer that the plugin gave to an earlier request.
func (c *client) staled() error {
	return c.fault(fault.Unavailable, &fetch.Failure{Symptom: fetch.Foreign, Cause: errStale}, "has a cache in front of it that gives old answers",
		"Except the paths "+allowPaths+" from every cache: the caching plugin, the host's cache and the CDN.",
		"In LiteSpeed Cache open Cache, and switch \"Cache REST API\" off.",
		"Then clear the caches.")
}

// distrusted tells of an answer without the signature of the plugin. It stands only where fetch finds nothing.
func (c *client) distrusted(a fetch.Response) error {
	body, trailer := split(a.Body)
	foreign := func(cause string) error { return &fetch.Failure{Symptom: fetch.Foreign, Cause: errors.New(cause)} }
	switch {
	case body == nil:
		return c.fault(fault.Schema, foreign("no answer of the plugin"), "answered with something that does not come from the MemberIntel plugin",
			"Open the site in a browser, and look whether it is still your site.",
			"In WordPress open Plugins, and look whether MemberIntel is active.",
			"If the site has a new address, connect again with that one.")
	case !json.Valid(body):
		return c.fault(fault.Schema, &fetch.Failure{Symptom: fetch.NotJSON, Cause: errors.New("the answer of the plugin is not whole")}, "answered with data that is cut off or spoilt",
			"Look into the PHP error log of the site: something breaks the answer off or writes into it.",
			"If it is cut off at the same length each time, ask whoever hosts the site for the limit on the size of answers.",
			byItself)
	case trailer == "" && a.Header.Get(headerAnswer) == "":
		return c.fault(fault.Schema, foreign("no signature"), "loses the signature of the plugin's answers on their way",
			"Look for a plugin, cache or CDN that changes answers or removes headers beginning with X-MemberIntel-.",
			"Except the paths "+allowPaths+" from it.")
	default:
		return c.fault(fault.Schema, foreign("a wrong signature"), "sends answers that something changes on their way, so that they cannot be trusted",
			"Look for a plugin, cache or CDN that rewrites what the site sends: minifying, changing links, adding a script.",
			"Except the paths "+allowPaths+" from it.",
			hostOf)
	}
}

// unknown tells of an answer that the plugin has signed and that this program does not understand.
func (c *client) unknown(cause error) error {
	return c.fault(fault.Schema, cause, "sends data that this memberintel does not understand: "+c.running()+" is not supported yet",
		"Update memberintel: the service has to know a new version of the plugin before sites use it.",
		"If memberintel is up to date, report the error with these versions. Nothing is lost: the next sync begins where this one ended.")
}

// unsupported tells that the site speaks other versions of the protocol.
func (c *client) unsupported(least, most int) error {
	return c.unsupportedBy(&fetch.Failure{Symptom: fetch.Denied, Cause: fmt.Errorf("%w: protocol %d to %d", errShape, least, most)}, least, most)
}

func (c *client) unsupportedBy(cause error, least, most int) *fault.Error {
	speaks := fmt.Sprintf("protocol %d", least)
	if most != least {
		speaks = fmt.Sprintf("protocols %d to %d", least, most)
	}
	todo := "Update the MemberIntel plugin: in WordPress open Plugins."
	if least > Protocol {
		todo = "Update memberintel; the plugin is newer than the service."
	}
	return c.fault(fault.Schema, cause, fmt.Sprintf("speaks %s of the MemberIntel plugin, and this memberintel speaks %d: %s is not supported yet", speaks, Protocol, c.running()), todo)
}

// anotherSite tells that the answer was signed by the right key at a site of another id: a copy.
func (c *client) anotherSite() error {
	return c.fault(fault.Conflict, nil, "is another site than the one that was connected, though it has the same key: a copy, or a site that was set up anew",
		ourScreen+", and connect again, if this is the site that should be read.",
		"If it is a staging site or a copy, disconnect it there.")
}

// resync tells that the epoch changed between two answers.
func (c *client) resync(reason string) error {
	return c.fault(fault.BadCursor, ErrResync, "begins its data anew"+because(reason), "Nothing needs to be done: everything is read once more.")
}

// running names what the site runs, as far as it is known.
func (c *client) running() string {
	if c.runs == "" {
		return "the version on the site"
	}
	return c.runs
}

// versions names what a site runs.
func versions(d Description) string {
	if d.MemberPressVersion == "" && d.PluginVersion == "" {
		return ""
	}
	return fmt.Sprintf("MemberPress %s with plugin %s", shorten(d.MemberPressVersion), shorten(d.PluginVersion))
}

// fault makes a fault whose sentence begins with the site.
func (c *client) fault(kind fault.Kind, cause error, says string, checklist ...string) *fault.Error {
	return &fault.Error{Kind: kind, Sentence: c.home.Host + " " + says + ".", Cause: cause, Checklist: checklist}
}
