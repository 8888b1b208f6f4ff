package stripe

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"memberintel/internal/syncrun"
)

// listServer speaks Stripe's list API in the plainest way, over objects that are given to it. It shares no
// code with the simulated Stripe.
type listServer struct{ objects map[string][]map[string]any }

func (s *listServer) add(list string, object map[string]any, changes map[string]any) map[string]any {
	copied := maps.Clone(object)
	maps.Copy(copied, changes)
	s.objects[list] = append(s.objects[list], copied)
	return copied
}

func (s *listServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if len(parts) == 2 && parts[1] == "account" {
		http.Error(w, `{"error":{"type":"invalid_request_error","message":"no"}}`, http.StatusForbidden)
		return
	}
	if len(parts) == 3 {
		for _, o := range s.objects[parts[1]] {
			if o["id"] == parts[2] {
				_ = json.NewEncoder(w).Encode(o)
				return
			}
		}
		http.Error(w, `{"error":{"type":"invalid_request_error","code":"resource_missing","message":"no such object"}}`, http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(s.page(parts[1], r))
}

func (s *listServer) page(list string, r *http.Request) map[string]any {
	q := r.URL.Query()
	limit, _ := strconv.Atoi(q.Get("limit"))
	if limit == 0 {
		limit = 10
	}
	found := []map[string]any{}
	skipping := q.Get("starting_after") != ""
	for _, o := range s.objects[list] {
		created, _ := o["created"].(float64)
		switch {
		case skipping:
			skipping = o["id"] != q.Get("starting_after")
		case q.Get("active") != "" && fmt.Sprint(o["active"]) != q.Get("active"),
			list == "subscriptions" && q.Get("status") == "" && o["status"] == "canceled",
			!within(created, q.Get("created[gte]"), q.Get("created[lt]")):
		default:
			found = append(found, o)
		}
	}
	return map[string]any{"object": "list", "url": r.URL.Path, "has_more": len(found) > limit, "data": found[:min(limit, len(found))]}
}

func within(created float64, from, before string) bool {
	if n, err := strconv.ParseFloat(from, 64); err == nil && created < n {
		return false
	}
	n, err := strconv.ParseFloat(before, 64)
	return err != nil || created < n
}

// TestOfficialFixturesLand syncs and verifies a server of Stripe's own fixtures, in the shapes of before and
// after 2025, several hundred of each so that lists have pages.
func TestOfficialFixturesLand(t *testing.T) {
	raw, err := os.ReadFile("testdata/fixtures.json")
	if err != nil {
		t.Fatal(err)
	}
	var fixtures struct {
		Resources map[string]map[string]any `json:"resources"`
	}
	if err := json.Unmarshal(raw, &fixtures); err != nil {
		t.Fatal(err)
	}
	if fixtures.Resources == nil {
		if err := json.Unmarshal(raw, &fixtures.Resources); err != nil {
			t.Fatal(err)
		}
	}
	server := &listServer{objects: map[string][]map[string]any{}}
	const each = 250
	for i := range each {
		for _, object := range []string{"customer", "product", "price", "subscription", "invoice", "charge", "refund", "dispute", "payment_intent"} {
			fixture := fixtures.Resources[object]
			changes := map[string]any{"id": fmt.Sprintf("%v%03d", fixture["id"], i), "created": float64(1_600_000_000 + i*1000)}
			if i%2 == 0 {
				maps.Copy(changes, oldShape(object, i))
			} else if object == "subscription" {
				changes["items"] = withItem(t, fixture["items"], fmt.Sprintf("si_%03d", i))
			}
			server.add(object+"s", fixture, changes)
		}
	}
	for list := range server.objects {
		slices.Reverse(server.objects[list]) // newest first
	}
	w := newWorld(t)
	w.api.Close()
	w.api = httptest.NewServer(server)
	t.Cleanup(w.api.Close)
	w.p = w.pipeline()
	report := w.sync("")
	if report.Status != syncrun.Succeeded || report.RecordsProcessed < 9*each {
		t.Fatalf("%d records, %s: %v", report.RecordsProcessed, report.Status, report.ErrorMessage)
	}
	w.mustEqual(w.c)
	for table, want := range map[string]int{
		"members": each, "plans": 2*each + 2, "subscriptions": each, "invoices": each, "payment_intents": each,
		"transactions": 3 * each,
	} {
		if n := one[int](w, w.c, "SELECT count(*) FROM "+table+" WHERE deleted_at IS NULL"); n != want {
			t.Errorf("%s: %d rows, want %d", table, n, want)
		}
	}
	if n := one[int](w, w.c, `SELECT count(*) FROM subscriptions WHERE current_period_end = to_timestamp(976287773)`); n != each {
		t.Errorf("%d subscriptions have their period, wherever it stood; want %d", n, each)
	}
}

// withItem is the list of a subscription's items with another id, since items belong to one subscription.
func withItem(t *testing.T, items any, id string) (out any) {
	t.Helper()
	raw, err := json.Marshal(items)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(string(raw), "si_QXhVnC2h0Jczwc", id)), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// oldShape is what an object showed before 2025-03-31 and in another place since.
func oldShape(object string, i int) map[string]any {
	switch object {
	case "subscription":
		return map[string]any{
			"current_period_start": 1896570518.0, "current_period_end": 976287773.0,
			"items": map[string]any{"object": "list", "has_more": false, "url": "/v1/subscription_items", "data": []any{map[string]any{
				"id": fmt.Sprintf("si_%03d", i), "object": "subscription_item", "created": 1.0, "metadata": map[string]any{}, "quantity": 1.0,
				"price": map[string]any{
					"id": "price_old", "object": "price", "active": true, "billing_scheme": "per_unit", "created": 1.0, "currency": "usd",
					"livemode": false, "metadata": map[string]any{}, "product": "prod_QXg1hqf4jFNsqG000", "type": "recurring", "unit_amount": 500.0,
					"recurring": map[string]any{"interval": "month", "interval_count": 1.0, "usage_type": "licensed"},
				},
			}}},
		}
	case "invoice":
		return map[string]any{"subscription": fmt.Sprintf("sub_%03d", i), "charge": nil, "payment_intent": nil, "paid": false, "parent": nil}
	case "charge":
		return map[string]any{"invoice": fmt.Sprintf("in_%03d", i)}
	default:
		return nil
	}
}
