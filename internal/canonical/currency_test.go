package canonical

import "testing"

func TestExponents(t *testing.T) {
	for currency, want := range map[string]int{"usd": 2, "jpy": 0, "kwd": 3, "isk": 2, "ugx": 2, "huf": 2, "twd": 2} {
		if got := Exponent(currency); got != want {
			t.Errorf("%s: got %d, want %d", currency, got, want)
		}
	}
}
