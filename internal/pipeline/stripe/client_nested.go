package stripe

import (
	"bytes"
	"context"
	"net/url"
	"time"

	"github.com/tidwall/gjson"
)

// Whole returns the object of the stream with the list within it that Stripe cut off put together from its
// further pages; an object that is not cut off, or is not understood, comes back as it is. The object's
// observation then spans that of all pages.
func (c *Client) Whole(ctx context.Context, s Stream, o Object) (Object, error) {
	if s.Nested == "" {
		return o, nil
	}
	top := gjson.ParseBytes(o.Raw)
	nested := top.Get(s.Nested)
	if nested.Get("has_more").Type != gjson.True || unstorable(o.Raw) != "" {
		return o, nil
	}
	id := top.Get("id").String()
	if id == "" {
		return o, nil
	}
	q := url.Values{s.NestedKey: {id}}
	var elements [][]byte
	err := c.ListAll(ctx, s.NestedPath, q, func(page Page) error {
		if page.First {
			elements = nil
		}
		elements = append(elements, page.Objects...)
		o.Observed.From = *pick(&o.Observed.From, &page.Observed.From, time.Time.Before)
		o.Observed.Until = *pick(&o.Observed.Until, &page.Observed.Until, time.Time.After)
		return nil
	})
	if err != nil {
		return Object{}, err
	}
	o.Raw = splice(o.Raw, nested, elements)
	return o, nil
}

// splice returns raw with the nested list replaced by a whole one. The list is read anew from its beginning,
// so that it holds each element once and as of one reading.
func splice(raw []byte, nested gjson.Result, elements [][]byte) []byte {
	out := make([]byte, 0, len(raw)+len(elements)*512)
	out = append(out, raw[:nested.Index]...)
	out = append(out, `{"object":"list","has_more":false,"data":[`...)
	out = append(out, bytes.Join(elements, []byte{','})...)
	out = append(out, ']', '}')
	return append(out, raw[nested.Index+len(nested.Raw):]...)
}
