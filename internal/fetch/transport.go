package fetch

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"code.dny.dev/ssrf"
)

// newTransport goes to the site itself: through a proxy the guard would see the proxy's address alone.
func newTransport(cfg Config) *http.Transport {
	dialer := &net.Dialer{Timeout: 15 * time.Second, Resolver: cfg.Resolver, Control: guard(cfg.Allow)}
	return &http.Transport{
		Proxy:                  nil,
		DialContext:            dialer.DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: cfg.Roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    15 * time.Second,
		DisableKeepAlives:      true,
		ForceAttemptHTTP2:      true,
		MaxResponseHeaderBytes: 256 << 10, // some plugins set many cookies
	}
}

// guard looks at each address after the name was resolved, so that a name that changes its address between
// two questions gains nothing. Private, loopback, link-local and metadata addresses are refused, and so are
// ports on which no website is. What is allowed is allowed on every port.
func guard(allow []netip.Prefix) func(network, address string, c syscall.RawConn) error {
	public := ssrf.New(ssrf.WithPorts(80, 443, 8080, 8443), ssrf.WithDeniedV4Prefixes(
		netip.MustParsePrefix("168.63.129.16/32"), // Azure's metadata, a public address that is none
	))
	return func(network, address string, c syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err == nil {
			for _, prefix := range allow {
				if prefix.Contains(at.Addr().Unmap()) {
					return nil
				}
			}
		}
		err = public.Safe(network, address, c)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ssrf.ErrProhibitedPort) && public.SafeAddr(at.Addr()) == nil: // nothing else is wrong with it
			return fmt.Errorf("%w: %w", errPort, err)
		default:
			return fmt.Errorf("%w: %w", errAddress, err)
		}
	}
}

// newBody is a body that the transport cannot send a second time.
func newBody(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b)) }
