package app

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSecretsFromStdin(t *testing.T) {
	for _, test := range []struct {
		name, stdin string
		env         map[string]string
		want        Secrets
	}{
		{"lines", "MEMBERINTEL_STRIPE_KEY=rk_test_a\nMEMBERINTEL_STRIPE_WEBHOOK_SECRET=whsec_a,whsec_b", nil,
			Secrets{StripeKey: "rk_test_a", StripeWebhookSecret: "whsec_a,whsec_b"}},
		{"a shell's file", "# ours\r\n\r\nexport MEMBERINTEL_STRIPE_KEY='rk_test_a'\r\n", nil, Secrets{StripeKey: "rk_test_a"}},
		{"stdin wins", "MEMBERINTEL_STRIPE_KEY=rk_test_new\n",
			map[string]string{"MEMBERINTEL_STRIPE_KEY": "rk_test_old", "MEMBERINTEL_STRIPE_SECRET_KEY": "sk_test_p"},
			Secrets{StripeKey: "rk_test_new", StripeSecretKey: "sk_test_p"}},
		{"an empty value says nothing", "MEMBERINTEL_STRIPE_KEY=\n", map[string]string{"MEMBERINTEL_STRIPE_KEY": "rk_test_old"}, Secrets{StripeKey: "rk_test_old"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &program{Process: Process{Stdin: strings.NewReader(test.stdin)}, secrets: secretsOf(test.env)}
			if err := p.readSecrets(true); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, p.secrets); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatIsNoSecretIsRefusedUnquoted(t *testing.T) {
	for _, stdin := range []string{"rk_test_bare", "MEMBERINTEL_STRIPE_KEEY=rk_test_bare", strings.Repeat("x", maxSecrets+1)} {
		p := &program{Process: Process{Stdin: strings.NewReader(stdin)}}
		err := p.readSecrets(true)
		if err == nil || strings.Contains(err.Error(), "rk_test") || strings.Contains(err.Error(), "xxx") {
			t.Errorf("%.20q: %v", stdin, err)
		}
	}
}

func TestStdinThatNobodyFillsBlocksNothing(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = read.Close(), write.Close() }()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = null.Close() }()
	withKey := secretsOf(map[string]string{"MEMBERINTEL_STRIPE_KEY": "rk_test_a"})
	for name, test := range map[string]struct {
		stdin   io.Reader
		needed  bool
		secrets Secrets
	}{
		"an open pipe beside a variable":  {read, true, withKey},
		"an open pipe that is not needed": {read, false, Secrets{}},
		"a device":                        {null, true, Secrets{}},
		"nothing at all":                  {nil, true, Secrets{}},
	} {
		p := &program{Process: Process{Stdin: test.stdin}, secrets: test.secrets}
		if err := p.readSecrets(test.needed); err != nil || p.secrets != test.secrets {
			t.Errorf("%s: %v, %v", name, p.secrets, err)
		}
	}
}

func TestAPipeAndAFileAreRead(t *testing.T) {
	const content = "MEMBERINTEL_STRIPE_WEBHOOK_SECRET=whsec_a\n"
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := write.WriteString(content); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	path := filepath.Join(t.TempDir(), "stripe.env")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, stdin := range []*os.File{read, file} {
		p := &program{Process: Process{Stdin: stdin}, secrets: Secrets{StripeKey: "rk_test_a"}}
		if err := p.readSecrets(true); err != nil || p.secrets.StripeWebhookSecret != "whsec_a" {
			t.Errorf("%v", err)
		}
		_ = stdin.Close()
	}
}
