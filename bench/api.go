package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// stock is what the API of the child holds: so many objects of each kind, spread evenly over three years.
type stock struct {
	Customers, Subscriptions, Invoices int
	Latency                            time.Duration
}

// api answers Stripe's list requests with objects that are rendered on the way out, much faster than they are
// read. It knows limit, created and starting_after.
type api struct {
	shapes   *shapes
	stock    atomic.Pointer[stock]
	requests atomic.Int64
}

// serveAPI is the child that is read from. It tells its address, takes a stock with each line, and answers
// with the number of requests since the last.
func serveAPI(in io.Reader, out io.Writer) error {
	s, err := newShapes()
	if err != nil {
		return err
	}
	a := &api{shapes: s}
	a.stock.Store(&stock{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, listener.Addr())
	go func() { _ = http.Serve(listener, a) }() //nolint:gosec // loopback
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var next stock
		if err := json.Unmarshal(lines.Bytes(), &next); err != nil {
			return err
		}
		a.stock.Store(&next)
		fmt.Fprintln(out, a.requests.Swap(0))
	}
	return lines.Err()
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.requests.Add(1)
	now := a.stock.Load()
	if now.Latency > 0 {
		time.Sleep(now.Latency)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Stripe-Version", "2026-08-26.dahlia")
	resource := strings.TrimPrefix(r.URL.Path, "/v1/")
	if resource == "account" {
		_, key, _ := strings.Cut(r.Header.Get("Authorization"), "rk_test_")
		fmt.Fprintf(w, `{"id": "acct_%s", "object": "account", "country": "US", "default_currency": "usd"}`, key)
		return
	}
	var b bytes.Buffer
	b.Grow(700 << 10)
	a.list(&b, resource, r.URL.Query(), now)
	_, _ = w.Write(b.Bytes())
}

// list renders a page, newest first.
func (a *api) list(b *bytes.Buffer, resource string, q url.Values, now *stock) {
	total, f := 0, form{}
	switch resource {
	case "customers":
		total, f = now.Customers, a.shapes.customer
	case "subscriptions":
		total, f = now.Subscriptions, a.shapes.subscription
	case "invoices":
		total, f = now.Invoices, a.shapes.invoice
	}
	limit, _ := strconv.Atoi(q.Get("limit"))
	// Objects are numbered by age; next is the number after the last to show.
	next := total
	if after := q.Get("starting_after"); after != "" {
		next, _ = strconv.Atoi(after[strings.LastIndexByte(after, 'x')+1:])
	}
	if bound := q.Get("created[lt]"); bound != "" {
		next = min(next, firstFrom(total, number64(bound)))
	}
	first := 0
	if bound := q.Get("created[gte]"); bound != "" {
		first = firstFrom(total, number64(bound))
	}
	fmt.Fprintf(b, "{\n  \"object\": \"list\",\n  \"data\": [\n")
	for shown := 0; shown < limit && next > first; shown++ {
		next--
		if shown > 0 {
			b.WriteString(",\n")
		}
		f.render(b, next%max(1, now.Customers), next, created(total, next))
	}
	fmt.Fprintf(b, "],\n  \"has_more\": %t,\n  \"url\": \"/v1/%s\"\n}", next > first, resource)
}

const (
	oldest = 1_700_000_000
	span   = 3 * 365 * 86_400
)

// created is when an object was made: they are spread evenly.
func created(total, n int) int64 { return oldest + int64(n)*span/int64(max(total, 1)) }

// firstFrom is the number of the first object that was created at or after a moment.
func firstFrom(total int, at int64) int {
	return sort.Search(total, func(n int) bool { return created(total, n) >= at })
}

func number64(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}
