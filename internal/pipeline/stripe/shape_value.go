package stripe

import (
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// text returns a string; null, missing and "" are nil.
func (o *object) text(key string) *string {
	v, ok := o.said(key)
	if !ok {
		return nil
	}
	if v.Type != gjson.String {
		o.refuse(key, kindOf(v), "a text or null")
		return nil
	}
	if v.Str == "" {
		return nil
	}
	return &v.Str
}

// ref returns the id of another object, which may be given as the id or expanded; null and "" are nil.
func (o *object) ref(key string) *string {
	v, ok := o.said(key)
	switch {
	case !ok, v.Type == gjson.String && v.Str == "":
		return nil
	case v.IsObject():
		id := o.child(key).mustID("id")
		return &id
	case v.Type != gjson.String:
		o.refuse(key, kindOf(v), "an id, an object or null")
		return nil
	case !usableID(v.Str):
		o.refuse(key, "a text that is no id", "an id of 1 to 255 ASCII characters")
		return nil
	}
	return &v.Str
}

// mustID returns an id of the object's own.
func (o *object) mustID(key string) string {
	v := o.get(key)
	if v.Type != gjson.String {
		o.refuse(key, kindOf(v), "an id of 1 to 255 ASCII characters")
		return ""
	}
	if !usableID(v.Str) {
		o.refuse(key, "a text that is no id", "an id of 1 to 255 ASCII characters")
		return ""
	}
	return v.Str
}

// mustNewID returns an id of the object's own that is not among the seen, and puts it there.
func (o *object) mustNewID(seen map[string]bool) string {
	id := o.mustID("id")
	if seen[id] {
		o.refuse("id", "an id that stood before", "ids that differ")
	}
	seen[id] = true
	return id
}

// usableID reports whether id can name an object. Ids that people choose may hold blanks.
func usableID(id string) bool {
	if id == "" || len(id) > 255 {
		return false
	}
	for i := range len(id) {
		if id[i] < ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// flag returns a boolean; null and missing are false.
func (o *object) flag(key string) bool {
	v, ok := o.said(key)
	if ok && !v.IsBool() {
		o.refuse(key, kindOf(v), "true or false")
	}
	return v.Type == gjson.True
}

// mustFlag returns a boolean that must be there.
func (o *object) mustFlag(key string) bool {
	v := o.get(key)
	if !v.IsBool() {
		o.refuse(key, kindOf(v), "true or false")
	}
	return v.Type == gjson.True
}

// yearEnd is the last second of the year 9999.
const yearEnd = 253402300799

// time returns a moment given in whole seconds since 1970; null and missing are nil.
func (o *object) time(key string) *time.Time {
	if _, ok := o.said(key); !ok {
		return nil
	}
	seconds := o.whole(key, 0, yearEnd, "whole seconds since 1970, up to the year 9999")
	at := time.Unix(seconds, 0).UTC()
	return &at
}

// mustTime returns a moment that must be there.
func (o *object) mustTime(key string) *time.Time {
	if _, ok := o.said(key); !ok {
		o.refuse(key, kindOf(o.get(key)), "whole seconds since 1970")
		return nil
	}
	return o.time(key)
}

// An amount that can go either way lies within these, so that its negative fits as well.
const (
	maxMoney = 1<<63 - 1
	minMoney = -maxMoney
)

// amount returns minor units within [least, maxMoney]; null and missing are nil.
func (o *object) amount(key string, least int64) *int64 {
	if _, ok := o.said(key); !ok {
		return nil
	}
	n := o.mustAmount(key, least)
	return &n
}

// mustAmount returns minor units that must be there.
func (o *object) mustAmount(key string, least int64) int64 {
	expected := "a whole number"
	if least >= 0 {
		expected = "a whole number that is not negative"
	}
	return o.whole(key, least, maxMoney, expected)
}

// count returns a small whole number; null and missing are nil.
func (o *object) count(key string, least int64) *int32 {
	if _, ok := o.said(key); !ok {
		return nil
	}
	n := int32(o.whole(key, least, 1<<31-1, "a small whole number"))
	return &n
}

// whole returns an integer of 64 bits without going through a float.
func (o *object) whole(key string, least, most int64, expected string) int64 {
	v := o.get(key)
	if v.Type != gjson.Number {
		o.refuse(key, kindOf(v), expected)
		return 0
	}
	n, err := strconv.ParseInt(v.Raw, 10, 64)
	if err != nil || n < least || n > most {
		o.refuse(key, kindOfNumber(v.Raw, n, least), expected)
		return 0
	}
	return n
}

// currency returns a currency's code; null and missing are nil.
func (o *object) currency(key string) *string {
	if _, ok := o.said(key); !ok {
		return nil
	}
	code := o.mustCurrency(key)
	return &code
}

// mustCurrency returns a currency's code that must be there.
func (o *object) mustCurrency(key string) string {
	v := o.get(key)
	if v.Type != gjson.String {
		o.refuse(key, kindOf(v), "a currency of three lower-case letters")
		return ""
	}
	if len(v.Str) != 3 || strings.Trim(v.Str, "abcdefghijklmnopqrstuvwxyz") != "" {
		o.refuse(key, wordOf(v.Str), "a currency of three lower-case letters")
		return ""
	}
	return v.Str
}

// decimal returns a number in a text, such as "0.5"; null, missing and "" are nil.
func (o *object) decimal(key string) *string {
	text := o.text(key)
	if text == nil {
		return nil
	}
	digits := strings.TrimPrefix(*text, "-")
	before, after, fraction := strings.Cut(digits, ".")
	if len(digits) > 40 || !isDigits(before) || fraction && !isDigits(after) {
		o.refuse(key, "a text that is no decimal number", "a decimal number as a text, or null")
		return nil
	}
	return text
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// oneOf returns a text that is one of the allowed; null and missing are nil.
func (o *object) oneOf(key string, allowed ...string) *string {
	if _, ok := o.said(key); !ok {
		return nil
	}
	word := o.mustOneOf(key, allowed...)
	return &word
}

// mustOneOf returns a text that must be there and be one of the allowed.
func (o *object) mustOneOf(key string, allowed ...string) string {
	v := o.get(key)
	for _, word := range allowed {
		if v.Type == gjson.String && v.Str == word {
			return word
		}
	}
	found := kindOf(v)
	if v.Type == gjson.String {
		found = wordOf(v.Str)
	}
	o.refuse(key, found, "one of "+strings.Join(allowed, ", "))
	return ""
}

// kindOf describes a value without telling it.
func kindOf(v gjson.Result) string {
	switch {
	case !v.Exists():
		return "nothing"
	case v.Type == gjson.Null:
		return "null"
	case v.Type == gjson.String && v.Str == "":
		return "an empty text"
	case v.Type == gjson.String:
		return "a text"
	case v.Type == gjson.Number:
		return "a number"
	case v.IsBool():
		return v.Raw
	case v.IsArray():
		return "a list"
	}
	return "an object"
}

func kindOfNumber(raw string, n, least int64) string {
	switch {
	case strings.ContainsAny(raw, ".eE"):
		return "a number with a fraction or an exponent"
	case n < 0 && least >= 0:
		return "a negative number"
	}
	return "a number out of range"
}

// wordOf shows a text that looks like one of Stripe's own words, and no other.
func wordOf(s string) string {
	if s == "" {
		return "an empty text"
	}
	if len(s) > 40 || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return "a text"
	}
	return strconv.Quote(s)
}
