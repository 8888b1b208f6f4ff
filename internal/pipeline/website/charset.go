package website

import (
	"bytes"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html/charset"
	"golang.org/x/text/encoding/charmap"
)

// decodeText brings a page into UTF-8. What header and page say of the charset is wrong so often that the bytes are
// asked first: text with a mark, or with letters that are valid UTF-8, is that. A page that calls itself UTF-8
// and is not was written in a western Windows.
func decodeText(body []byte, contentType string) []byte {
	encoding, name, certain := charset.DetermineEncoding(body, contentType)
	marked := certain && hasMark(body)
	switch {
	case !marked && utf8.Valid(trimPart(body)) && !ascii(body):
		return body
	case name == "utf-8" && !marked:
		if utf8.Valid(trimPart(body)) {
			return body
		}
		encoding = charmap.Windows1252
	}
	text, err := encoding.NewDecoder().Bytes(body)
	if err != nil {
		return bytes.ToValidUTF8(body, nil)
	}
	return text
}

func hasMark(b []byte) bool {
	return bytes.HasPrefix(b, []byte("\xef\xbb\xbf")) || bytes.HasPrefix(b, []byte("\xfe\xff")) || bytes.HasPrefix(b, []byte("\xff\xfe"))
}

// trimPart takes off a letter that was cut at the end of a page that was too long.
func trimPart(b []byte) []byte {
	for i := len(b) - 1; i >= 0 && i >= len(b)-utf8.UTFMax; i-- {
		if utf8.RuneStart(b[i]) {
			if !utf8.FullRune(b[i:]) {
				return b[:i]
			}
			break
		}
	}
	return b
}

// ascii holds for text in which an escape may begin letters (ISO-2022-JP) too: what says so is believed.
func ascii(b []byte) bool {
	for _, c := range b {
		if c > unicode.MaxASCII {
			return false
		}
	}
	return true
}
