package memberpress

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// contract is a file of wordpress/contract: one message, as the plugin's tests and the simulated site read it too.
type contract struct {
	Name string
	From string // who asks: "service", "plugin" or "browser"
	Key  struct{ ID, Secret string }

	Request struct {
		Method, Route string
		Query         map[string]string
		Headers       map[string]string
		Body          string
		StringToSign  *string `json:"string_to_sign"`
		Signature     *string
	}
	Response struct {
		Status       int
		Headers      map[string]string
		StringToSign *string `json:"string_to_sign"`
		Signature    *string
		Body         string
		JSON         json.RawMessage
	}
}

// contracts reads all messages, by name.
func contracts(t testing.TB) map[string]contract {
	t.Helper()
	files, err := filepath.Glob("../../../wordpress/contract/*.json")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	all := map[string]contract{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var c contract
		if err := json.Unmarshal(text, &c); err != nil {
			t.Fatal(file, err)
		}
		all[c.Name] = c
	}
	return all
}

func (c contract) secret(t testing.TB) []byte {
	t.Helper()
	secret, err := ParseSecret(c.Key.Secret)
	if err != nil {
		t.Fatal(c.Name, err)
	}
	return secret
}
