//go:build browser

package ui_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// chromium is a browser without a window. It takes the test site's certificate, which nobody vouches for.
func chromium(t *testing.T, width, height int) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.NoSandbox, chromedp.Flag("ignore-certificate-errors", true), chromedp.WindowSize(width, height))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// fitted fails the test where the page has something that is wider than the window, or that axe finds fault with.
func fitted(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > document.documentElement.clientWidth`))
	if err != nil || wide {
		t.Errorf("%s is wider than the window: %v", name, err)
	}
	axe, err := os.ReadFile(filepath.Join("testdata", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[any](string(axe)+`; true`)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	found, err := chromedp.Run(ctx, chromedp.Evaluate[string](
		`axe.run().then(r => JSON.stringify(r.violations.map(v => [v.id, v.help, v.nodes.map(n => n.html)])))`, chromedp.EvalAwaitPromise))
	var violations []json.RawMessage
	if err == nil {
		err = json.Unmarshal([]byte(found), &violations)
	}
	if err != nil || len(violations) > 0 {
		t.Errorf("%s: %s %v", name, found, err)
	}
	if folder := os.Getenv("SCREENSHOTS"); folder != "" {
		picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}
}

func click(ctx context.Context, t *testing.T, selector string) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.WaitEvent(page.LoadEventFired, nil, chromedp.Click(chromedp.CSS(selector)))); err != nil {
		t.Fatalf("click on %s: %v", selector, err)
	}
}

func shows(ctx context.Context, t *testing.T, want string) {
	t.Helper()
	text, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
	if err != nil || !strings.Contains(text, want) {
		t.Fatalf("the page does not show %q: %v\n%s", want, err, text)
	}
}

// The whole way, in a browser that holds itself to the pages' policy, cookies and redirects between two sites.
func TestBrowserConnectsASite(t *testing.T) {
	for name, size := range map[string][2]int{"wide": {1280, 900}, "narrow": {360, 740}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, settings{})
			w.wp.service = strings.Replace(w.base, "127.0.0.1", "localhost", 1) // another site than the WordPress, for a browser
			ctx := chromium(t, size[0], size[1])
			if err := chromedp.Do(ctx, chromedp.Navigate(w.wp.URL+"/wp-admin/admin.php?page=memberintel")); err != nil {
				t.Fatal(err)
			}
			click(ctx, t, "#connect")
			shows(ctx, t, "Sign in")
			fitted(ctx, t, "signin_"+name)
			if err := chromedp.Do(ctx, chromedp.SendKeys(chromedp.CSS("#email"), anna), chromedp.SendKeys(chromedp.CSS("#password"), "a wrong password")); err != nil {
				t.Fatal(err)
			}
			click(ctx, t, "button.primary")
			shows(ctx, t, "do not go together")
			fitted(ctx, t, "signin_refused_"+name)
			if err := chromedp.Do(ctx, chromedp.SendKeys(chromedp.CSS("#password"), password)); err != nil {
				t.Fatal(err)
			}
			click(ctx, t, "button.primary")
			shows(ctx, t, w.wp.URL)
			shows(ctx, t, "What will be read")
			fitted(ctx, t, "consent_"+name)
			click(ctx, t, `button[value="connect"]`)
			shows(ctx, t, "Connected to Lakeside Tennis Club")
			at, err := chromedp.Run(ctx, chromedp.Location())
			if err != nil || !strings.HasPrefix(at, w.wp.URL+"/wp-admin/admin.php?page=memberintel&mi_callback=1&code=mic_") {
				t.Errorf("at %s, %v", at, err)
			}
			w.asked()
			if c, err := w.connection(); err != nil || !c.AccountConfirmed {
				t.Errorf("%+v, %v", c, err)
			}
		})
	}
}

func TestBrowserDoesNotConnectASite(t *testing.T) {
	w := newWorld(t, settings{})
	w.wp.service = strings.Replace(w.base, "127.0.0.1", "localhost", 1)
	ctx := chromium(t, 1280, 900)
	if err := chromedp.Do(ctx, chromedp.Navigate(w.wp.URL+"/wp-admin/admin.php?page=memberintel")); err != nil {
		t.Fatal(err)
	}
	click(ctx, t, "#connect")
	if err := chromedp.Do(ctx, chromedp.SendKeys(chromedp.CSS("#email"), anna), chromedp.SendKeys(chromedp.CSS("#password"), password)); err != nil {
		t.Fatal(err)
	}
	click(ctx, t, "button.primary")
	click(ctx, t, `button[value="deny"]`)
	shows(ctx, t, "You did not agree.")
	w.untouched("deny")
}
