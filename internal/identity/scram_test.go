package identity

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"testing"
)

// The exchange of RFC 7677, section 3: with the verifier a server accepts its proof and gives its signature.
func TestTheVerifierIsThatOfTheStandard(t *testing.T) {
	const exchange = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==," +
		"i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	verifier, err := scramVerifier("pencil", decode(t, "W22ZaJ0SNY7soEsUEjb6gQ=="))
	if err != nil {
		t.Fatal(err)
	}
	keys, ok := strings.CutPrefix(verifier, "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
	stored, server, two := strings.Cut(keys, ":")
	if !ok || !two {
		t.Fatalf("got %s", verifier)
	}
	clientKey := make([]byte, sha256.Size)
	subtle.XORBytes(clientKey, decode(t, "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), mac(decode(t, stored), exchange))
	if sum := sha256.Sum256(clientKey); string(sum[:]) != string(decode(t, stored)) {
		t.Error("the proof is not accepted")
	}
	if got := base64.StdEncoding.EncodeToString(mac(decode(t, server), exchange)); got != "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("got the signature %s", got)
	}
}

func decode(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
