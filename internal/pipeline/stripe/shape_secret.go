package stripe

import "bytes"

// withoutSecrets returns raw, which must be valid JSON, without its members named client_secret, at whatever
// depth they stand: with one a payer's browser may act on a payment, and the warehouse has readers. A raw
// without any is returned as it is, another is copied.
func withoutSecrets(raw []byte) []byte {
	key := []byte(`"client_secret"`)
	if !bytes.Contains(raw, key) {
		return raw
	}
	out := make([]byte, 0, len(raw))
	from := 0
	for {
		next := bytes.Index(raw[from:], key)
		if next < 0 {
			return append(out, raw[from:]...)
		}
		at := from + next
		end, secret := secretEnd(raw, at, at+len(key))
		if !secret {
			out, from = append(out, raw[from:at+len(key)]...), at+len(key)
			continue
		}
		out = bytes.TrimRight(append(out, raw[from:at]...), blanks)
		from = end
		if rest := skipBlanks(raw, end); out[len(out)-1] == ',' {
			out = out[:len(out)-1]
		} else if raw[rest] == ',' {
			from = rest + 1
		}
	}
}

// secretEnd returns the index after the value of the key that stands from at to after, and whether it is such
// a key: a text may be the same word or may escape the quotes within it, and null is no secret.
func secretEnd(raw []byte, at, after int) (int, bool) {
	if raw[at-1] == '\\' {
		return 0, false
	}
	i := skipBlanks(raw, after)
	if raw[i] != ':' {
		return 0, false
	}
	i = skipBlanks(raw, i+1)
	if raw[i] != '"' {
		return 0, false
	}
	end, _ := scanString(raw, i+1, false)
	return end + 1, true
}

// blanks is what JSON allows between its tokens.
const blanks = " \t\r\n"

func skipBlanks(raw []byte, i int) int {
	for i < len(raw) && bytes.IndexByte([]byte(blanks), raw[i]) >= 0 {
		i++
	}
	return i
}
