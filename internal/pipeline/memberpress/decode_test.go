package memberpress

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// reader reads a body as the request for it does.
func reader(name string, c contract) func([]byte) error {
	switch {
	case strings.HasPrefix(c.Request.Route, routes+"/sync/changes"):
		return func(body []byte) error { _, err := decodeChanges(body); return err }
	case strings.HasPrefix(c.Request.Route, routes+"/sync/checksums"):
		return func(body []byte) error { _, _, err := decodeChecksums(body); return err }
	case c.Request.Route == routes+"/sync":
		return func(body []byte) error { _, _, err := decodeHandshake(body); return err }
	case name == "disconnect":
		return func(body []byte) error { _, err := decodeDisconnect(body); return err }
	case strings.HasPrefix(c.Request.Route, routes+"/sync/"):
		return func(body []byte) error { _, err := decodePage(body); return err }
	default:
		return nil
	}
}

func TestEveryAnswerOfTheContractIsUnderstood(t *testing.T) {
	understood := 0
	for name, c := range contracts(t) {
		read := reader(name, c)
		if c.From != "service" || read == nil {
			continue
		}
		body, _ := split([]byte(c.Response.Body))
		if c.Response.Status != 200 {
			var said struct{ Code string }
			if err := json.Unmarshal(c.Response.JSON, &said); err != nil || problemCode([]byte(c.Response.Body)) != said.Code {
				t.Errorf("%s: code %q, %v", name, problemCode([]byte(c.Response.Body)), err)
			}
			continue
		}
		understood++
		if err := read(body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := namedProtocol(body); got != Protocol {
			t.Errorf("%s: protocol %d", name, got)
		}
		refusesWhatItDoesNotKnow(t, name, body, read)
	}
	if understood < 15 {
		t.Errorf("%d answers", understood)
	}
}

// refusesWhatItDoesNotKnow takes each field away, makes it null and another type, and adds one.
func refusesWhatItDoesNotKnow(t *testing.T, name string, body []byte, read func([]byte) error) {
	t.Helper()
	var whole map[string]json.RawMessage
	if err := json.Unmarshal(body, &whole); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, fields map[string]json.RawMessage) {
		t.Helper()
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		if err := read(text); !errors.Is(err, errShape) {
			t.Errorf("%s: %s was taken: %v", name, what, err)
		}
	}
	for field, value := range whole {
		less := maps.Clone(whole)
		delete(less, field)
		refused(field+" away", less)
		other := maps.Clone(whole)
		other[field] = json.RawMessage(`{"x":1}`)
		refused(field+" an object", other)
		if !slices.Contains([]string{"next", "watermark"}, field) || field == "next" && string(value) != "null" && whole["site"] == nil && whole["of"] == nil {
			null := maps.Clone(whole)
			null[field] = json.RawMessage(`null`)
			refused(field+" null", null)
		}
	}
	more := maps.Clone(whole)
	more["colour"] = json.RawMessage(`"green"`)
	refused("a field more", more)
}

func TestAnEnvelopeIsReadWhole(t *testing.T) {
	all := contracts(t)
	body, _ := split([]byte(all["changes"].Response.Body))
	e, err := decodeChanges(body)
	if err != nil {
		t.Fatal(err)
	}
	for i := range e.Changes {
		if !json.Valid(e.Changes[i].Row) {
			t.Errorf("row %d: %s", i, e.Changes[i].Row)
		}
		e.Changes[i].Row = nil
	}
	want := Envelope{
		Protocol: 1, RequestID: "req-0014", SiteID: "6f1d1c0e-3b52-4f0e-9a55-2f6f0c1f7d10", Epoch: "a3f09c51d27e4b88",
		ServerTime: time.Date(2026, 11, 22, 4, 30, 0, 0, time.UTC), Entity: "changes", Sweep: Sweep{Round: 17},
		Changes: []Change{{Entity: "members", Seq: 1205}, {Entity: "transactions", Seq: 1206}, {Entity: "products", Seq: 1208}},
		Deleted: []Deletion{{Entity: "transactions", ID: 8990, Seq: 1207}}, More: true, Warnings: []string{},
		Watermark: "mw1.eyJlIjoiYTNmMDljNTFkMjdlNGI4OCIsInMiOjEyMDgsInQiOjE3OTUzMjE4MDAsInIiOjE3fQ.2XQwxmnnyPuhH1ngLv5DmQ",
		Took:      41 * time.Millisecond, MemBase: 6291456, MemPeak: 8123456,
	}
	if diff := cmp.Diff(want, e); diff != "" {
		t.Error(diff)
	}
	body, _ = split([]byte(all["sync"].Response.Body))
	_, h, err := decodeHandshake(body)
	if err != nil {
		t.Fatal(err)
	}
	if h.Site.Currency != "USD" || h.Site.Gateways[1].Account != "" || h.Site.Entities[1] != (Extent{"transactions", 14, 9014}) ||
		h.Site.Limits.MemoryLimit != 128<<20 || versions(h.Site) != "MemberPress 1.12.11 with plugin 1.0.0" {
		t.Errorf("%+v", h.Site)
	}
	body, _ = split([]byte(all["checksums"].Response.Body))
	_, sums, err := decodeChecksums(body)
	if err != nil || sums.Entity != "transactions" || sums.Bucket != 3001 || sums.Runs[0] != (Run{6003, 9003, 3, 0x3845c1737924647b}) {
		t.Errorf("%+v, %v", sums, err)
	}
}

// FuzzOpen holds that whatever a site sends, opening it neither fails nor believes anything that was not signed, and
// that reading what it may have sent ends in an answer or in a refusal.
func FuzzOpen(f *testing.F) {
	for _, c := range contracts(f) {
		f.Add([]byte(c.Response.Body), c.Response.Headers[headerAnswer], c.Response.Status)
	}
	f.Add([]byte("\n"+trailerStart+bodyStart), "v1=", 200)
	f.Add([]byte(bodyStart+trailerStart+`x`), "", 200)
	f.Add([]byte(bodyStart+`1,"request_id":"`), "", 0)
	secret := []byte("0123456789abcdef0123456789abcdef")
	f.Fuzz(func(t *testing.T, raw []byte, signature string, status int) {
		body, trailer := split(raw)
		if body != nil && (!strings.HasPrefix(string(body), bodyStart) || !strings.Contains(string(raw), string(body))) {
			t.Errorf("%q is no body of %q", body, raw)
		}
		if strings.Contains(trailer, `"`) {
			t.Errorf("trailer %q", trailer)
		}
		if got, from := (sealed{status, signature, raw}).open(secret, "req-1"); got != nil || from != foreign {
			t.Errorf("believed %q", got)
		}
		problemCode(raw)
		if body == nil {
			return
		}
		namedProtocol(body)
		for _, err := range []error{
			second(decodePage(body)), second(decodeChanges(body)), third(decodeHandshake(body)), third(decodeChecksums(body)),
		} {
			if err != nil && !errors.Is(err, errShape) {
				t.Errorf("%v", err)
			}
		}
		describe(body)
		// What the site does sign is found again, whatever stands around it.
		if strings.Contains(string(body), trailerStart) {
			return
		}
		whole := append([]byte("<b>Notice</b>"), body...)
		whole = append(whole, "\n"+`{"mi_signature":"`+sign(secret, answerLines("req-1", status, body))+`"}`+"\n"...)
		if got, from := (sealed{status, "", whole}).open(secret, "req-1"); from != own || string(got) != string(body) {
			t.Errorf("lost %q", body)
		}
	})
}

func second[A any](_ A, err error) error        { return err }
func third[A, B any](_ A, _ B, err error) error { return err }
