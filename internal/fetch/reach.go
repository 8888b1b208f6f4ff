package fetch

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	"memberintel/internal/fault"
)

// Reach says whether the guard lets a request to the address through, and sends none: it resolves the name and
// looks at each address that it has. The fault is the one that a request would meet, except that a single word
// which no name server knows is told as no address. A name can lead elsewhere a moment later, which is why each
// request is guarded all the same.
func (c *Client) Reach(ctx context.Context, address string) error {
	u, err := parse(address)
	if err != nil {
		return err
	}
	resolver := c.cfg.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return parseFault()
	}
	found, err := resolver.LookupNetIP(ctx, "ip", u.Hostname())
	var unknown *net.DNSError
	if errors.As(err, &unknown) && ctx.Err() == nil && !strings.Contains(strings.Trim(u.Hostname(), "."), ".") {
		return fault.Wrap(fault.Invalid, err, "%s is not the address of a site, which must look like https://www.example.org.", u.Hostname())
	}
	for _, ip := range found {
		network := "tcp6"
		if ip.Unmap().Is4() {
			network = "tcp4"
		}
		if refused := guard(c.cfg.Allow)(network, net.JoinHostPort(ip.Unmap().String(), strconv.FormatUint(number, 10)), nil); refused != nil {
			err = refused
			break
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return diagnose(Response{}, err, true).fault(u.Host, 0, Response{}, c.cfg.Now())
	}
	return nil
}
