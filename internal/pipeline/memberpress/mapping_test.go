package memberpress

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/canonical"
)

var update = flag.Bool("update", false, "write the goldens")

func seen() canonical.Observation {
	at := time.Date(2026, 11, 22, 4, 30, 0, 0, time.UTC)
	return canonical.Observation{From: at, Until: at, Fetched: true}
}

// TestMapContract maps every row of the contract's pages; what comes of it stands in testdata.
func TestMapContract(t *testing.T) {
	for _, entity := range []string{"members", "subscriptions", "transactions", "products", "rules", "coupons", "groups", "orders", "events", "corporate_accounts"} {
		t.Run(entity, func(t *testing.T) {
			var mapped []any
			for _, row := range rowsOf(t, entity) {
				batch, err := Map(1, entity, row, seen())
				if err != nil {
					mapped = append(mapped, err.Error())
					continue
				}
				mapped = append(mapped, shown(t, batch))
			}
			golden(t, "mapped_"+entity, mapped)
		})
	}
	t.Run("site", func(t *testing.T) {
		var answer struct {
			SiteID string `json:"site_id"`
			Site   json.RawMessage
		}
		h := Handshake{}
		if err := json.Unmarshal(answerOf(t, "sync"), &answer); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(answer.Site, &h.Site); err != nil {
			t.Fatal(err)
		}
		h.SiteID, h.Raw = answer.SiteID, answer.Site
		golden(t, "mapped_site", []any{shown(t, siteOf(h, seen()))})
	})
}

// answerOf is the answer of a message of the contract.
func answerOf(t *testing.T, message string) json.RawMessage {
	t.Helper()
	text, err := os.ReadFile("../../../wordpress/contract/" + message + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var found struct {
		Response struct{ JSON json.RawMessage }
	}
	if err := json.Unmarshal(text, &found); err != nil {
		t.Fatal(message, err)
	}
	return found.Response.JSON
}

func rowsOf(t *testing.T, entity string) []json.RawMessage {
	t.Helper()
	var page struct{ Rows []json.RawMessage }
	if err := json.Unmarshal(answerOf(t, entity), &page); err != nil || len(page.Rows) == 0 {
		t.Fatal(entity, "has no rows", err)
	}
	return page.Rows
}

// shown is a batch as the golden has it: what says nothing is left out, and bytes of JSON are shown as JSON.
func shown(t *testing.T, b canonical.Batch) any {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	return pruned(t, tree)
}

func golden(t *testing.T, name string, got any) {
	t.Helper()
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file := "testdata/" + name + ".json"
	if *update {
		if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil { //nolint:gosec // a golden
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(strings.TrimSpace(string(want)), "\n"), strings.Split(string(text), "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// pruned takes out nulls, empty texts, Raw (which is the row) and Observed.
func pruned(t *testing.T, value any) any {
	t.Helper()
	switch v := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, field := range v {
			switch key {
			case "Raw", "Observed":
			case "Metadata", "Address", "ForeignIDs", "PlanSourceIDs":
				if text, ok := field.(string); ok {
					out[key] = unpacked(t, text)
				}
			default:
				if field := pruned(t, field); field != nil && field != "" && field != false {
					out[key] = field
				}
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		for i := range v {
			v[i] = pruned(t, v[i])
		}
	}
	return value
}

// unpacked is the JSON in bytes that encoding/json has written as base64.
func unpacked(t *testing.T, text string) any {
	t.Helper()
	var raw []byte
	if err := json.Unmarshal([]byte(`"`+text+`"`), &raw); err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// TestMapRefuses changes one thing of a good row and looks for the refusal.
func TestMapRefuses(t *testing.T) {
	for name, c := range map[string]struct{ entity, old, new, want string }{
		"a new field":                  {"members", `"login":`, `"nickname":"x","login":`, "members 1: nickname: a field that this version does not know"},
		"a new field further down":     {"rules", `"unit":"days"`, `"unit":"days","zone":"UTC"`, "rules 80: zone: a field that this version does not know"},
		"a field that is gone":         {"members", `"login":"admin",`, ``, "members 1: login: is missing"},
		"a null":                       {"members", `"login":"admin"`, `"login":null`, "members 1: login: null"},
		"another type":                 {"members", `"login_count":210`, `"login_count":"210"`, "members 1: login_count: a JSON string"},
		"no id":                        {"members", `{"id":1,`, `{"id":"one",`, "members : id: not a positive whole number"},
		"a time with another zone":     {"members", `"2023-01-05T08:00:00Z"`, `"2023-01-05T08:00:00+01:00"`, "members 1: time: not a moment in UTC"},
		"a NUL":                        {"members", `"login":"admin"`, `"login":"ad\u0000min"`, "members : row: a NUL"},
		"an unknown status":            {"transactions", `"status":"confirmed"`, `"status":"chargeback"`, `transactions 9001: status: the value "chargeback"`},
		"an unknown type":              {"transactions", `"type":"subscription_confirmation"`, `"type":"tip"`, `transactions 9001: type: the value "tip"`},
		"an unknown state of an order": {"orders", `"status":"complete"`, `"status":"lost"`, `orders 31: status: the value "lost"`},
		"an unknown period":            {"subscriptions", `"period_type":"months"`, `"period_type":"moons"`, `subscriptions 700: period_type: the value "moons"`},
		"no amount":                    {"transactions", `"total":"0.00"`, `"total":"1e2"`, "transactions 9001: total: not an amount of money"},
		"a negative amount":            {"transactions", `"total":"0.00"`, `"total":"-1.00"`, "transactions 9001: total: a negative amount"},
		"an end that is no date":       {"transactions", `"expires_at":"2024-03-02T23:59:59Z"`, `"expires_at":"2024-00-10 00:00:00"`, "transactions 9001: time: not a moment in UTC"},
		"an end beside a lifetime":     {"transactions", `"lifetime":false`, `"lifetime":true`, "transactions 9001: lifetime: true beside expires_at"},
		"a membership that is not is":  {"rules", `"operator":"is"`, `"operator":"is_not"`, "rules 80: conditions: an operator"},
	} {
		t.Run(name, func(t *testing.T) {
			row, err := json.Marshal(rowsOf(t, c.entity)[0]) // without white space
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(row), c.old, c.new, 1)
			if changed == string(row) {
				t.Fatal("the row has no", c.old)
			}
			batch, err := Map(1, c.entity, json.RawMessage(changed), seen())
			var wrong *SchemaError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) || batch.Len() != 0 {
				t.Errorf("got %v and %d records, want %s", err, batch.Len(), c.want)
			}
		})
	}
	if _, err := Map(2, "members", json.RawMessage(`{"id":1}`), seen()); err == nil {
		t.Error("protocol 2 is mapped")
	}
}

func TestMinorUnits(t *testing.T) {
	for _, c := range []struct {
		decimal  string
		exponent int
		want     int64
		ok       bool
	}{
		{"29.00", 2, 2900, true}, {"0.10", 2, 10, true}, {"2900.00", 0, 2900, true}, {"103.50", 0, 104, true}, {"103.49", 0, 103, true},
		{"29.50", 3, 29500, true}, {"-3.20", 2, -320, true}, {"7", 2, 700, true}, {"90071992547409.93", 2, 9007199254740993, true},
		{"99999999999999.99", 3, 99999999999999990, true}, {"92233720368547758.08", 2, 0, false},
		{"", 2, 0, false}, {".5", 2, 0, false}, {"5.", 2, 0, false}, {"1,00", 2, 0, false}, {"1e3", 2, 0, false}, {"--1", 2, 0, false},
	} {
		if got, ok := minorUnits(c.decimal, c.exponent); got != c.want || ok != c.ok {
			t.Errorf("%q at %d: got %d %t, want %d %t", c.decimal, c.exponent, got, ok, c.want, c.ok)
		}
	}
}

func TestHoldsNUL(t *testing.T) {
	for raw, want := range map[string]bool{`"\u0000"`: true, `"\\u0000"`: false, `"\\\u0000"`: true, `"\\u0000 \u0000"`: true, `"a"`: false} {
		if holdsNUL([]byte(raw)) != want {
			t.Errorf("%s: want %t", raw, want)
		}
	}
}
