package website

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"memberintel/internal/fault"
	"memberintel/internal/fetch"
)

const (
	maxPages = 5   // beside the homepage
	maxTries = 10  // requests for them, those that fail included
	thin     = 400 // characters: a site with less text has nothing to describe
)

// crawler reads sites. now is the clock; the pauses are the manners' own.
type crawler struct {
	manners *fetch.Crawler
	send    fetch.Sender
	now     func() time.Time
}

// read looks at a site: the homepage, and at most five pages of the kinds that a profile is made of. What is wrong
// with the site is a state of the reading. An error means that the look was not taken: the context ended, the
// site is left in peace for now, or something of ours failed; nothing is kept of it then.
func (c *crawler) read(ctx context.Context, start *url.URL) (Reading, error) {
	visit := c.manners.Visit(c.send)
	r := Reading{State: Up, FetchedAt: c.now()}
	answer, err := visit.Get(ctx, start.String())
	if err != nil {
		return r.broken(err)
	}
	home, here, err := c.page(answer, Home)
	if err != nil {
		return Reading{}, err
	}
	r.Pages = append(r.Pages, home)
	if err := c.further(ctx, visit, &r, here, answer.Body); err != nil {
		return Reading{}, err
	}
	if textLength(r.Pages) < thin {
		return c.little(ctx, visit, r, here, answer)
	}
	r.Text = compose(r.Pages)
	r.judge()
	return r, nil
}

func (c *crawler) page(answer fetch.Response, kind Kind) (Page, *url.URL, error) {
	at, err := url.Parse(answer.URL)
	if err != nil {
		return Page{}, nil, err
	}
	page := Page{URL: answer.URL, Bytes: len(answer.Body)}
	if isPage(answer) {
		page = extract(at, answer.Body, answer.Header.Get("Content-Type"))
	}
	page.Kind, page.Status, page.ETag = kind, answer.Status, cut(clean(answer.Header.Get("ETag")), 200)
	page.URL = strings.ToValidUTF8(page.URL, "") // a redirect's query is whatever bytes the site sends
	return page, at, nil
}

// isPage leaves out files, whatever their address says.
func isPage(answer fetch.Response) bool {
	kind := strings.ToLower(answer.Header.Get("Content-Type"))
	return (kind == "" || strings.Contains(kind, "html") || strings.HasPrefix(kind, "text/plain")) && bytes.IndexByte(answer.Body[:min(len(answer.Body), 512)], 0) < 0 ||
		strings.Contains(kind, "utf-16")
}

// further reads the pages that the links lead to, each kind once before any is read a second time. The links of a page
// that was just read count too.
func (c *crawler) further(ctx context.Context, visit *fetch.Visit, r *Reading, site *url.URL, home []byte) error {
	asked := map[string]bool{}
	if address, ok := onSite(site, r.Pages[0].URL); ok {
		asked[address] = true
	}
	bodies, kinds := map[[32]byte]bool{sha256.Sum256(home): true}, map[Kind]bool{}
	for tries := 0; tries < maxTries && len(r.Pages) <= maxPages; tries++ {
		next, ok := pick(choose(site, r.Pages, func(address string) bool { return asked[address] }), kinds)
		if !ok {
			return nil
		}
		asked[next.url] = true
		answer, err := visit.Get(ctx, next.url)
		if err != nil {
			if ours(ctx, err) {
				return err
			}
			if missed(err) {
				r.Missed = append(r.Missed, Missed{URL: next.url, Kind: next.kind, Symptom: string(fetch.SymptomOf(err))})
			}
			continue
		}
		body := sha256.Sum256(answer.Body)
		if address, ok := onSite(site, answer.URL); !ok || address != next.url && asked[address] || bodies[body] || !isPage(answer) {
			continue // led elsewhere, or to what was read already
		} else {
			asked[address] = true
		}
		page, _, err := c.page(answer, next.kind)
		if err != nil {
			return err
		}
		bodies[body], kinds[next.kind] = true, true
		r.Pages = append(r.Pages, page)
	}
	return nil
}

// pick takes the best candidate of a kind that was not read yet, or else the best of all.
func pick(all []candidate, read map[Kind]bool) (candidate, bool) {
	for _, c := range all {
		if !read[c.kind] {
			return c, true
		}
	}
	if len(all) == 0 {
		return candidate{}, false
	}
	return slices.MaxFunc(all, func(a, b candidate) int { return a.score - b.score }), true
}

// missed reports whether a page may come the next time. One that is gone, forbidden or elsewhere is not missed.
func missed(err error) bool {
	switch fetch.SymptomOf(err) {
	case fetch.NotFound, fetch.Disallowed, fetch.Moved, fetch.RedirectLoop, fetch.PrivateAddress, fetch.WrongPort, fetch.SignIn, fetch.RequestRefused, fetch.Parked, fetch.NotInstalled:
		return false
	}
	return true
}

// ours reports whether an error says nothing of the site.
func ours(ctx context.Context, err error) bool { return ctx.Err() != nil || fetch.SymptomOf(err) == "" }

// broken makes a reading of what kept us from the homepage.
func (r Reading) broken(err error) (Reading, error) {
	var f *fault.Error
	if fetch.SymptomOf(err) == "" || !errors.As(err, &f) {
		return Reading{}, err
	}
	r.State, r.Detail, r.Checklist = Down, clean(f.Sentence), f.Checklist
	switch fetch.SymptomOf(err) {
	case fetch.Challenge, fetch.Firewall, fetch.SignIn, fetch.RequestRefused:
		r.State = Blocked
	case fetch.Parked:
		r.State = Parked
	case fetch.Moved:
		r.State = OffSite
	case fetch.Disallowed:
		r.State = Disallowed
	}
	return r, nil
}

// textLength is how much text the pages have between them, each block counted once.
func textLength(pages []Page) (n int) {
	seen := map[string]bool{}
	for _, p := range pages {
		for _, b := range p.Blocks {
			if key := sameness(b.Text); !seen[key] && b.Sort != Navigation {
				seen[key] = true
				n += len(key)
			}
		}
	}
	return n
}

// little says why there is so little text.
func (c *crawler) little(ctx context.Context, visit *fetch.Visit, r Reading, site *url.URL, answer fetch.Response) (Reading, error) {
	if scripted(answer.Body) {
		return r.without(ScriptOnly, "%s makes its text with scripts in the browser, and without them there is none to read.",
			[]string{"Let the site's pages hold their text: server-side rendering or prerendering, which search engines ask for too."}, site), nil
	}
	parked, err := c.answersAnything(ctx, visit, site, r.Pages[0])
	if err != nil {
		return Reading{}, err
	}
	if parked {
		return r.without(Parked, "%s shows the same little page at every address, as a parked domain does.",
			[]string{"Look whether the domain has expired, and renew it.", "If the site has a new address, connect again with that one."}, site), nil
	}
	return r.without(TooThin, "%s has too little text to describe.",
		[]string{"Connect the address where the site tells what it offers.", "If the text stands in pictures, write it out as well."}, site), nil
}

func (r Reading) without(state SiteState, sentence string, checklist []string, site *url.URL) Reading {
	r.State, r.Detail, r.Checklist = state, strings.Replace(sentence, "%s", site.Host, 1), checklist
	return r
}

// answersAnything asks for a page that cannot be there.
func (c *crawler) answersAnything(ctx context.Context, visit *fetch.Visit, site *url.URL, home Page) (bool, error) {
	sum := sha256.Sum256([]byte(site.Host))
	to := *site
	to.Path, to.RawPath, to.RawQuery = "/"+hex.EncodeToString(sum[:8]), "", ""
	answer, err := visit.Get(ctx, to.String())
	if err != nil {
		if ours(ctx, err) {
			return false, err
		}
		return fetch.SymptomOf(err) == fetch.Parked, nil
	}
	other, _, err := c.page(answer, Other)
	if err != nil || len(home.Blocks) == 0 || len(home.Blocks) != len(other.Blocks) {
		return false, err
	}
	for i, b := range home.Blocks {
		if steady(b.Text) != steady(other.Blocks[i].Text) {
			return false, nil
		}
	}
	return true, nil
}

// scripted reports whether a page waits for its scripts: it has some, and an empty place for what they make or words to
// whoever runs none.
func scripted(body []byte) bool {
	text := strings.ToLower(string(body))
	if !strings.Contains(text, "<script") {
		return false
	}
	for _, sign := range []string{`id="root"`, `id="app"`, `id="__next"`, `id="__nuxt"`, `id="___gatsby"`, `id=root`, `id=app`, `<app-root`, `ng-app`, `data-reactroot`, `id="svelte"`, `id="q-app"`,
		"enable javascript", "javascript is required", "requires javascript", "activate javascript", "turn on javascript"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}
