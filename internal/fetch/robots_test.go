package fetch_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"memberintel/internal/fetch"
)

// The vectors are RFC 9309's own examples and what its sections ask for, one sentence a vector.
var robotsVectors = []struct{ why, robots, path, allowed, refused string }{
	{"5.1: a simple example, all", "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n", "", "/publications/ /other", "/a.gif /example/a"},
	{"5.1: a named robot", "User-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\nUser-Agent: barbot\nUser-Agent: bazbot\nDisallow: /example/page.html\n\nUser-Agent: quxbot\n", "foobot",
		"/example/page.html /example/allowed.gif", "/ /example /example/page"},
	{"5.1: two robots share a group", "User-Agent: barbot\nUser-Agent: bazbot\nDisallow: /example/page.html\n", "bazbot", "/ /example/page", "/example/page.html"},
	{"5.1: a group without rules allows all", "User-agent: *\nDisallow: /\n\nUser-Agent: quxbot\n", "quxbot", "/", ""},
	{"5.2: the longest match wins", "User-Agent: foobot\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n", "foobot", "/example/page/ /example/page/a.gif", "/example/page/disallowed.gif"},
	{"2.2.1: the name is compared without case", "User-Agent: MEMBERINTELBOT\nDisallow: /x\n", "", "/", "/x"},
	{"2.2.1: a version after the name does not count", "User-Agent: MemberIntelBot/2.0 (beta)\nDisallow: /x\n", "", "/", "/x"},
	{"2.2.1: a name that only begins alike is another's", "User-Agent: MemberIntelBotX\nDisallow: /\n", "", "/", ""},
	{"2.2.1: and so is one that is shorter", "User-Agent: MemberIntel\nDisallow: /\n", "", "/", ""},
	{"2.2.1: groups of one robot count as one", "User-agent: MemberIntelBot\nDisallow: /a\n\nUser-agent: other\nDisallow: /\n\nUser-agent: memberintelbot\nDisallow: /b\n", "", "/c", "/a /b"},
	{"2.2.1: groups for all count as one", "User-agent: *\nDisallow: /a\nUser-agent: *\nDisallow: /b\n", "", "/c", "/a /b"},
	{"2.2.1: a named group alone counts", "User-agent: *\nDisallow: /\nUser-agent: memberintelbot\nDisallow: /a\n", "", "/b", "/a"},
	{"2.2.1: nobody is named and nobody is meant", "User-agent: other\nDisallow: /\n", "", "/", ""},
	{"2.2.2: rules before any robot are nobody's", "Disallow: /\nUser-agent: memberintelbot\nDisallow: /a\n", "", "/b", "/a"},
	{"2.2.2: of two that are as long the one that allows", "User-agent: *\nDisallow: /page\nAllow: /page\n", "", "/page", ""},
	{"2.2.2: the order does not matter", "User-agent: *\nDisallow: /\nAllow: /p\nDisallow: /p/q\n", "", "/p /page", "/ /p/q /p/q/r"},
	{"2.2.2: an empty rule is none", "User-agent: *\nDisallow:\n", "", "/ /a", ""},
	{"2.2.2: an empty text has no rules", "", "", "/ /a", ""},
	{"2.2.2: paths are compared with case", "User-agent: *\nDisallow: /Join\n", "", "/join", "/Join"},
	{"2.2.2: keys without", "USER-AGENT: *\nDISALLOW: /a\naLLow: /a/b\n", "", "/a/b", "/a"},
	{"2.2.2: a query is a part of the path", "User-agent: *\nDisallow: /a?x=\n", "", "/a /a?y=1", "/a?x=1"},
	{"2.2.2: robots.txt itself may be read", "User-agent: *\nDisallow: /\n", "", "/robots.txt", "/robots.txt.bak /a"},
	{"2.2.2: an escape of what need not be escaped is none", "User-agent: *\nDisallow: /foo/bar/%62%61%7A\n", "", "/foo/bar/bar", "/foo/bar/baz /foo/bar/%62az"},
	{"2.2.2: an escape of a reserved sign stays", "User-agent: *\nDisallow: /foo/bar?baz=http%3A%2F%2Ffoo.bar\n", "", "/foo/bar?baz=http://foo.bar", "/foo/bar?baz=http%3a%2f%2ffoo.bar"},
	{"2.2.2: reserved signs as they are", "User-agent: *\nDisallow: /foo/bar?baz=http://foo.bar\n", "", "/foo/bar?baz=http%3A%2F%2Ffoo.bar", "/foo/bar?baz=http://foo.bar"},
	{"2.2.2: other letters, written", "User-agent: *\nDisallow: /foo/bar/ツ\n", "", "/foo/bar/", "/foo/bar/%E3%83%84 /foo/bar/%e3%83%84 /foo/bar/ツ"},
	{"2.2.2: other letters, escaped", "User-agent: *\nDisallow: /foo/bar/%E3%83%84\n", "", "/foo/bar/%E3", "/foo/bar/ツ"},
	{"2.2.3: a comment ends the line", "User-agent: * # all\nDisallow: /a # not this\n#Disallow: /b\n", "", "/b", "/a"},
	{"2.2.3: a star within", "User-agent: *\nDisallow: /a*/z\n", "", "/a/y", "/a/z /abc/d/z /a/z/more"},
	{"2.2.3: stars that could match in several ways", "User-agent: *\nDisallow: /*ab*ab$\n", "", "/ab /aab", "/abab /xabxabxab"},
	{"2.2.3: a dollar at the end", "User-agent: *\nDisallow: /*.php$\nDisallow: /join$\n", "", "/a.php? /a.php5 /join/ /join?x", "/a.php /b/c.php /join"},
	{"2.2.3: a star and a dollar as themselves", "User-agent: *\nDisallow: /file-with-a-%2A.html\nDisallow: /us%24\nDisallow: /a$b\n", "", "/file-with-a-x.html /us", "/file-with-a-*.html /us$ /a$bc"},
	{"2.2.4: other records do not end a group", "User-agent: memberintelbot\nSitemap: https://lakeside.example/s.xml\nUser-agent: other\nHost: x\nDisallow: /a\n", "", "/", "/a"},
	{"2.3: a mark at the beginning, other line ends", "\ufeffUser-agent: *\r\nDisallow: /a\rDisallow: /b\r\n\r\n", "", "/", "/a /b"},
	{"2.3: blank lines do not end a group", "User-agent: *\n\n\nDisallow: /a\n", "", "/", "/a"},
	{"2.3: spaces around everything", "  User-agent \t: \t* \n\tDisallow   :   /a   \n", "", "/", "/a"},
	{"2.3: a page that is no robots.txt", "<!DOCTYPE html><html><head><style>a:hover{color:red}</style></head><body>Disallow: /</body></html>", "", "/ /a", ""},
	{"2.5: the first 500 KiB count", "User-agent: *\nDisallow: /a\n" + strings.Repeat("#\n", fetch.MaxRobots/2) + "Disallow: /b\n", "", "/b", "/a"},
	{"2.5: a rule that is cut off does not", strings.Repeat(" ", fetch.MaxRobots-25) + "\nUser-agent: *\nDisallow: /join-us\n", "", "/ /join-us /jo", ""},
}

func TestRobotsAreHeardAsTheRFCSays(t *testing.T) {
	if len(robotsVectors) < 18 {
		t.Error("vectors are missing")
	}
	for _, v := range robotsVectors {
		robots, name := fetch.ParseRobots([]byte(v.robots)), v.path
		if name == "" {
			name = fetch.Robot
		}
		for paths, want := range map[string]bool{v.allowed: true, v.refused: false} {
			for path := range strings.FieldsSeq(paths) {
				at, err := url.Parse("https://lakeside.example" + path)
				if err != nil {
					t.Fatal(err)
				}
				if robots.Allows(name, at) != want {
					t.Errorf("%s: %s: allowed is not %v", v.why, path, want)
				}
			}
		}
	}
}

func TestARobotIsToldToTakeItsTime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"User-agent: *\nCrawl-delay: 10\nDisallow: /a": 10 * time.Second, "User-agent: *\ncrawl-delay: 2.5": 2500 * time.Millisecond,
		"User-agent: *\nCrawl-delay: soon": 0, "User-agent: *\nCrawl-delay: -3": 0, "User-agent: *\nCrawl-delay: 1e9": time.Hour,
		"User-agent: other\nCrawl-delay: 10": 0, "Crawl-delay: 10": 0,
	} {
		if got := fetch.ParseRobots([]byte(text)).Delay(fetch.Robot); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	var none *fetch.Robots
	if !none.Allows(fetch.Robot, &url.URL{Path: "/"}) || none.Delay(fetch.Robot) != 0 {
		t.Error("a site without rules refuses")
	}
}

func FuzzRobots(f *testing.F) {
	for _, v := range robotsVectors {
		if len(v.robots) < 4096 {
			f.Add(v.robots, "/example/page.html?a=%62*$")
		}
	}
	f.Fuzz(func(t *testing.T, text, path string) {
		at := &url.URL{Scheme: "https", Host: "lakeside.example", Path: "/" + path, RawQuery: path}
		robots := fetch.ParseRobots([]byte(text))
		allowed := robots.Allows(fetch.Robot, at)
		if !robots.Allows(fetch.Robot, &url.URL{Path: "/robots.txt"}) || robots.Delay(fetch.Robot) < 0 {
			t.Error("robots.txt is refused, or a pause runs backwards")
		}
		// A later group that says nothing of us, and comments, change nothing.
		if again := fetch.ParseRobots([]byte(text + "\n# more\nUser-agent: somebody-else\nDisallow: /\n")); len(text) < 4096 &&
			again.Allows(fetch.Robot, at) != allowed && !strings.Contains(strings.ToLower(text), "agent") {
			t.Errorf("%q: %v became %v", text, allowed, !allowed)
		}
		// What is named in full and refused is refused.
		if whole := fmt.Sprintf("User-agent: %s\nDisallow: /\n", fetch.Robot); fetch.ParseRobots([]byte(whole)).Allows(fetch.Robot, at) && at.EscapedPath() != "/robots.txt" {
			t.Errorf("%s is allowed", at)
		}
	})
}
