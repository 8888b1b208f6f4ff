package warehouse_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
	"memberintel/internal/warehouse"
)

// Somebody whom two platforms know is one person with the status that is worth most; one whom two addresses suggest is two.
func TestWhoIsWhere(t *testing.T) {
	w := newWorld(t)
	member := func(id, email, status, bears string) canonical.Member {
		m := canonical.Member{Head: head(id, fetched(0, 0), id), Email: ptr(email), Metadata: []byte(`{"membership_status": "` + status + `"}`)}
		if bears != "" {
			m.ForeignIDs = []byte(bears)
		}
		return m
	}
	w.apply(&canonical.Batch{Members: []canonical.Member{
		member("cus_1", "ann@x.example", "past_due", ""), member("cus_2", "bea@x.example", "active", ""), member("cus_3", "cid@x.example", "active", ""),
	}})
	w.src = canonical.Source{Platform: "memberpress", AccountID: "site", Livemode: true}
	w.apply(&canonical.Batch{Members: []canonical.Member{
		member("1", "ann@x.example", "active", `["cus_1"]`), member("2", "bea@x.example", "expired", `["cus_2"]`), member("3", "cid@x.example", "none", ""),
	}})
	err := w.db.TenantTx(t.Context(), w.tenant, func(tx *postgres.TenantTx) error {
		if err := w.w.Link(t.Context(), tx); err != nil {
			return err
		}
		people, err := warehouse.WhoIsWhere(t.Context(), tx)
		if err != nil {
			return err
		}
		want := warehouse.People{Platforms: []warehouse.PlatformCount{{Platform: "memberpress", Members: 3}, {Platform: "stripe", Members: 3}}, Linked: 2, Candidates: 1}
		if diff := cmp.Diff(want, people); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		summary, err := warehouse.Summarise(t.Context(), tx)
		if diff := cmp.Diff([]warehouse.StatusCount{{Status: "active", Count: 3}, {Status: "none", Count: 1}}, summary.Members); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
