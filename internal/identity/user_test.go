package identity_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
	"memberintel/internal/tenant"
)

const (
	anna     = "anna@lakeside.example"
	password = "three small red boats"
)

var here = netip.MustParseAddr("203.0.113.7")

func owner(t *testing.T, users *identity.Users, id tenant.ID) identity.User {
	t.Helper()
	user, _, err := users.Create(t.Context(), id, anna, identity.RoleOwner, password, "test")
	if err != nil {
		t.Fatal(err)
	}
	return user
}

func audited(t *testing.T, db *postgres.DB, id tenant.ID) (actions []string) {
	t.Helper()
	rows, err := pgtest.Owner(t, db).Query(t.Context(), `SELECT actor || ' ' || action FROM audit_event WHERE tenant_id = $1 ORDER BY audit_id`, id)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var action string
		if err := rows.Scan(&action); err != nil {
			t.Fatal(err)
		}
		actions = append(actions, action)
	}
	return actions
}

func TestAUserIsMadeOnceAndNotChangedInPassing(t *testing.T) {
	db := pgtest.New(t)
	users, club, other := identity.NewUsers(db), create(t, db, "Lakeside"), create(t, db, "Abbey")
	first, created, err := users.Create(t.Context(), club.ID, " Anna@Lakeside.example ", identity.RoleOwner, password, "cli")
	if err != nil || !created || first.Email != anna {
		t.Fatalf("got %+v, %t, %v", first, created, err)
	}
	again, created, err := users.Create(t.Context(), club.ID, anna, identity.RoleOwner, password, "cli")
	if diff := cmp.Diff(first, again); diff != "" || created || err != nil {
		t.Errorf("the same again: %t, %v %s", created, err, diff)
	}
	for name, try := range map[string]func() error{
		"another role": func() error {
			_, _, err := users.Create(t.Context(), club.ID, anna, identity.RoleViewer, password, "cli")
			return err
		},
		"another password": func() error {
			_, _, err := users.Create(t.Context(), other.ID, anna, identity.RoleOwner, "some other long password", "cli")
			return err
		},
	} {
		if err := try(); !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, created, err := users.Create(t.Context(), other.ID, anna, identity.RoleViewer, password, "cli"); !created || err != nil {
		t.Errorf("a second tenant: %t, %v", created, err)
	}
	got, err := users.Memberships(t.Context(), first.ID)
	want := []identity.Membership{{Tenant: other.ID, Name: "Abbey", Role: identity.RoleViewer}, {Tenant: club.ID, Name: "Lakeside", Role: identity.RoleOwner}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	if diff := cmp.Diff([]string{"cli user.create"}, audited(t, db, club.ID)); diff != "" {
		t.Error(diff)
	}
	for _, wrong := range [][3]string{{"anna", "owner", password}, {anna, "boss", password}, {anna, "owner", "short"}, {anna, "owner", strings.Repeat("x", 1025)}, {anna, "owner", ""}} {
		if _, _, err := users.Create(t.Context(), club.ID, wrong[0], identity.Role(wrong[1]), wrong[2], "cli"); !fault.Is(err, fault.Invalid) {
			t.Errorf("%.40v: %v", wrong, err)
		}
	}
}

func TestALoginThatServesNobodyTakesTheNextPassword(t *testing.T) {
	db := pgtest.New(t)
	users, club := identity.NewUsers(db), create(t, db, "Lakeside")
	// A crash between the login and its role leaves this.
	if _, _, err := users.Create(t.Context(), tenant.ID{1}, anna, identity.RoleOwner, "a password that was lost", "cli"); err == nil {
		t.Fatal("a role at no tenant")
	}
	owner(t, users, club.ID)
	if _, err := users.SignIn(t.Context(), anna, password, here); err != nil {
		t.Error(err)
	}
}

func TestSignInTellsNothingAndKeepsNothing(t *testing.T) {
	db := pgtest.New(t)
	users, club := identity.NewUsers(db), create(t, db, "Lakeside")
	owner(t, users, club.ID)
	_, wrong := users.SignIn(t.Context(), anna, "three small red boots", here)
	_, unknown := users.SignIn(t.Context(), "nobody@lakeside.example", password, here)
	_, long := users.SignIn(t.Context(), anna, strings.Repeat("x", 1<<20), here)
	for _, err := range []error{wrong, unknown, long} {
		if !fault.Is(err, fault.Unauthorized) || err.Error() != wrong.Error() {
			t.Errorf("got %v", err)
		}
	}
	token, err := users.SignIn(t.Context(), "Anna@lakeside.EXAMPLE", password, here)
	if err != nil {
		t.Fatal(err)
	}
	other, err := users.SignIn(t.Context(), anna, password, here)
	if err != nil || other == token {
		t.Fatalf("two sessions with one token, %v", err)
	}
	session, err := users.Session(t.Context(), token)
	if err != nil || session.Email != anna {
		t.Fatalf("got %v, %v", session, err)
	}
	for _, shown := range []string{fmt.Sprint(session), fmt.Sprintf("%+v %#v", session, session)} {
		if strings.Contains(shown, token) {
			t.Errorf("a session prints its token: %s", shown)
		}
	}
	if err := users.SignOut(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if _, err := users.Session(t.Context(), token); !fault.Is(err, fault.Unauthorized) {
		t.Errorf("after the end: %v", err)
	}
	if _, err := users.Session(t.Context(), other); err != nil {
		t.Errorf("the other session: %v", err)
	}
	if err := users.SignOut(t.Context(), token); err != nil {
		t.Errorf("twice: %v", err)
	}
	want := []string{"test user.create", anna + " user.sign_in", anna + " user.sign_in", anna + " user.sign_out"}
	if diff := cmp.Diff(want, audited(t, db, club.ID)); diff != "" {
		t.Error(diff)
	}
}

func TestASessionEndsWhenItIsIdleOrOld(t *testing.T) {
	db := pgtest.New(t)
	clock := pgtest.NewClock(t, db, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	users, club := identity.NewUsers(db), create(t, db, "Lakeside")
	owner(t, users, club.ID)
	token, err := users.SignIn(t.Context(), anna, password, here)
	if err != nil {
		t.Fatal(err)
	}
	idle, err := users.SignIn(t.Context(), anna, password, here)
	if err != nil {
		t.Fatal(err)
	}
	lasted := time.Duration(0)
	for ; err == nil && lasted < 30*24*time.Hour; lasted += 6 * time.Hour {
		clock.Advance(6 * time.Hour)
		_, err = users.Session(t.Context(), token)
		if lasted == 6*time.Hour {
			if _, err := users.Session(t.Context(), idle); !fault.Is(err, fault.Unauthorized) {
				t.Errorf("idle for 12 hours: %v", err)
			}
		}
	}
	if want := 7*24*time.Hour + 6*time.Hour; lasted > want || lasted < want-6*time.Hour || !fault.Is(err, fault.Unauthorized) {
		t.Errorf("a session in use lasted %v: %v", lasted, err)
	}
}

func TestGuessingIsStoppedAndStopsNobodyElse(t *testing.T) {
	db := pgtest.New(t)
	clock := pgtest.NewClock(t, db, time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	users, club := identity.NewUsers(db), create(t, db, "Lakeside")
	owner(t, users, club.ID)
	for range 10 {
		if _, err := users.SignIn(t.Context(), anna, "a wrong password", here); !fault.Is(err, fault.Unauthorized) {
			t.Fatal(err)
		}
	}
	for range 200 { // it goes on, and does not use up what the owner has elsewhere
		if _, err := users.SignIn(t.Context(), anna, password, here); !fault.Is(err, fault.RateLimited) {
			t.Fatalf("the right password, too: %v", err)
		}
	}
	if _, err := users.SignIn(t.Context(), anna, password, netip.MustParseAddr("198.51.100.9")); err != nil {
		t.Errorf("from elsewhere: %v", err)
	}
	clock.Advance(15*time.Minute + time.Second)
	if _, err := users.SignIn(t.Context(), anna, password, here); err != nil {
		t.Errorf("later: %v", err)
	}
}

func TestAnAddressAndAnAccountHaveALimitOfTheirOwn(t *testing.T) {
	db := pgtest.New(t)
	users := identity.NewUsers(db)
	limit := identity.Limit{Name: "x", Max: 2, Per: time.Minute}
	for i, want := range []fault.Kind{"", "", fault.RateLimited} {
		if err := users.Try(t.Context(), limit, "a"); fault.KindOf(err) != want {
			t.Errorf("try %d: %v", i, err)
		}
	}
	if err := users.Try(t.Context(), limit, "b"); err != nil {
		t.Error(err)
	}
	limit.Name = "y"
	if err := users.Try(t.Context(), limit, "a"); err != nil {
		t.Error(err)
	}
	for address, want := range map[string]string{"203.0.113.7": "203.0.113.7", "::ffff:203.0.113.7": "203.0.113.7", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64"} {
		if got := identity.Network(netip.MustParseAddr(address)); got != want {
			t.Errorf("%s counts as %s", address, got)
		}
	}
}

func TestARoleCountsFromTheNextQuestionOn(t *testing.T) {
	db := pgtest.New(t)
	users, club := identity.NewUsers(db), create(t, db, "Lakeside")
	user := owner(t, users, club.ID)
	for _, want := range []bool{true, false} {
		if changed, err := users.SetRole(t.Context(), club.ID, anna, identity.RoleViewer, "cli"); changed != want || err != nil {
			t.Errorf("got %t, %v", changed, err)
		}
	}
	err := db.TenantTx(t.Context(), club.ID, func(tx *postgres.TenantTx) error {
		role, err := identity.RoleOf(t.Context(), tx, user.ID)
		if role != identity.RoleViewer {
			t.Errorf("got %q", role)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := users.SetRole(t.Context(), club.ID, "bob@lakeside.example", identity.RoleViewer, "cli"); !fault.Is(err, fault.NotFound) {
		t.Errorf("somebody else: %v", err)
	}
}

func TestAFormIsGoodForItsSessionAndItsValues(t *testing.T) {
	db := pgtest.New(t)
	users, club := identity.NewUsers(db), create(t, db, "Lakeside")
	owner(t, users, club.ID)
	var sessions []identity.Session
	for range 2 {
		token, err := users.SignIn(t.Context(), anna, password, here)
		if err != nil {
			t.Fatal(err)
		}
		session, err := users.Session(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, session)
	}
	token := sessions[0].FormToken("a", "bc")
	if !sessions[0].Shown(token, "a", "bc") {
		t.Error("its own form is refused")
	}
	if sessions[0].Shown(token, "ab", "c") || sessions[0].Shown(token, "a") || sessions[0].Shown("", "a", "bc") || sessions[1].Shown(token, "a", "bc") ||
		(identity.Session{}).Shown((identity.Session{}).FormToken("a"), "a") {
		t.Error("a form is taken for another")
	}
}
