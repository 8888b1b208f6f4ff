package fetch

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// MaxRobots is how much of a robots.txt is read, which is what RFC 9309 asks for at least.
const MaxRobots = 500 << 10

// maxLine bounds what one line may make us compare.
const maxLine = 16 << 10

// Robots is a site's robots.txt as RFC 9309 reads it. The nil value allows everything. It is not changed once
// it is made.
type Robots struct{ groups []group }

// group is the rules for some robots.
type group struct {
	agents []string // product tokens in lower case, or "*"
	rules  []rule
	delay  time.Duration
}

type rule struct {
	pattern string // normal, as normal makes it
	allow   bool
}

// ParseRobots reads a robots.txt. There is no text that it refuses: what it does not know it skips, since a
// page that stands where robots.txt should be holds no rules.
func ParseRobots(text []byte) *Robots {
	if len(text) > MaxRobots {
		text = text[:bytes.LastIndexAny(text[:MaxRobots], "\r\n")+1] // half a rule says something else
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	r, open := &Robots{}, false // open: the group still takes robots
	for line := range strings.FieldsFuncSeq(string(text), func(c rune) bool { return c == '\n' || c == '\r' }) {
		line, _, _ = strings.Cut(line[:min(len(line), maxLine)], "#")
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		switch key = strings.ToLower(strings.TrimSpace(key)); key {
		case "user-agent":
			if !open {
				r.groups, open = append(r.groups, group{}), true
			}
			last := &r.groups[len(r.groups)-1]
			last.agents = append(last.agents, token(value))
		case "allow", "disallow", "crawl-delay":
			open = false
			if len(r.groups) > 0 && value != "" {
				r.groups[len(r.groups)-1].add(key, value)
			}
		}
	}
	return r
}

func (g *group) add(key, value string) {
	if key != "crawl-delay" {
		g.rules = append(g.rules, rule{pattern: pattern(value), allow: key == "allow"})
	} else if seconds, err := strconv.ParseFloat(value, 64); err == nil {
		g.delay = time.Duration(max(0, min(seconds, 3600)) * float64(time.Second))
	}
}

// token is the robot's name in a line, without version and comment.
func token(value string) string {
	if strings.HasPrefix(value, "*") {
		return "*"
	}
	end := strings.IndexFunc(value, func(c rune) bool {
		return c != '-' && c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
	})
	if end >= 0 {
		value = value[:end]
	}
	return strings.ToLower(value)
}

// Allows reports whether the robot of that name may ask for the address. The longest rule that matches counts,
// and of two that are as long the one that allows.
func (r *Robots) Allows(robot string, at *url.URL) bool {
	path := at.EscapedPath()
	if path == "" {
		path = "/"
	}
	if path == "/robots.txt" {
		return true
	}
	if at.RawQuery != "" || at.ForceQuery {
		path += "?" + at.RawQuery
	}
	path = strings.NewReplacer("*", "%2A", "$", "%24").Replace(normal(path)) // meant as themselves
	allowed, longest := true, -1
	for _, g := range r.of(robot) {
		for _, rule := range g.rules {
			if n := len(rule.pattern); (n > longest || n == longest && rule.allow) && rule.matches(path) {
				allowed, longest = rule.allow, n
			}
		}
	}
	return allowed
}

// Delay is the pause that the robot is asked to make between two requests, 0 where it is asked for none. It is
// no part of the RFC, and many sites say it.
func (r *Robots) Delay(robot string) (longest time.Duration) {
	for _, g := range r.of(robot) {
		longest = max(longest, g.delay)
	}
	return longest
}

// of returns all groups that name the robot or, when none does, all that are for every robot.
func (r *Robots) of(robot string) (named []group) {
	if r == nil {
		return nil
	}
	robot = strings.ToLower(robot)
	for _, name := range []string{robot, "*"} {
		for _, g := range r.groups {
			for _, agent := range g.agents {
				if agent == name {
					named = append(named, g)
					break
				}
			}
		}
		if named != nil {
			break
		}
	}
	return named
}

// matches compares a path with the pattern, which may hold "*" for anything and "$" for the end. It takes at
// most the product of their lengths, whatever is written.
func (r rule) matches(path string) bool {
	pattern, whole := strings.CutSuffix(r.pattern, "$")
	parts := strings.Split(pattern, "*")
	rest, ok := strings.CutPrefix(path, parts[0])
	if !ok {
		return false
	}
	for i, part := range parts[1:] {
		if whole && i == len(parts)-2 {
			return strings.HasSuffix(rest, part)
		}
		_, after, found := strings.Cut(rest, part)
		if !found {
			return false
		}
		rest = after
	}
	return !whole || rest == ""
}

// normal writes a path or a pattern in one way: what need not be escaped is not, what must be is, and escapes
// have capital letters.
func normal(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c == '%' && i+2 < len(text) {
			if n, err := strconv.ParseUint(text[i+1:i+3], 16, 8); err == nil {
				if unreserved(byte(n)) {
					b.WriteByte(byte(n))
				} else {
					b.WriteString(strings.ToUpper(text[i : i+3]))
				}
				i += 2
				continue
			}
		}
		if unreserved(c) || strings.IndexByte("%:/?#[]@!$&'()*+,;=", c) >= 0 {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// pattern keeps "*" and a "$" at the end, which are not meant as themselves.
func pattern(value string) string {
	value = normal(value)
	end := len(value) - 1
	return strings.ReplaceAll(value[:end], "$", "%24") + value[end:]
}

func unreserved(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
