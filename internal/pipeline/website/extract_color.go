package website

import (
	"strconv"
	"strings"
)

// shade is a colour, 0 for one that is not knownShade.
type shade uint32

const (
	knownShade shade = 1 << 24
	white            = knownShade | 0xffffff
)

var shades = map[string]shade{
	"white": white, "black": knownShade, "snow": knownShade | 0xfffafa, "ivory": knownShade | 0xfffff0, "whitesmoke": knownShade | 0xf5f5f5, "ghostwhite": knownShade | 0xf8f8ff,
	"gray": knownShade | 0x808080, "grey": knownShade | 0x808080, "silver": knownShade | 0xc0c0c0, "red": knownShade | 0xff0000, "green": knownShade | 0x008000, "blue": knownShade | 0x0000ff,
	"navy": knownShade | 0x000080, "yellow": knownShade | 0xffff00, "lightgray": knownShade | 0xd3d3d3, "lightgrey": knownShade | 0xd3d3d3,
}

// shadeOf reads a colour out of a value that may hold more, as "background: #fff url(x)" does; then an image may lie
// over it, and it is not knownShade.
func shadeOf(value string) shade {
	if strings.Contains(value, "url(") || strings.Contains(value, "gradient") || strings.Contains(value, "var(") {
		return 0
	}
	if inside, ok := strings.CutPrefix(value, "rgb"); ok {
		_, inside, _ = strings.Cut(inside, "(")
		inside, _, _ = strings.Cut(inside, ")")
		return channels(strings.FieldsFunc(inside, func(r rune) bool { return r == ',' || r == ' ' || r == '/' }))
	}
	for word := range strings.FieldsSeq(value) {
		if s := shades[word]; s != 0 {
			return s
		}
		if digits, ok := strings.CutPrefix(word, "#"); ok {
			return hexShade(digits)
		}
	}
	return 0
}

func hexShade(digits string) shade {
	if len(digits) == 3 || len(digits) == 4 {
		wide := ""
		for _, d := range digits[:3] {
			wide += string(d) + string(d)
		}
		digits = wide
	}
	n, err := strconv.ParseUint(digits[:min(6, len(digits))], 16, 32)
	if err != nil || len(digits) < 6 {
		return 0
	}
	return knownShade | shade(n)
}

func channels(parts []string) shade {
	if len(parts) < 3 {
		return 0
	}
	s := knownShade
	for i, part := range parts[:3] {
		n, err := strconv.ParseFloat(strings.TrimSuffix(part, "%"), 64)
		if err != nil {
			return 0
		}
		if strings.HasSuffix(part, "%") {
			n *= 2.55
		}
		s |= shade(max(0, min(n, 255))) << (16 - 8*i)
	}
	return s
}

// seeThrough reports whether a colour lets everything through.
func seeThrough(value string) bool {
	if digits, ok := strings.CutPrefix(value, "#"); ok {
		return len(digits) == 8 && digits[6:] == "00" || len(digits) == 4 && digits[3] == '0'
	}
	_, inside, ok := strings.Cut(value, "(")
	inside, _, _ = strings.Cut(inside, ")")
	parts := strings.FieldsFunc(inside, func(r rune) bool { return r == ',' || r == ' ' || r == '/' })
	return ok && len(parts) == 4 && (strings.HasPrefix(value, "rgb") || strings.HasPrefix(value, "hsl")) && fraction(parts[3]) < 0.05
}

// alike reports whether text of one colour cannot be seen on the other.
func alike(a, b shade) bool {
	if a == 0 || b == 0 {
		return false
	}
	for shift := 0; shift <= 16; shift += 8 {
		if d := int(a>>shift&0xff) - int(b>>shift&0xff); d > 10 || d < -10 {
			return false
		}
	}
	return true
}
