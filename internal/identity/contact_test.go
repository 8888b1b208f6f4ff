package identity_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

func contact(t *testing.T, db *postgres.DB, id tenant.ID) (c identity.Contact) {
	t.Helper()
	err := db.TenantTx(t.Context(), id, func(tx *postgres.TenantTx) (err error) {
		c, err = identity.ContactOf(t.Context(), tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestATenantMayNameWhomToTell(t *testing.T) {
	db := pgtest.New(t)
	club := create(t, db, "Oak Hill")
	if got := contact(t, db, club.ID); got.Tenant != "Oak Hill" || len(got.Emails) != 0 {
		t.Errorf("before anybody is there: %+v", got)
	}
	for _, step := range []struct {
		email   string
		changed bool
		want    []string
	}{{" anna@oakhill.example ", true, []string{"anna@oakhill.example"}}, {"anna@oakhill.example", false, []string{"anna@oakhill.example"}}, {"", true, []string{}}, {"", false, []string{}}} {
		changed, err := identity.SetContact(t.Context(), db, club.ID, step.email, "olga")
		if err != nil || changed != step.changed {
			t.Errorf("%q: changed %v, %v", step.email, changed, err)
		}
		if diff := cmp.Diff(step.want, contact(t, db, club.ID).Emails); diff != "" {
			t.Errorf("%q: %s", step.email, diff)
		}
	}
	var events, named int
	err := pgtest.Owner(t, db).QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE detail::text LIKE '%anna%') FROM audit_event
		WHERE actor = 'olga' AND action = 'tenant.contact' AND tenant_id = $1`, club.ID).Scan(&events, &named)
	if err != nil || events != 2 || named != 0 {
		t.Errorf("%d events, %d with the address, %v", events, named, err)
	}
	if _, err := identity.SetContact(t.Context(), db, uuid.New(), "a@b.example", "olga"); !fault.Is(err, fault.NotFound) {
		t.Errorf("of nobody: %v", err)
	}
}

func TestOwnersAreToldWhereNoAddressIsGiven(t *testing.T) {
	db := pgtest.New(t)
	club, other := create(t, db, "Oak Hill"), create(t, db, "Elm Park")
	users := identity.NewUsers(db)
	for email, role := range map[string]identity.Role{
		"bob@oakhill.example": identity.RoleOwner, "anna@oakhill.example": identity.RoleOwner, "eve@oakhill.example": identity.RoleViewer, "olga@memberintel.example": identity.RoleOperator,
	} {
		if _, _, err := users.Create(t.Context(), club.ID, email, role, "three small red boats", "olga"); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := users.Create(t.Context(), other.ID, "bob@oakhill.example", identity.RoleOwner, "three small red boats", "olga"); err != nil {
		t.Fatal(err)
	}
	told := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, contact(t, db, club.ID).Emails); diff != "" {
			t.Error(diff)
		}
	}
	told("anna@oakhill.example", "bob@oakhill.example")
	if _, err := identity.SetContact(t.Context(), db, club.ID, "office@oakhill.example", "olga"); err != nil {
		t.Fatal(err)
	}
	told("office@oakhill.example")
	if _, err := identity.SetContact(t.Context(), db, club.ID, "", "olga"); err != nil {
		t.Fatal(err)
	}
	if _, err := users.SetRole(t.Context(), club.ID, "anna@oakhill.example", identity.RoleViewer, "olga"); err != nil {
		t.Fatal(err)
	}
	told("bob@oakhill.example")
}

func TestOnlyAPlainAddressIsTaken(t *testing.T) {
	db := pgtest.New(t)
	club := create(t, db, "Oak Hill")
	for _, email := range []string{
		"anna", "anna@", "@oakhill.example", "Anna <anna@oakhill.example>", "anna@oakhill.example, bob@oakhill.example",
		"anna@oakhill.example\r\nBcc: all@world.example", "anna @oakhill.example", "ånna@oakhill.example", "anna@öak.example",
		`"a b"@oakhill.example`, strings.Repeat("a", 250) + "@b.example", "anna@oakhill.example\x00",
	} {
		if _, err := identity.SetContact(t.Context(), db, club.ID, email, "olga"); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v", email, err)
		}
	}
	if got := contact(t, db, club.ID); len(got.Emails) != 0 {
		t.Errorf("got %v", got)
	}
}
