package canonical

// Exponent returns how many decimal places the minor unit of a lower-case currency has, for display alone: amounts
// are stored as the source gives them. The lists are Stripe's. Most have two; the zero-decimal ones have none, and three of the Gulf and
// their like have three.
//
// Four are special. ISK and UGX have no minor unit any more, but Stripe still gives them with two decimals
// that are always 00, so two is right for display. HUF and TWD have two in charges, and only payouts must be
// whole.
func Exponent(currency string) int {
	switch currency {
	case "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf":
		return 0
	case "bhd", "jod", "kwd", "omr", "tnd":
		return 3
	}
	return 2
}
