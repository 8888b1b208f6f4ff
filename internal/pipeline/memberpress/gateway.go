package memberpress

import "memberintel/internal/canonical"

// offlineClass is the gateway of cash and cheques, which has no test mode.
const offlineClass = "MeprArtificialGateway"

// gateways says of each gateway of a site whether it is in test mode. Nil is not known.
type gateways map[string]bool

// gatewaysOf reads what the handshake says. A row never says in which mode it was paid.
func gatewaysOf(h Handshake) gateways {
	modes := make(gateways, len(h.Site.Gateways))
	for _, g := range h.Site.Gateways {
		modes[g.ID] = g.Test && g.Class != offlineClass
	}
	return modes
}

// mark notes which transactions and subscriptions go through a gateway in test mode. Those that MemberPress has
// itself, manual and free, have none, and one that was taken away is taken to have been real.
func (modes gateways) mark(b *canonical.Batch) {
	if modes == nil {
		return
	}
	test := func(gateway *string) *bool {
		is := gateway != nil && modes[*gateway]
		return &is
	}
	for i := range b.Transactions {
		b.Transactions[i].Test = test(b.Transactions[i].Gateway)
	}
	for i := range b.Subscriptions {
		b.Subscriptions[i].Test = test(b.Subscriptions[i].Gateway)
	}
}
