package memberpress

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"
	"unsafe"

	"github.com/tidwall/gjson"
)

// errShape is an answer that the plugin has signed and that is not understood here.
var errShape = errors.New("the answer is not of the shape that is known")

// The fields that every envelope has. A question mark stands for one that may be null.
var envelopeFields = []string{
	"protocol", "request_id", "site_id", "epoch", "server_time", "entity", "rows", "deleted", "next?", "more", "watermark?",
	"elapsed_ms", "mem_base", "mem_peak", "warnings",
}

// parts are the fields of an object, each as it came.
type parts map[string]json.RawMessage

// decodeEnvelope reads a signed body strictly: a field that is missing, null, of another type or not known is
// refused, because nobody would notice what it meant. The fields that this kind of answer has beside those of
// every envelope are named by extra.
func decodeEnvelope(body []byte, extra ...string) (Envelope, parts, error) {
	var e Envelope
	fields, err := take(body, append(extra, envelopeFields...))
	if err != nil {
		return e, nil, err
	}
	var ms int64
	var at, watermark string
	var next *int64
	err = errors.Join(
		fields.read("protocol", &e.Protocol), fields.read("request_id", &e.RequestID), fields.read("site_id", &e.SiteID),
		fields.read("epoch", &e.Epoch), fields.read("server_time", &at), fields.read("entity", &e.Entity),
		fields.list("rows", &e.Rows), fields.read("deleted", &e.Deleted), fields.read("next", &next),
		fields.read("more", &e.More), fields.read("watermark", &watermark), fields.read("elapsed_ms", &ms),
		fields.read("mem_base", &e.MemBase), fields.read("mem_peak", &e.MemPeak), fields.read("warnings", &e.Warnings),
	)
	if err != nil {
		return e, nil, err
	}
	if e.ServerTime, err = moment(at); err != nil {
		return e, nil, err
	}
	if next != nil {
		e.Next = *next
	}
	e.Watermark, e.Took = watermark, time.Duration(ms)*time.Millisecond
	return e, fields, nil
}

func decodePage(body []byte) (Envelope, error) {
	e, fields, err := decodeEnvelope(body)
	switch {
	case err != nil:
		return e, err
	case isNull(fields["next"]):
		return e, fmt.Errorf("%w: next is null", errShape)
	}
	return e, nil
}

func decodeChanges(body []byte) (Envelope, error) {
	e, fields, err := decodeEnvelope(body, "sweep")
	if err != nil {
		return e, err
	}
	if err := fields.read("sweep", &e.Sweep); err != nil {
		return e, err
	}
	if e.Watermark == "" {
		return e, fmt.Errorf("%w: watermark is empty", errShape)
	}
	e.Changes = make([]Change, len(e.Rows))
	for i, raw := range e.Rows {
		fields, err := takeValid(raw, []string{"entity", "seq", "row"})
		if err != nil {
			return e, err
		}
		c := &e.Changes[i]
		if err := errors.Join(fields.read("entity", &c.Entity), fields.read("seq", &c.Seq)); err != nil {
			return e, err
		}
		c.Row = fields["row"]
	}
	e.Rows = nil
	return e, nil
}

func decodeHandshake(body []byte) (Envelope, Handshake, error) {
	e, fields, err := decodeEnvelope(body, "site")
	if err != nil {
		return e, Handshake{}, err
	}
	h := Handshake{
		Protocol: e.Protocol, SiteID: e.SiteID, Epoch: e.Epoch, ServerTime: e.ServerTime, Watermark: e.Watermark,
		Warnings: e.Warnings, Raw: fields["site"],
	}
	if h.Watermark == "" {
		return e, h, fmt.Errorf("%w: watermark is empty", errShape)
	}
	_, err = take(h.Raw, []string{
		"protocol_min", "protocol_max", "plugin_version", "memberpress_version", "wordpress_version", "php_version",
		"database_version", "home_url", "site_url", "name", "timezone", "locale", "multisite", "currency", "gateways",
		"custom_fields", "entities", "plans", "emails", "reminders", "capabilities", "limits",
	})
	if err != nil {
		return e, h, err
	}
	return e, h, fields.read("site", &h.Site)
}

func decodeChecksums(body []byte) (Envelope, Checksums, error) {
	e, fields, err := decodeEnvelope(body, "of", "bucket")
	if err != nil {
		return e, Checksums{}, err
	}
	var sums Checksums
	if err := errors.Join(fields.read("of", &sums.Entity), fields.read("bucket", &sums.Bucket)); err != nil {
		return e, sums, err
	}
	sums.Runs = make([]Run, len(e.Rows))
	for i, raw := range e.Rows {
		fields, err := takeValid(raw, []string{"from", "to", "count", "xor"})
		if err != nil {
			return e, sums, err
		}
		run, digits := &sums.Runs[i], ""
		err = errors.Join(fields.read("from", &run.From), fields.read("to", &run.To), fields.read("count", &run.Count), fields.read("xor", &digits))
		if err != nil {
			return e, sums, err
		}
		if run.XOR, err = strconv.ParseUint(digits, 16, 64); err != nil || len(digits) != 16 {
			return e, sums, fmt.Errorf("%w: xor is not 16 hex digits", errShape)
		}
	}
	return e, sums, nil
}

func decodeDisconnect(body []byte) (Envelope, error) {
	e, fields, err := decodeEnvelope(body, "disconnected")
	if err != nil {
		return e, err
	}
	var done bool
	if err := fields.read("disconnected", &done); err != nil {
		return e, err
	}
	if !done {
		return e, fmt.Errorf("%w: disconnected is false", errShape)
	}
	return e, nil
}

// describe reads what can be read of a description that is not understood, to name its versions.
func describe(body []byte) (d Description) {
	var lenient struct{ Site Description }
	if json.Unmarshal(body, &lenient) == nil {
		d = lenient.Site
	}
	return d
}

// take splits an object into its fields, which must be exactly those that are named. They point into raw.
func take(raw []byte, names []string) (parts, error) {
	if !json.Valid(raw) {
		return nil, fmt.Errorf("%w: no JSON", errShape)
	}
	return takeValid(raw, names)
}

// takeValid is take for what is known to be JSON, as a part of such is.
func takeValid(raw []byte, names []string) (parts, error) {
	whole := gjson.Parse(unsafe.String(unsafe.SliceData(raw), len(raw)))
	if !whole.IsObject() {
		return nil, fmt.Errorf("%w: no object where one should be", errShape)
	}
	fields := make(parts, len(names))
	var err error
	whole.ForEach(func(key, value gjson.Result) bool {
		if _, twice := fields[key.Str]; twice {
			err = fmt.Errorf("%w: %s comes twice", errShape, shorten(key.Str))
		}
		fields[key.Str] = bytesOf(value)
		return err == nil
	})
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		plain, nullable := name, false
		if last := len(name) - 1; name[last] == '?' {
			plain, nullable = name[:last], true
		}
		value, there := fields[plain]
		if !there {
			return nil, fmt.Errorf("%w: %s is missing", errShape, plain)
		}
		if !nullable && isNull(value) {
			return nil, fmt.Errorf("%w: %s is null", errShape, plain)
		}
	}
	for name := range fields {
		if !slices.Contains(names, name) && !slices.Contains(names, name+"?") {
			return nil, fmt.Errorf("%w: the field %q is not known", errShape, shorten(name))
		}
	}
	return fields, nil
}

// bytesOf returns a value as it came, without copying it.
func bytesOf(value gjson.Result) json.RawMessage {
	return unsafe.Slice(unsafe.StringData(value.Raw), len(value.Raw))
}

// list splits an array into its values, which point into the answer: they are most of it, and are read where they go.
func (p parts) list(name string, into *[]json.RawMessage) error {
	whole := gjson.Parse(unsafe.String(unsafe.SliceData(p[name]), len(p[name])))
	if !whole.IsArray() {
		return fmt.Errorf("%w: %s is not what it should be", errShape, name)
	}
	*into = make([]json.RawMessage, 0, bytes.Count(p[name], []byte(`{"id":`)))
	whole.ForEach(func(_, value gjson.Result) bool {
		*into = append(*into, bytesOf(value))
		return true
	})
	return nil
}

// read decodes a field strictly. The error names the field and never its value.
func (p parts) read(name string, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(p[name]))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(into)
	if err == nil {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		}
	}
	return fmt.Errorf("%w: %s is not what it should be", errShape, name)
}

func moment(text string) (time.Time, error) {
	at, err := time.Parse("2006-01-02T15:04:05Z", text)
	if err != nil {
		return at, fmt.Errorf("%w: server_time is no time in UTC", errShape)
	}
	return at, nil
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// shorten keeps a name that somebody else chose short enough for a log.
func shorten(name string) string { return name[:min(len(name), 40)] }
