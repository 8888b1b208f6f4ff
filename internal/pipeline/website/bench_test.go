package website

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	sim "memberintel/internal/sim/website"
)

// clubPages are all labelled pages of the simulated clubs as they travel, by site.
func clubPages(b *testing.B) map[string][][2]string {
	world, all := sim.New(), map[string][][2]string{}
	for _, host := range []string{sim.Lakeside, sim.Hillside, sim.Hafen} {
		for _, page := range world.Pages(host) {
			answer := httptest.NewRecorder()
			world.Site(host).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "http://"+host+page.Path, nil))
			all[host] = append(all[host], [2]string{page.Path, answer.Body.String()})
		}
	}
	return all
}

// cpu reports the processor's time of each of n things: the clock on the wall counts what others do, too.
func cpu(b *testing.B, before time.Duration, n int, unit string) {
	b.ReportMetric(float64((used()-before).Microseconds())/float64(n), "cpu-us/"+unit)
}

func used() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkExtract is a page of the clubs, and one of a usual WordPress site's size: 250 KB of markup around the same text.
func BenchmarkExtract(b *testing.B) {
	sites := clubPages(b)
	b.Run("club", func(b *testing.B) {
		pages, size, text, before := 0, 0, 0, used()
		for b.Loop() {
			for host, all := range sites {
				for _, page := range all {
					p := extract(&url.URL{Scheme: "https", Host: host, Path: page[0]}, []byte(page[1]), "text/html")
					pages, size = pages+1, size+p.Bytes
					for _, block := range p.Blocks {
						text += len(block.Text)
					}
				}
			}
		}
		cpu(b, before, pages, "page")
		b.ReportMetric(float64(size)/float64(pages), "html-bytes/page")
		b.ReportMetric(float64(text)/float64(pages), "text-bytes/page")
	})
	for _, k := range kindsOfPages(b) {
		b.Run(k.Name, func(b *testing.B) {
			text, before := compose([]Page{k.extract()}), used()
			for b.Loop() {
				k.extract()
			}
			cpu(b, before, b.N, "page")
			b.ReportMetric(float64(len(k.HTML)), "html-bytes/page")
			b.ReportMetric(float64(len(text)), "text-bytes/page")
		})
	}
	b.Run("wordpress", func(b *testing.B) {
		page := sites[sim.Lakeside][1][1]
		card := `<div class="wp-block-column has-background is-layout-flow" style="padding:1em;color:#123456"><figure><img src="a.jpg" srcset="a.jpg 1x, b.jpg 2x" alt="x"></figure><h3 class="wp-block-heading">Court number</h3><p>A paragraph about a court and its light.</p></div>`
		rules := "<style>" + strings.Repeat(".wp-block-x-y{color:red;padding:1px}@media(min-width:600px){.a .b{display:flex}}", 1000) + "</style>"
		page = strings.Replace(page, "<main", rules+strings.Repeat(card, 600)+"<main", 1)
		before := used()
		for b.Loop() {
			extract(here, []byte(page), "text/html; charset=utf-8")
		}
		cpu(b, before, b.N, "page")
		b.ReportMetric(float64(len(page)), "html-bytes/page")
	})
	b.Run("stream", func(b *testing.B) {
		page := bytes.Repeat([]byte("<div><p>Adult $49 a month</p>"), 3000)
		before := used()
		for b.Loop() {
			extract(here, page, "text/html")
		}
		cpu(b, before, b.N, "page")
		b.ReportMetric(float64(len(page)), "html-bytes/page")
	})
}

// BenchmarkReading is what follows the extraction of a site's six pages: the text that is read, and the gate's hashes.
func BenchmarkReading(b *testing.B) {
	var pages []Page
	size := 0
	for _, page := range clubPages(b)[sim.Lakeside] {
		p := extract(&url.URL{Scheme: "https", Host: sim.Lakeside, Path: page[0]}, []byte(page[1]), "text/html")
		pages, size = append(pages, p), size+p.Bytes
	}
	text, before := "", used()
	for b.Loop() {
		r := Reading{Pages: pages}
		text = compose(pages)
		r.judge()
	}
	cpu(b, before, b.N, "site")
	b.ReportMetric(float64(size), "html-bytes/site")
	b.ReportMetric(float64(len(text)), "text-bytes/site")
}
