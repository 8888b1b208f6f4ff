package consent

import (
	"bytes"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"sync/atomic"
	"testing"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/postgres"
	"memberintel/internal/postgres/pgtest"
)

// The key is stored, and the answer to the COMMIT is lost: the site gets the key that counts, and doing it again changes nothing.
func TestAKeyCountsWhoseCommitWasNotAnswered(t *testing.T) {
	direct := pgtest.New(t)
	made, err := identity.CreateTenant(t.Context(), direct, "Lakeside", "pro")
	if err != nil {
		t.Fatal(err)
	}
	owner, _, err := identity.NewUsers(direct).Create(t.Context(), made.ID, "anna@lakeside.example", identity.RoleOwner, "three small red boats", "test")
	if err != nil {
		t.Fatal(err)
	}
	vault, err := connection.OpenVault(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	db, lose := flaky(t, direct)
	f := New(db, connection.NewStore(vault), nil, Platform{
		Pipeline: connection.MemberPress,
		Credential: func(site, _ string, key Key) connection.Request {
			return connection.Request{CredentialKind: "key", Livemode: true, Secrets: map[string]string{"site": site, "key_id": key.ID, "secret": key.Secret}}
		},
	}, slog.New(slog.DiscardHandler), Patience{})
	a := agreement{TenantID: made.ID, UserID: owner.ID, SiteURL: "https://lakeside.example", SiteID: "6f1d1c0e-3b52-4f0e-9a55-2f6f0c1f7d10"}
	key := Key{newKeyID(), random()}
	lose.Store(true)
	first, err := f.keep(t.Context(), a, key, nil)
	if err != nil || lose.Load() {
		t.Fatalf("a key that is stored is refused: %v; the answer was lost: %t", err, !lose.Load())
	}
	again, err := f.keep(t.Context(), a, key, nil)
	if err != nil || again.ID != first.ID {
		t.Errorf("connection %s, want %s: %v", again.ID, first.ID, err)
	}
	if _, holds, err := f.holder(t.Context(), a, Key{newKeyID(), random()}); holds || err != nil {
		t.Errorf("a key that nobody has stored counts: %t, %v", holds, err)
	}
}

// flaky opens the database through a socket that swallows the next answer to a COMMIT, and the connection with it, once
// lose is set.
func flaky(t *testing.T, direct *postgres.DB) (db *postgres.DB, lose *atomic.Bool) {
	t.Helper()
	lose = &atomic.Bool{}
	at, err := url.Parse(direct.AppURL())
	if err != nil {
		t.Fatal(err)
	}
	query := at.Query()
	name := "/.s.PGSQL." + query.Get("port")
	server, folder := query.Get("host")+name, t.TempDir()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", folder+name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			upstream, err := (&net.Dialer{}).DialContext(t.Context(), "unix", server)
			if err != nil {
				_ = client.Close()
				return
			}
			go pass(client, upstream, func([]byte) bool { return true })
			go pass(upstream, client, func(said []byte) bool {
				return !bytes.Contains(said, []byte("COMMIT\x00")) || !lose.CompareAndSwap(true, false)
			})
		}
	}()
	query.Set("host", folder)
	at.RawQuery = query.Encode()
	if db, err = postgres.Connect(t.Context(), at.String(), direct.OwnerURL(), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db, lose
}

// pass hands on what is said until one side ends or what is said may not pass.
func pass(from, to net.Conn, may func([]byte) bool) {
	defer func() { _, _ = from.Close(), to.Close() }()
	said := make([]byte, 1<<16)
	for {
		n, err := from.Read(said)
		if err != nil || !may(said[:n]) {
			return
		}
		if _, err := to.Write(said[:n]); err != nil {
			return
		}
	}
}
