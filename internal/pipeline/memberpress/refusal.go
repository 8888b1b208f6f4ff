package memberpress

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/fetch"
)

// The codes with which the plugin says no.
const (
	codeMissing       = "mi_auth_missing"
	codeBadSignature  = "mi_auth_bad_signature"
	codeRevoked       = "mi_auth_revoked"
	codeSkew          = "mi_auth_clock_skew"
	codeReplayed      = "mi_auth_replayed"
	codeMoved         = "mi_site_moved"
	codeNoMemberPress = "mi_memberpress_missing"
	codeNoEntity      = "mi_entity_unsupported"
	codeNotConnecting = "mi_not_connecting"
	codeProtocol      = "mi_protocol_unsupported"
	codeResync        = "mi_resync_required"
	codeBusy          = "mi_busy"
	codeFailed        = "mi_failed"
)

// ErrResync is the cause of faults after which everything has to be read anew, because what was read before no
// longer counts: another epoch, a backup that was restored, a watermark that is too old.
var ErrResync = errors.New("the site's state is no longer the one that was read")

// refusal is the plugin's no, as the cause of a fault.
type refusal struct {
	code string
	data problemData
}

// problemData are the fields that a refusal may have; which of them are set depends on the code.
type problemData struct {
	Seconds    int64  `json:"seconds"`
	HomeURL    string `json:"home_url"`
	Entity     string `json:"entity"`
	Min        int    `json:"min"`
	Max        int    `json:"max"`
	Reason     string `json:"reason"`
	RetryAfter int    `json:"retry_after"`
	Parameter  string `json:"parameter"`
}

// Error shows the code alone: the message is for people at the site.
func (r *refusal) Error() string { return "the plugin said " + r.code }

// Is lets a demand for a resync be found as ErrResync.
func (r *refusal) Is(target error) bool { return target == ErrResync && r.code == codeResync }

// RefusalCode returns the code with which the plugin said no, "" where err is no such refusal.
func RefusalCode(err error) string {
	var r *refusal
	if errors.As(err, &r) {
		return r.code
	}
	return ""
}

// unsigned reports whether an answer is a refusal that the plugin cannot sign, because nobody proved who asks or
// because it broke down before. It is believed no more than any other error page.
func unsigned(a fetch.Response) bool {
	if len(a.Body) > 4<<10 {
		return false
	}
	switch code := problemCode(a.Body); code {
	case codeMissing, codeBadSignature, codeRevoked:
		return a.Status == http.StatusUnauthorized
	case codeNotConnecting:
		return a.Status == http.StatusNotFound
	case codeFailed:
		return a.Status == http.StatusServiceUnavailable
	default:
		return false
	}
}

// problemCode is the code that an answer names, "" where it names none that can be one.
func problemCode(raw []byte) string {
	body, _ := split(raw)
	var said struct{ Code string }
	if body == nil || json.Unmarshal(body, &said) != nil || !strings.HasPrefix(said.Code, "mi_") ||
		strings.Trim(said.Code, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return ""
	}
	return shorten(said.Code)
}

// refused makes the fault of a refusal. Read is the code, never the message.
func (c *client) refused(status int, raw []byte) error {
	r := &refusal{code: problemCode(raw)}
	body, _ := split(raw)
	var said struct{ Data problemData }
	if r.code == "" {
		return c.unknown(fmt.Errorf("%w: no code (status %d)", errShape, status))
	}
	if json.Unmarshal(body, &said) == nil { // data that is not as it should be says less, and the code still counts
		r.data = said.Data
	}
	f := c.no(r, status)
	f.Status = status
	f.RetryAfter = time.Duration(max(0, min(r.data.RetryAfter, 86400))) * time.Second
	return f
}

const (
	ourScreen  = "In WordPress open MemberPress, MemberIntel"
	allowPaths = "/wp-json/memberintel/ and /?rest_route=/memberintel/"
	bothUpdate = "Update the MemberIntel plugin on the site and memberintel, so that they fit each other."
)

// no says what a refusal means to whoever runs the site.
func (c *client) no(r *refusal, status int) *fault.Error {
	denied := &fetch.Failure{Symptom: fetch.Denied, Cause: r}
	switch r.code {
	case codeMissing:
		return c.fault(fault.Unauthorized, denied, "loses the signature of memberintel's requests on their way to the plugin",
			"Look for a proxy, firewall or security plugin that removes headers beginning with X-MemberIntel-, and let them through.",
			"If the site stands behind a load balancer or a CDN, allow these headers there.")
	case codeBadSignature:
		return c.fault(fault.Unauthorized, denied, "does not accept the signature: the secret is another one, or something on the way changes the requests",
			ourScreen+", and connect again.",
			"If it comes back, look for a proxy or plugin that rewrites addresses or adds to them.")
	case codeRevoked:
		return c.fault(fault.Unauthorized, denied, "does not know the key any more: somebody disconnected memberintel there, or the site was restored from a backup",
			ourScreen+", and connect again.",
			"If nobody disconnected it, ask who restored the site or changed the keys and salts in wp-config.php.")
	case codeSkew:
		return c.fault(fault.Unavailable, denied, "has a clock that is "+skew(r.data.Seconds)+" memberintel's; more than 5 minutes are not accepted",
			"Ask whoever hosts the site to set the server's clock; most servers do it by themselves over NTP.",
			"If the site's clock is right, the one of the machine on which memberintel runs is wrong.")
	case codeReplayed:
		return c.fault(fault.Unavailable, denied, "gets memberintel's requests twice",
			"Look for a proxy, load balancer or CDN that repeats requests, and switch that off for "+allowPaths+".")
	case codeMoved:
		return c.fault(fault.Unauthorized, denied, "has another address than when it was connected"+calledNow(r.data.HomeURL),
			ourScreen+": it asks there whether the site has moved or is a copy, and goes on after the answer.",
			"If this is a staging site or a copy, answer that it is one; connect it on its own if it should be read.")
	case codeNoMemberPress:
		return c.fault(fault.NotFound, denied, "does not run MemberPress now",
			"In WordPress open Plugins and activate MemberPress.",
			"If the site no longer uses MemberPress, disconnect it.")
	case codeNoEntity:
		return c.fault(fault.NotPermitted, denied, "has no "+named(r.data.Entity),
			"Nothing needs to be done: the site has no such data.")
	case codeNotConnecting:
		return c.fault(fault.NotFound, denied, "does not wait for a connection any more",
			ourScreen+", and click Connect again; it waits for ten minutes.")
	case codeProtocol:
		return c.unsupportedBy(denied, r.data.Min, r.data.Max)
	case codeResync:
		return c.fault(fault.BadCursor, denied, "begins its data anew"+because(r.data.Reason),
			"Nothing needs to be done: everything is read once more.")
	case codeBusy:
		return c.fault(fault.RateLimited, &fetch.Failure{Symptom: fetch.TooMany, Cause: r}, "is at work on another request of memberintel",
			"Nothing needs to be done: the sync goes on in a moment.")
	case codeFailed:
		return c.fault(fault.Unavailable, &fetch.Failure{Symptom: fetch.ServerError, Cause: r}, "could not answer: its database or PHP failed",
			"Look into the PHP error log of the site for lines that begin with \"memberintel:\".",
			"Ask whoever hosts the site whether its database is well.",
			"Nothing needs to be done if it works again: the next sync catches up.")
	default:
		return c.fault(kindOf(status), denied, "refuses for a reason that this memberintel does not know ("+r.code+")", bothUpdate)
	}
}

// calledNow names the address that a site gives itself.
func calledNow(home string) string {
	at, err := url.Parse(home)
	if err != nil || at.Host == "" {
		return ""
	}
	return "; it calls itself " + shorten(at.Host+at.Path) + " now"
}

// named is an entity's name as a sentence can hold it.
func named(entity string) string {
	if entity == "" || strings.Trim(entity, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "such data"
	}
	return shorten(strings.ReplaceAll(entity, "_", " "))
}

// kindOf is what the protocol gives to a status, for codes that are newer than this program.
func kindOf(status int) fault.Kind {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault.Unauthorized
	case http.StatusNotFound:
		return fault.NotFound
	case http.StatusConflict:
		return fault.Schema
	case http.StatusTooManyRequests:
		return fault.RateLimited
	case http.StatusServiceUnavailable:
		return fault.Unavailable
	default:
		return fault.Invalid
	}
}

// skew says how far a site's clock is off, of which the plugin told how many seconds the request was ahead.
func skew(ahead int64) string {
	where := "ahead of"
	if ahead > 0 {
		where = "behind"
	} else {
		ahead = -ahead
	}
	number, unit := ahead, "second"
	switch {
	case ahead >= 2*86400:
		number, unit = ahead/86400, "day"
	case ahead >= 2*3600:
		number, unit = ahead/3600, "hour"
	case ahead >= 120:
		number, unit = ahead/60, "minute"
	}
	if number != 1 {
		unit += "s"
	}
	return strconv.FormatInt(number, 10) + " " + unit + " " + where
}

// because says why data begins anew.
func because(reason string) string {
	switch reason {
	case "epoch":
		return ": it was connected anew, moved to another database, or the plugin was installed anew"
	case "ahead":
		return ": it was restored from a backup"
	case "pruned":
		return ": the last sync is longer ago than the 90 days for which it remembers what was deleted"
	case "before_baseline":
		return ": what is asked for is longer ago than the plugin has been watching"
	case "entities":
		return ": memberintel reads more of it than it did at the last sync"
	default:
		return ""
	}
}
