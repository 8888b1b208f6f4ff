package identity_test

import (
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

func create(t *testing.T, db *postgres.DB, name string) identity.Tenant {
	t.Helper()
	created, err := identity.CreateTenant(t.Context(), db, name, "")
	if err != nil {
		t.Fatal(err)
	}
	return created
}

func newVault(t *testing.T) *connection.Vault {
	t.Helper()
	vault, err := connection.OpenVault(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return vault
}

func TestATenantIsFoundByIDAndName(t *testing.T) {
	db := pgtest.New(t)
	club := create(t, db, "  Lakeside Tennis ")
	if club.Name != "Lakeside Tennis" || club.Plan != tenant.Pro {
		t.Errorf("got %+v", club)
	}
	other := create(t, db, "Abbey Rowing")
	for _, by := range []string{"Lakeside Tennis", club.ID.String(), strings.ToUpper(club.ID.String())} {
		got, err := identity.Find(t.Context(), db, by)
		if diff := cmp.Diff(club, got); diff != "" || err != nil {
			t.Errorf("by %s: %v %s", by, err, diff)
		}
	}
	for _, by := range []string{"", "lakeside", uuid.NewString(), "a\x00b"} {
		_, err := identity.Find(t.Context(), db, by)
		if !fault.Is(err, fault.NotFound) || !strings.Contains(fault.Sentence(err), "tenant list") {
			t.Errorf("by %q: got %v", by, err)
		}
	}
	list, err := identity.List(t.Context(), db)
	if diff := cmp.Diff([]identity.Tenant{other, club}, list); diff != "" || err != nil {
		t.Errorf("got %v %s", err, diff)
	}
}

func TestATenantNeedsANameOfItsOwn(t *testing.T) {
	db := pgtest.New(t)
	create(t, db, "Lakeside")
	if _, err := identity.CreateTenant(t.Context(), db, "Lakeside", tenant.Free); !fault.Is(err, fault.Conflict) {
		t.Errorf("got %v", err)
	}
	for _, name := range []string{"", " ", "a\nb", "a\xff", strings.Repeat("é", 201), uuid.NewString()} {
		if _, err := identity.CreateTenant(t.Context(), db, name, tenant.Free); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v", name, err)
		}
	}
	if _, err := identity.CreateTenant(t.Context(), db, "B", "gold"); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
	create(t, db, strings.Repeat("é", 200))
}

func TestAPlanIsSetForATenantThatExists(t *testing.T) {
	db := pgtest.New(t)
	club := create(t, db, "Lakeside")
	if changed, err := identity.SetPlan(t.Context(), db, club.ID, tenant.Free, "cli"); err != nil || !changed {
		t.Errorf("got %t, %v", changed, err)
	}
	if got, _ := identity.Find(t.Context(), db, "Lakeside"); got.Plan != tenant.Free {
		t.Errorf("got %+v", got)
	}
	if _, err := identity.SetPlan(t.Context(), db, uuid.New(), tenant.Free, "cli"); !fault.Is(err, fault.NotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := identity.SetPlan(t.Context(), db, club.ID, "gold", "cli"); !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

func TestAReaderSeesItsTenantWhateverItSets(t *testing.T) {
	db, vault := pgtest.New(t), newVault(t)
	mine, other := create(t, db, "Mine"), create(t, db, "Other")
	_, err := pgtest.Owner(t, db).Exec(t.Context(), `
		INSERT INTO sync_run (tenant_id, connection_id, pipeline_type, mode)
		VALUES ($1, gen_random_uuid(), 'stripe', 'full'), ($2, gen_random_uuid(), 'stripe', 'full')`, mine.ID, other.ID)
	if err != nil {
		t.Fatal(err)
	}
	address, err := identity.EnsureReader(t.Context(), db, vault, mine.ID)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, before := range []string{`SELECT 1`, `SET app.tenant_id = '` + other.ID.String() + `'`, `SET ROLE memberintel_reader`} {
		if _, err := conn.Exec(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		var seen []tenant.ID
		if err := conn.QueryRow(t.Context(), `SELECT array_agg(tenant_id) FROM sync_run`).Scan(&seen); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]tenant.ID{mine.ID}, seen); diff != "" {
			t.Errorf("after %s: %s", before, diff)
		}
	}
	for _, forbidden := range []string{
		`SELECT sealed_password FROM tenant_reader`, `SELECT * FROM connection_secret`, `SELECT * FROM tenant`,
		`SET default_transaction_read_only = off; DELETE FROM sync_run`, `SET ROLE memberintel_app`,
	} {
		if _, err := conn.Exec(t.Context(), forbidden); err == nil {
			t.Errorf("%s was let through", forbidden)
		}
	}
}

func TestAReaderIsMadeOnceAndMendedWhenBroken(t *testing.T) {
	db, vault := pgtest.New(t), newVault(t)
	club := create(t, db, "Lakeside")
	const many = 4
	addresses := make([]string, many)
	var group sync.WaitGroup
	for i := range many {
		group.Go(func() {
			var err error
			if addresses[i], err = identity.EnsureReader(t.Context(), db, vault, club.ID); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	for _, address := range addresses {
		if address == "" || address != addresses[0] {
			t.Errorf("got %q and %q", address, addresses[0])
		}
	}
	target, err := url.Parse(addresses[0])
	if err != nil {
		t.Fatal(err)
	}
	role := "memberintel_reader_" + strings.ReplaceAll(club.ID.String(), "-", "")
	if target.User.Username() != role {
		t.Errorf("got %s", target.User.Username())
	}
	if _, err := identity.EnsureReader(t.Context(), db, newVault(t), club.ID); err != nil {
		t.Errorf("with the keys lost: %v", err)
	}
	if _, err := pgtest.Owner(t, db).Exec(t.Context(), `DROP ROLE `+role); err != nil {
		t.Fatal(err)
	}
	if _, err := identity.EnsureReader(t.Context(), db, vault, club.ID); err != nil {
		t.Errorf("with the login gone: %v", err)
	}
	if _, err := identity.EnsureReader(t.Context(), db, vault, uuid.New()); !fault.Is(err, fault.NotFound) {
		t.Errorf("for nobody: %v", err)
	}
}

func TestAReadersPasswordSurvivesARotation(t *testing.T) {
	db, vault := pgtest.New(t), newVault(t)
	club := create(t, db, "Lakeside")
	reseal := func() {
		t.Helper()
		err := db.TenantTx(t.Context(), club.ID, func(tx *postgres.TenantTx) error {
			return identity.ResealReader(t.Context(), tx, vault)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	reseal()
	if _, err := identity.EnsureReader(t.Context(), db, vault, club.ID); err != nil {
		t.Fatal(err)
	}
	sealed := func() (b []byte) {
		err := pgtest.Owner(t, db).QueryRow(t.Context(), `SELECT sealed_password FROM tenant_reader`).Scan(&b)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	before := sealed()
	if err := vault.Rotate(); err != nil {
		t.Fatal(err)
	}
	reseal()
	after := sealed()
	if string(after[:5]) == string(before[:5]) {
		t.Error("the old key seals it still")
	}
	old, errOld := vault.Open(club.ID, "reader_password", before)
	renewed, errNew := vault.Open(club.ID, "reader_password", after)
	if errOld != nil || errNew != nil || string(old) != string(renewed) {
		t.Errorf("the password changed: %v, %v", errOld, errNew)
	}
}
