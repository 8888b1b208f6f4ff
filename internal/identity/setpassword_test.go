package identity_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

const next = "four large green boats"

func TestAnotherPasswordEndsAllSessions(t *testing.T) {
	db := pgtest.New(t)
	users, club, other := identity.NewUsers(db), create(t, db, "Lakeside"), create(t, db, "Abbey")
	owner(t, users, club.ID)
	if _, _, err := users.Create(t.Context(), other.ID, anna, identity.RoleViewer, password, "test"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := users.Create(t.Context(), club.ID, "bob@lakeside.example", identity.RoleViewer, password, "test"); err != nil {
		t.Fatal(err)
	}
	annas, err := users.SignIn(t.Context(), anna, password, here)
	if err != nil {
		t.Fatal(err)
	}
	bobs, err := users.SignIn(t.Context(), "bob@lakeside.example", password, here)
	if err != nil {
		t.Fatal(err)
	}
	for wrong, kind := range map[[2]string]fault.Kind{
		{anna, "short"}: fault.Invalid, {anna, strings.Repeat("x", 1025)}: fault.Invalid, {"eve@lakeside.example", next}: fault.NotFound,
	} {
		if err := users.SetPassword(t.Context(), wrong[0], wrong[1], "cli"); !fault.Is(err, kind) {
			t.Errorf("%.40v: %v", wrong, err)
		}
	}
	if err := users.SetPassword(t.Context(), " Anna@Lakeside.example ", next, "cli"); err != nil {
		t.Fatal(err)
	}
	if _, err := users.Session(t.Context(), annas); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("the old session: %v", err)
	}
	if _, err := users.Session(t.Context(), bobs); err != nil {
		t.Errorf("somebody else's session: %v", err)
	}
	if _, err := users.SignIn(t.Context(), anna, password, here); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("the old password: %v", err)
	}
	if _, err := users.SignIn(t.Context(), anna, next, here); err != nil {
		t.Errorf("the new password: %v", err)
	}
	for id, want := range map[tenant.ID][]string{
		club.ID:  {"test user.create", "test user.create", anna + " user.sign_in", "bob@lakeside.example user.sign_in", "cli user.password", anna + " user.sign_in"},
		other.ID: {"test user.create", anna + " user.sign_in", "cli user.password", anna + " user.sign_in"},
	} {
		if diff := cmp.Diff(want, audited(t, db, id)); diff != "" {
			t.Error(diff)
		}
	}
}

// Whoever signs in with the old password at this moment is not signed in afterwards.
func TestNobodySlipsThroughWhileAPasswordChanges(t *testing.T) {
	db := pgtest.New(t)
	users, club := identity.NewUsers(db), create(t, db, "Lakeside")
	owner(t, users, club.ID)
	var group sync.WaitGroup
	tokens := make([]string, 6)
	for i := range tokens {
		group.Go(func() {
			if i == 1 {
				if err := users.SetPassword(t.Context(), anna, next, "cli"); err != nil {
					t.Error(err)
				}
				return
			}
			token, err := users.SignIn(t.Context(), anna, password, here)
			if err != nil && !fault.Is(err, fault.Unauthorized) {
				t.Error(err)
			}
			tokens[i] = token
		})
	}
	group.Wait()
	for _, token := range tokens {
		if _, err := users.Session(t.Context(), token); !fault.Is(err, fault.Unauthorized) {
			t.Errorf("a session of the old password: %v", err)
		}
	}
}
