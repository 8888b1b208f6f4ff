package memberpress

import (
	"strings"

	"memberintel/internal/canonical"
)

// siteOf maps the handshake.
func siteOf(h Handshake, at canonical.Observation) canonical.Batch {
	currency := strings.ToLower(h.Site.Currency)
	base := some(h.Site.SiteURL)
	if h.Site.SiteURL == h.Site.HomeURL {
		base = nil
	}
	return canonical.Batch{Sites: []canonical.Site{{
		Head:            canonical.Head{SourceID: h.SiteID, APIVersion: "1", Raw: h.Raw, Observed: at},
		URL:             some(h.Site.HomeURL),
		BaseURL:         base,
		Name:            some(h.Site.Name),
		Language:        some(h.Site.Locale),
		Timezone:        some(h.Site.Timezone),
		Currency:        some(currency),
		PlatformVersion: some(h.Site.MemberPressVersion),
	}}}
}
