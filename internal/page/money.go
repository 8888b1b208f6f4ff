package page

import (
	"fmt"
	"strconv"
	"strings"

	"memberintel/internal/canonical"
)

// Money writes minor units with their currency, as in USD 1,234.50. The number of decimals is the one in
// which the source counts minor units.
func Money(minor int64, currency string) string {
	decimals := canonical.Exponent(strings.ToLower(currency))
	currency = strings.ToUpper(currency)
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

// Members names those whose membership_status is the given one: "past due members". The status none says that there is no
// membership.
func Members(status string) string {
	if status == "none" {
		return "without a membership"
	}
	return strings.ReplaceAll(status, "_", " ") + " members"
}
