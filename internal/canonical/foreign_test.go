package canonical

import "testing"

func TestForeign(t *testing.T) {
	for id, foreign := range map[string]bool{
		"cus_1": true, "sub_1": true, "ch_1": true, "py_1": true, "pi_1": true, "in_1": true, "cs_test_1": true, "seti_1": true,
		"": false, "9901": false, "ch": false, "ch_": false, "_1": false, "ts_1": false, "mp-sub-1": false, "mp-txn-1": false, "mi_3_1": false, "cus sub_1": false, "I-BW452GLLEP1G": false,
	} {
		if got := Foreign(id); (got != nil) != foreign || got != nil && *got != id {
			t.Errorf("%q: %v", id, got)
		}
	}
}
