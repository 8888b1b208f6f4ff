// Package website is the public websites of the simulated world: clubs that tell what they offer, written for this
// purpose, with a history from week to week, and some that cannot be read. Every page of a club comes with what
// must survive a reading of it. The same week gives the same bytes, but for what no two answers of a real site share.
package website

import (
	"embed"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync/atomic"
	"text/template"
	"time"

	"golang.org/x/text/encoding/charmap"

	"memberintel/internal/sim/site"
)

//go:embed all:pages
var files embed.FS

// The sites. The first three are clubs with pages; the others show one trouble each.
const (
	Lakeside = "lakeside.example" // new headline in week 3, new prices in week 4
	Hillside = "hillside.example" // a page builder's markup, a new link in week 6
	Hafen    = "hafen.example"    // German, tables for layout, a charset that is not said right; never changes

	Northpeak = "northpeak.example" // made by scripts in the browser
	Oldmill   = "oldmill.example"   // a parking service's page
	Millpond  = "millpond.example"  // parked at a host that nobody knows: the same page at every address
	Fortress  = "fortress.example"  // a service in front of it wants to see a browser
	Quarry    = "quarry.example"    // down
	Meadow    = "meadow.example"    // has moved to another name
	Cloister  = "cloister.example"  // keeps robots out
	Orchard   = "orchard.example"   // one sentence and a picture
)

// Clubs are the sites that can be read.
var clubs = map[string]string{Lakeside: "lakeside", Hillside: "hillside", Hafen: "hafen"}

// World is all websites at one time. It is safe for concurrent use.
type World struct {
	week    atomic.Int64
	answers atomic.Int64
	sites   map[string]*site.Site
	shapes  map[string]*template.Template
}

// Page is what a reading of a page must keep, as text that stands on it.
type Page struct {
	Path       string   `json:"path"`
	Kind       string   `json:"kind"`
	Headings   []string `json:"headings"`
	Prices     []string `json:"prices"`
	Offers     []string `json:"offers"`
	Navigation []string `json:"navigation"`
}

// Decoy is a word in every text that no visitor of a club sees.
const Decoy = "DECOY"

// New makes the world in its first week.
func New() *World {
	w := &World{sites: map[string]*site.Site{}, shapes: map[string]*template.Template{}}
	w.week.Store(1)
	for host, folder := range clubs {
		w.shapes[host] = shape(folder)
		w.sites[host] = site.New(w.club(host))
	}
	for host, page := range single {
		w.sites[host] = site.New(page)
	}
	w.sites[Oldmill].Be(site.Parked)
	w.sites[Fortress].Be(site.Challenge)
	w.sites[Quarry].Be(site.Unavailable)
	return w
}

// SetWeek lets the sites be as they are in that week, the first being 1.
func (w *World) SetWeek(n int) { w.week.Store(int64(n)) }

// Hosts returns the names of all sites, in no order.
func (w *World) Hosts() (hosts []string) {
	for host := range w.sites {
		hosts = append(hosts, host)
	}
	return hosts
}

// Site returns the site of that name, which counts what it is asked and can be sick; nil for a name that is none.
func (w *World) Site(host string) *site.Site { return w.sites[strings.TrimPrefix(host, "www.")] }

// ServeHTTP answers for the site that the request names, whatever the port.
func (w *World) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(r.Host, ":")
	if at := w.Site(host); at != nil {
		at.ServeHTTP(rw, r)
		return
	}
	http.Error(rw, "no such site", http.StatusMisdirectedRequest)
}

// Pages returns what must survive of a club in the present week, nil for a site without pages.
func (w *World) Pages(host string) []Page {
	shape := w.shapes[host]
	if shape == nil {
		return nil
	}
	var text strings.Builder
	var facts struct{ Pages []Page }
	if err := shape.ExecuteTemplate(&text, "facts.json", w.view("")); err != nil {
		panic(fmt.Sprintf("website: facts of %s: %v", host, err))
	}
	if err := json.Unmarshal([]byte(text.String()), &facts); err != nil {
		panic(fmt.Sprintf("website: facts of %s: %v", host, err))
	}
	return facts.Pages
}

// view is what pages are made with. Time, token and counters differ from answer to answer.
type view struct {
	Title, Token, Time, Date string
	Week, Online, Year       int
}

func (w *World) view(path string) view {
	n := w.answers.Add(1)
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d", path, n)
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC).AddDate(0, 0, 7*int(w.week.Load())).Add(time.Duration(n) * 97 * time.Second)
	return view{
		Week: int(w.week.Load()), Token: fmt.Sprintf("%016x", h.Sum64()), Online: 20 + int(h.Sum64()%900), Year: at.Year(),
		Time: at.Format("3:04 pm"), Date: at.Format("January 2, 2006"),
	}
}

// club answers with a club's pages, and with a page of its own for what is not there.
func (w *World) club(host string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		name := strings.Trim(path.Clean(r.URL.Path), "/")
		if name == "" || name == "." {
			name = "index"
		}
		name = strings.TrimSuffix(name, ".html") + ".html"
		shape := w.shapes[host]
		switch {
		case r.URL.Path == "/robots.txt":
			_, _ = fmt.Fprint(rw, "User-agent: *\nDisallow: /wp-admin/\nAllow: /wp-admin/admin-ajax.php\n\nSitemap: https://"+host+"/wp-sitemap.xml\n")
			return
		case shape.Lookup(name) == nil || strings.HasPrefix(name, "_"):
			http.NotFound(rw, r)
			return
		}
		var text strings.Builder
		if err := shape.ExecuteTemplate(&text, name, w.view(r.URL.Path)); err != nil {
			panic(http.ErrAbortHandler) // a page that cannot be made is a broken answer
		}
		page, kind := text.String(), "text/html; charset=UTF-8"
		if host == Hafen {
			kind = "text/html"
			page, _ = charmap.Windows1252.NewEncoder().String(page) // all its letters are there
		}
		rw.Header().Set("Content-Type", kind)
		rw.Header().Set("ETag", fmt.Sprintf(`W/"%d-%d"`, w.week.Load(), len(page)))
		_, _ = fmt.Fprint(rw, page)
	})
}

// shape reads a folder's pages as templates, each named by its path there.
func shape(folder string) *template.Template {
	all := template.New(folder).Funcs(template.FuncMap{
		"title": func(v view, title string) view {
			v.Title = title
			return v
		},
		"countries": func() []string {
			return strings.Fields("Argentina Australia Austria Belgium Brazil Canada Chile Denmark Finland France Germany Greece Ireland Italy Japan Mexico Norway Peru Poland Portugal Spain Sweden Switzerland")
		},
	})
	root := "pages/" + folder
	err := fs.WalkDir(files, root, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := files.ReadFile(at)
		if err == nil {
			_, err = all.New(strings.TrimPrefix(at, root+"/")).Parse(string(text))
		}
		return err
	})
	if err != nil {
		panic(fmt.Sprintf("website: pages of %s: %v", folder, err)) // they are part of the program
	}
	return all
}
