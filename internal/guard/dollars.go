package guard

import (
	"fmt"
	"strconv"
	"strings"

	"memberintel/internal/fault"
)

// dearest is the highest price that is believed. No model costs a tenth of it; a slip of the decimal point may.
const dearest Micro = 10_000_000_000

// ParseDollars reads a price such as 0.10 to the last digit, of which there are at most six behind the point. What is nothing,
// or more than $10,000, is refused.
func ParseDollars(text string) (Micro, error) {
	whole, behind, _ := strings.Cut(text, ".")
	digits := whole + behind
	if whole == "" || len(whole) > 6 || len(behind) > 6 || strings.HasSuffix(text, ".") || strings.Trim(digits, "0123456789") != "" {
		return 0, fault.New(fault.Invalid, "%q is no amount of dollars: it must look like 0.10, with at most six digits behind the point.", text)
	}
	amount, err := strconv.ParseInt(digits+strings.Repeat("0", 6-len(behind)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("guard: read an amount of dollars: %w", err)
	}
	if m := Micro(amount); m > 0 && m <= dearest {
		return m, nil
	}
	return 0, fault.New(fault.Invalid, "%s dollars cannot be a price: it must be more than 0 and at most 10000.", text)
}

// Decimal writes the amount as ParseDollars reads it: exactly, with two digits behind the point or as many as it takes.
func (m Micro) Decimal() string {
	text := fmt.Sprintf("%d.%06d", m/1e6, m%1e6)
	for range 4 {
		text = strings.TrimSuffix(text, "0")
	}
	return text
}
