package page

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Money writes minor units with their currency, as in USD 1,234.50. The number of decimals is the one in
// which the source counts minor units.
func Money(minor int64, currency string) string {
	currency = strings.ToUpper(currency)
	decimals := 2
	switch {
	case slices.Contains([]string{"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"}, currency):
		decimals = 0
	case slices.Contains([]string{"BHD", "JOD", "KWD", "OMR", "TND"}, currency):
		decimals = 3
	}
	sign := ""
	if minor < 0 {
		sign, minor = "-", -minor
	}
	digits := fmt.Sprintf("%0*d", decimals+1, minor)
	whole, fraction := digits[:len(digits)-decimals], digits[len(digits)-decimals:]
	if fraction != "" {
		fraction = "." + fraction
	}
	return currency + " " + sign + thousands(whole) + fraction
}

// thousands puts a comma after every third digit from the right.
func thousands(digits string) string {
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// Count writes a number with its thousands apart.
func Count(n int64) string {
	if n < 0 {
		return "-" + thousands(strconv.FormatInt(-n, 10))
	}
	return thousands(strconv.FormatInt(n, 10))
}
