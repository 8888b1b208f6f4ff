package website

import (
	"io"
	"net/http"
)

// single are the sites that have no pages to read, by their names.
var single = map[string]http.Handler{
	Northpeak: everywhere(`<!doctype html><html lang="en"><head><title>Northpeak Climbing</title><meta name="description" content="Climbing gym and online training">` +
		`<script type="module" crossorigin src="/assets/index-4f9d1c.js"></script></head><body><noscript>You need to enable JavaScript to run this app.</noscript><div id="root"></div></body></html>`),
	Oldmill: everywhere(""), // sick from the start
	Millpond: everywhere(`<!doctype html><html><head><title>millpond.example</title></head><body><h1>millpond.example</h1><p>Related searches</p>` +
		`<ul><li><a href="/?q=1">Membership software</a></li><li><a href="/?q=2">Fishing gear</a></li></ul></body></html>`),
	Fortress: everywhere(""), // sick from the start
	Quarry:   everywhere(""), // sick from the start
	Meadow: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://www.meadow-club.example"+r.URL.Path, http.StatusMovedPermanently)
	}),
	Cloister: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			_, _ = io.WriteString(w, "User-agent: *\nDisallow: /\n")
			return
		}
		_, _ = io.WriteString(w, "<html><body><h1>For pilgrims alone</h1></body></html>")
	}),
	Orchard: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, `<!doctype html><html><head><title>Orchard</title></head><body><h1>Orchard Supper Club</h1><img src="/poster.jpg" alt="All about our suppers, prices and dates"><p>Write to us.</p></body></html>`)
		default:
			http.NotFound(w, r)
		}
	}),
}

// everywhere answers with the same page at every address but that of robots.txt.
func everywhere(page string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/robots.txt" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page)
	})
}
