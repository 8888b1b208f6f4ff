package website

import (
	"regexp"
	"strconv"
	"strings"
)

// unseen elements hold nothing that is read on the page, whatever they say.
var unseen = map[string]bool{
	"script": true, "style": true, "noscript": true, "template": true, "iframe": true, "object": true, "embed": true, "audio": true, "video": true, "canvas": true,
	"map": true, "svg": true, "math": true, "datalist": true, "noframes": true, "noembed": true, "frameset": true, "rp": true, "textarea": true, "progress": true, "meter": true,
}

// unseenClasses are what the usual libraries call text that is for screen readers or not shown.
var unseenClasses = map[string]bool{
	"screen-reader-text": true, "screen-reader-only": true, "sr-only": true, "visually-hidden": true, "visuallyhidden": true, "a11y-hidden": true, "show-for-sr": true,
	"d-none": true, "hidden": true, "invisible": true, "is-hidden": true, "uk-hidden": true, "w3-hide": true, "elementor-screen-only": true,
}

// hiddenBy reports whether nobody sees an element. What opens with a click (details, tabs) counts as seen.
func hiddenBy(tag string, attrs attributes, says declarations) bool {
	if unseen[tag] || attrs.has("hidden") || tag == "dialog" && !attrs.has("open") {
		return true
	}
	classes := attrs.words("class")
	for _, class := range classes[:min(len(classes), maxClasses)] {
		if unseenClasses[class] && !shownAgain(classes) {
			return true
		}
	}
	for property, value := range says {
		if hides(property, value) {
			return true
		}
	}
	return says.noRoom() || says.offScreen()
}

// shownAgain finds what shows on wide screens: "d-none d-md-block", "hidden lg:flex".
func shownAgain(classes []string) bool {
	for _, class := range classes {
		if strings.HasPrefix(class, "d-") && (strings.HasSuffix(class, "-block") || strings.HasSuffix(class, "-flex") || strings.HasSuffix(class, "-inline")) {
			return true
		}
		if _, what, ok := strings.Cut(class, ":"); ok && (what == "block" || what == "flex" || what == "grid" || what == "inline" || what == "inline-block" || what == "visible") {
			return true
		}
	}
	return false
}

var (
	scaleZero = regexp.MustCompile(`scale([xy]|3d)?\(\s*0*\.?0*\s*[,)]`)
	farMove   = regexp.MustCompile(`translate([xy]|3d)?\([^)]*-\d{3,}(px|%|em|rem|vw|vh)`)
	zeroClip  = regexp.MustCompile(`rect\(\s*[01](px)?[\s,]+[01](px)?[\s,]+[01](px)?[\s,]+[01](px)?\s*\)|inset\(\s*(50|100)%|circle\(\s*0|polygon\(\s*0(px|%)?\s+0(px|%)?\s*,\s*0(px|%)?\s+0(px|%)?\s*,\s*0(px|%)?\s+0(px|%)?\s*[,)]`)
	fontZero  = regexp.MustCompile(`(^|\s)0*\.?0*(px|em|rem|%|pt)?(/|\s)`)
)

// hides reports whether a single declaration is enough.
func hides(property, value string) bool {
	switch property {
	case "display":
		return value == "none"
	case "visibility":
		return value == "hidden" || value == "collapse"
	case "content-visibility":
		return value == "hidden"
	case "opacity":
		return fraction(value) < 0.05
	case "filter":
		_, of, found := strings.Cut(value, "opacity(")
		of, _, _ = strings.Cut(of, ")")
		return found && fraction(of) < 0.05
	case "font-size":
		return tiny(value, 2)
	case "font":
		return fontZero.MatchString(value)
	case "zoom":
		return tiny(value, 0)
	case "color", "-webkit-text-fill-color":
		return value == "transparent" || seeThrough(value)
	case "clip", "clip-path":
		return zeroClip.MatchString(value)
	case "transform", "scale", "translate":
		return scaleZero.MatchString(value) || farMove.MatchString(value) || property == "scale" && tiny(value, 0) || property == "translate" && away(value, false)
	case "text-indent":
		return away(value, false)
	}
	return false
}

// noRoom finds a box too small for anything, what is within being cut off.
func (d declarations) noRoom() bool {
	if d == nil {
		return false
	}
	cut := d["overflow"] + d["overflow-x"] + d["overflow-y"]
	if !strings.Contains(cut, "hidden") && !strings.Contains(cut, "clip") {
		return false
	}
	for _, side := range []string{"width", "height", "max-width", "max-height"} {
		if value := d[side]; tiny(value, 1) {
			return true
		}
	}
	return false
}

// conceals reports whether a declaration is enough to hide, or takes the room that is needed to be seen.
func conceals(property, value string) bool {
	switch property {
	case "width", "height", "max-width", "max-height":
		return tiny(value, 1)
	}
	return hides(property, value)
}

// offScreen finds what was moved out of the window.
func (d declarations) offScreen() bool {
	if d == nil {
		return false
	}
	for _, property := range []string{"margin-left", "margin-top", "margin"} {
		if away(d[property], false) {
			return true
		}
	}
	switch d["position"] {
	case "absolute", "fixed", "relative", "sticky":
		for _, side := range []string{"left", "right", "top", "bottom", "inset"} {
			if away(d[side], true) || far(d[side]) {
				return true
			}
		}
	}
	return false
}

// away reports whether a length leads out of the window to the left or up. What moves by a share of the window is a
// menu that waits beside it, or a margin of a usual layout.
func away(value string, shares bool) bool {
	for one := range strings.FieldsSeq(value) {
		n, share, ok := length(strings.TrimPrefix(one, "calc("))
		if ok && (!share && n <= -500 || share && shares && n <= -100) {
			return true
		}
	}
	return false
}

func far(value string) bool {
	n, share, ok := length(value)
	return ok && !share && n >= 3000
}

// tiny reports whether a length is at most so many pixels; of shares, nothing is known but zero.
func tiny(value string, limit float64) bool {
	n, share, ok := length(value)
	return ok && (n <= 0 || !share && n <= limit || share && n <= 1 && limit > 0)
}

// length is a length in pixels, roughly, or a share of something in percent.
func length(value string) (n float64, share, ok bool) {
	number := strings.TrimRight(value, "abcdefghijklmnopqrstuvwxyz%)")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, false, false
	}
	switch value[len(number):] {
	case "em", "rem", "ch", "ex":
		n *= 16
	case "cm", "in":
		n *= 50
	case "%", "vw", "vh":
		share = true
	}
	return n, share, true
}

func fraction(value string) float64 {
	percent := strings.HasSuffix(value, "%")
	n, err := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64)
	if err != nil {
		return 1
	}
	if percent {
		return n / 100
	}
	return n
}
