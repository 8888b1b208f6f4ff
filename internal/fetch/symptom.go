package fetch

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"memberintel/internal/care"
	"memberintel/internal/fault"
)

// Symptom is what a site shows when it is not well, finer than a fault's kind.
type Symptom string

// The symptoms. docs/sick-sites.md and docs/spared-sites.md tell what each of them leads to.
const (
	Timeout        Symptom = "timeout"
	SlowDrip       Symptom = "slow_drip"
	ServerError    Symptom = "server_error"
	Gateway        Symptom = "gateway"
	TooLarge       Symptom = "too_large"
	Unreachable    Symptom = "unreachable"
	Reset          Symptom = "reset"
	Garbled        Symptom = "garbled"
	NoSuchName     Symptom = "no_such_name"
	TLS            Symptom = "tls"
	RedirectLoop   Symptom = "redirect_loop"
	Moved          Symptom = "moved"
	Parked         Symptom = "parked"
	NotInstalled   Symptom = "not_installed"
	Challenge      Symptom = "challenge"
	Firewall       Symptom = "firewall"
	SignIn         Symptom = "sign_in"
	Maintenance    Symptom = "maintenance"
	TooMany        Symptom = "too_many"
	NotFound       Symptom = "not_found"
	RequestRefused Symptom = "request_refused"
	WebPage        Symptom = "web_page"
	NotJSON        Symptom = "not_json"
	PrivateAddress Symptom = "private_address"
	WrongPort      Symptom = "wrong_port"
	Disallowed     Symptom = "disallowed" // by robots.txt

	// What only the asker knows; see Request.Own.
	Denied  Symptom = "denied"  // the program that was asked says no
	Foreign Symptom = "foreign" // something else has answered in its place
)

// Failure is the cause of a fault that a site is to blame for.
type Failure struct {
	Symptom Symptom
	Cause   error // of the transport; nil where an answer told it
}

// Error shows the symptom and the cause.
func (f *Failure) Error() string {
	if f.Cause == nil {
		return string(f.Symptom)
	}
	return string(f.Symptom) + ": " + f.Cause.Error()
}

// Unwrap returns the transport's error.
func (f *Failure) Unwrap() error { return f.Cause }

// SymptomOf returns the symptom that err tells of, "" when it tells of none.
func SymptomOf(err error) Symptom {
	var f *Failure
	if errors.As(err, &f) {
		return f.Symptom
	}
	return ""
}

// fault makes the fault of a diagnosis.
func (d diagnosis) fault(host string, timeout time.Duration, a Response, now time.Time) error {
	if d.pages && d.symptom == SignIn {
		d.detail = "" // a page's site has no REST interface that somebody would know of
	}
	m := d.meaning(host, timeout, a.Status)
	if own := d.forPages(); d.pages && own != nil {
		m.checklist = own
	}
	return &fault.Error{
		Kind: m.kind, Sentence: m.sentence, Checklist: m.checklist, Status: a.Status,
		RetryAfter: retryAfter(a.Header, now), Cause: &Failure{d.symptom, d.cause},
	}
}

// meaning is what a symptom means to whoever owns the site, to the run and to care.
type meaning struct {
	kind      fault.Kind
	verdict   care.Verdict
	sentence  string
	checklist []string
}

const (
	openSite  = "Open the site in a browser. If it does not work there either, ask whoever hosts it."
	byItself  = "Nothing needs to be done if it works again: the next sync catches up."
	allowList = "Tell the firewall to let memberintel's requests through: by its address, or by the path /wp-json/memberintel/ and /?rest_route=/memberintel/."
)

func (d diagnosis) meaning(host string, timeout time.Duration, status int) meaning {
	say := func(format string, args ...any) string { return host + " " + fmt.Sprintf(format, args...) + "." }
	wait := strconv.FormatFloat(timeout.Round(time.Second/10).Seconds(), 'f', -1, 64) + " s"
	switch d.symptom {
	case Timeout:
		return meaning{fault.Unavailable, care.Slow, say("did not answer within %s", wait), []string{
			"Open the site in a browser and see how long a page takes.",
			"If it is always slow, ask whoever hosts it for more processes or memory; memberintel waits longer and asks for less at once by itself.",
		}}
	case SlowDrip:
		return meaning{fault.Unavailable, care.Slow, say("began to answer and had not finished after %s", wait), []string{
			"Look for a proxy or a security plugin that slows answers down.", byItself,
		}}
	case ServerError:
		return meaning{fault.Unavailable, care.Broken, say("broke down while it answered (status %d)", status), []string{
			"Look into the PHP error log of the site; the last plugin or theme that was updated is the first suspect.",
			"If the log speaks of memory or time, raise PHP's memory_limit or max_execution_time; memberintel asks for less at once by itself.",
			byItself,
		}}
	case Gateway:
		return meaning{fault.Unavailable, care.Broken, say("did not answer the server in front of it in time (status %d)", status), []string{
			openSite, "If pages are slow, ask whoever hosts it for more PHP processes.", byItself,
		}}
	case TooLarge:
		return meaning{fault.Unavailable, care.Broken, say("sent more than can be read at once"), []string{
			"Nothing needs to be done at first: memberintel asks for less at once by itself.",
			"If it comes back, look for a plugin that writes into the site's answers.",
		}}
	case Unreachable:
		return meaning{fault.Unavailable, care.Sick, say("cannot be reached"), []string{
			openSite, "If it works there, ask whether a firewall blocks memberintel's address.", byItself,
		}}
	case Reset:
		return meaning{fault.Unavailable, care.Sick, say("broke the connection off"), []string{
			openSite, "If it works there, ask whether a firewall breaks off what memberintel sends.", byItself,
		}}
	case Garbled:
		return meaning{fault.Unavailable, care.Sick, say("sent something that is not a proper answer"), []string{openSite, byItself}}
	case NoSuchName:
		return meaning{fault.Unavailable, care.Sick, say("is a name that no name server knows"), []string{
			"Look whether the domain was renewed and its name servers are right.",
			"If the site has a new address, connect again with that one.",
		}}
	case TLS:
		return meaning{fault.Unavailable, care.Sick, say("cannot be reached safely: %s", d.detail), []string{
			"Open the site in a browser with https:// and look at its certificate.",
			"Renew the certificate; most hosts do it with one click (Let's Encrypt).",
		}}
	case RedirectLoop:
		return meaning{fault.Unavailable, care.Sick, say("sends from one address to the next without end"), []string{
			"Open the site in a private window of a browser.",
			"Look at the addresses in the WordPress settings, at plugins that redirect to https or www, and at the SSL mode of Cloudflare: two of them disagree.",
		}}
	case Moved:
		return meaning{fault.Unavailable, care.Sick, say("sends its visitors to %s", d.detail), []string{
			"If the site has moved there, connect again with the new address.",
			"If not, look for a plugin or a setting of the host that redirects.",
		}}
	case Parked:
		return meaning{fault.Unavailable, care.Gone, say("shows a parking page instead of the site"), []string{
			"Look whether the domain has expired, and renew it.",
			"If the site has a new address, connect again with that one.",
		}}
	case NotInstalled:
		return meaning{fault.Unavailable, care.Gone, say("shows a WordPress that is not set up"), []string{
			"Open the site in a browser: its database or its wp-config.php is missing.", "Restore it from a backup, or ask whoever hosts it.",
		}}
	case Challenge:
		return meaning{fault.Unavailable, care.Sick, say("is guarded by a service that lets browsers pass alone"), []string{
			"At Cloudflare: Security, WAF, add a rule that skips the challenge for the paths /wp-json/memberintel/ and /?rest_route=/memberintel/.",
			"Elsewhere: switch the bot protection off for these paths.",
			"If \"Under Attack Mode\" is on only for now, nothing needs to be done.",
		}}
	case Firewall:
		return meaning{fault.Unavailable, care.Sick, say("has a security plugin or firewall that refuses us (status %d)", status), []string{
			allowList, "In Wordfence: Firewall, Blocking, and take memberintel's address out; then All Firewall Options, allowlisted addresses.",
		}}
	case SignIn:
		if d.detail != "" {
			return meaning{fault.Unauthorized, care.Refused, say("lets signed-in users alone use its REST interface (%s)", d.detail), []string{
				"Look for a plugin that restricts the REST API, and except the routes of memberintel.", "Then start a sync.",
			}}
		}
		return meaning{fault.Unauthorized, care.Refused, say("asks for a user name and a password"), []string{
			"Look whether the whole site is locked, as a staging site often is.",
			"Except the path /wp-json/memberintel/ from the lock, or connect the public site instead.",
		}}
	case Maintenance:
		return meaning{fault.Unavailable, care.Limited, say("is being worked on"), []string{
			"Nothing needs to be done if it is meant so: the next sync catches up.",
			"If not, look for a file .maintenance in WordPress' folder or a maintenance plugin that is still on.",
		}}
	case TooMany:
		return meaning{fault.RateLimited, care.Limited, say("asks for fewer requests"), []string{
			"Nothing needs to be done: the sync goes on more slowly.", "If it stays, raise the limit for memberintel in the firewall or at the host.",
		}}
	case NotFound:
		return meaning{fault.NotFound, care.Refused, say("has nothing at the address that was asked for (status %d)", status), []string{
			"Look whether the plugin is installed and active.", "If WordPress lives in another folder or under another address, connect again with that one.",
		}}
	case RequestRefused:
		return meaning{fault.Invalid, care.Refused, say("refuses the request (status %d)", status), []string{
			"Update the plugin on the site and memberintel, so that they fit each other.",
		}}
	case NotJSON:
		return meaning{fault.Schema, care.Sick, say("answered with data that is cut off or spoilt"), []string{
			"Look into the PHP error log of the site: something breaks the answer off or writes into it.",
			"Switch caches and plugins that change pages off for the path /wp-json/memberintel/.",
		}}
	case WebPage:
		return meaning{fault.Schema, care.Sick, say("answered with a web page instead of data"), []string{
			"Look for a plugin that shows a page to everybody: coming soon, maintenance, a wall before the content, a cache.",
			"Except the path /wp-json/memberintel/ and /?rest_route=/memberintel/ from it.",
		}}
	case Denied:
		return meaning{fault.Invalid, care.Refused, say("says no"), []string{"Update the plugin on the site and memberintel, so that they fit each other."}}
	case Foreign:
		return meaning{fault.Schema, care.Sick, say("answered with something that the plugin did not say"), []string{
			"Switch caches and plugins that change pages off for the path /wp-json/memberintel/.",
		}}
	case Disallowed:
		return meaning{fault.NotPermitted, care.Refused, say("keeps memberintel's robot out by its robots.txt"), []string{
			"Let the robot in: add the lines \"User-agent: " + Robot + "\" and \"Allow: /\" to the site's robots.txt.",
			"In WordPress, look at Settings, Reading: \"Discourage search engines\" keeps every robot out.",
		}}
	case WrongPort:
		return meaning{fault.Invalid, care.Unasked, say("names a port on which memberintel reads no website"), []string{
			"Connect with the address that visitors use; mostly it names no port.", "Websites are read at the ports 80, 443, 8080 and 8443 alone.",
		}}
	default: // PrivateAddress
		return meaning{fault.Invalid, care.Unasked, say("leads to an address that is not public, which memberintel does not visit"), []string{
			"Connect with the public address of the site.", "Look whether its name server gives out an inner address.",
		}}
	}
}

// retryAfter reads the header in both of its forms; 0 when there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		return time.Duration(max(0, min(seconds, 86400*365)) * float64(time.Second))
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return max(0, at.Sub(now))
}
