package fetch

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"memberintel/internal/fault"
)

// parse accepts what can be asked at all. What it lets through is still looked at by the guard, when its name
// has become an address.
func parse(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	if err != nil || !askable(u) {
		return nil, parseFault()
	}
	return u, nil
}

func askable(u *url.URL) bool {
	if u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.Hostname() == "" || strings.HasSuffix(u.Host, ":") {
		return false
	}
	if port := u.Port(); port != "" {
		if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
			return false
		}
	}
	return !disguised(u.Hostname())
}

// disguised reports whether a host is an address that is not written as one: 2130706433, 0x7f.1, 0177.0.0.1,
// 127.1 or full-width digits. To some resolvers these are addresses and to others names, so nobody can say
// where they lead, and no website has such a name.
func disguised(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return false
	}
	plain, err := idna.Lookup.ToASCII(host)
	if err != nil {
		plain = host // what has underscores is a name all the same
	}
	labels := strings.Split(strings.TrimSuffix(strings.ToLower(plain), "."), ".")
	last := labels[len(labels)-1]
	return last == "" || strings.Trim(last, "0123456789") == "" ||
		strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == ""
}

func parseFault() error {
	return fault.New(fault.Invalid, "The address of a site must look like https://www.example.org.")
}
