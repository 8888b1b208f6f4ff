package memberpress

import (
	"math"
	"strings"

	"memberintel/internal/canonical"
)

// currency returns the lower-case code.
func (m *mapper) currency(field, code string) string {
	lower := strings.ToLower(code)
	if len(lower) != 3 || strings.Trim(lower, "abcdefghijklmnopqrstuvwxyz") != "" {
		m.refuse(field, "not a currency's code")
	}
	return lower
}

// money turns a decimal into minor units of the currency. MemberPress writes two decimals whatever the currency: one
// without a minor unit is charged in whole units, rounded half up, as MemberPress' gateways round it.
func (m *mapper) money(field, decimal, currency string) int64 {
	minor, ok := minorUnits(decimal, canonical.Exponent(currency))
	if !ok {
		m.refuse(field, "not an amount of money")
	}
	return minor
}

// paid is money that may not be negative: the kind of a record says in which direction it went.
func (m *mapper) paid(field, decimal, currency string) int64 {
	minor := m.money(field, decimal, currency)
	if minor < 0 {
		m.refuse(field, "a negative amount")
	}
	return minor
}

// minorUnits reads a decimal with digits on both sides of the point, or none behind it, as a whole number of the
// unit with that many decimals. It computes without floating point.
func minorUnits(decimal string, exponent int) (int64, bool) {
	digits, negative := strings.CutPrefix(decimal, "-")
	whole, fraction, pointed := strings.Cut(digits, ".")
	if whole == "" || pointed && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, false
	}
	up := len(fraction) > exponent && fraction[exponent] >= '5'
	fraction = (fraction + "000")[:exponent]
	var minor int64
	for _, digit := range whole + fraction {
		if minor > (math.MaxInt64-9)/10 {
			return 0, false
		}
		minor = minor*10 + int64(digit-'0')
	}
	if up {
		minor++
	}
	if negative {
		minor = -minor
	}
	return minor, true
}
