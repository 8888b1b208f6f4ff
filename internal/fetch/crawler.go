package fetch

import (
	"cmp"
	"context"
	"hash/fnv"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// Robot is the name that robots.txt knows the crawler by.
const Robot = "MemberIntelBot"

const (
	robotsAge   = 24 * time.Hour   // RFC 9309 lets nobody keep it for longer
	maxSites    = 4096             // whose robots.txt is kept
	maxKept     = 2 << 20          // bytes of robots.txt that are kept; their rules take several times as much
	longestWait = 30 * time.Second // of what a site may ask for between two requests
)

// CrawlerConfig is what a Crawler is made of. A zero field takes its default.
type CrawlerConfig struct {
	About    string        // the address where a site's owner can learn who asks
	Pause    time.Duration // between two requests to a site, default 1 s; it is up to twice as long
	MaxBytes int64         // of a page, unpacked, default 2 MiB; a larger one is read up to there

	Now   func() time.Time                                 // nil is the machine's clock
	Sleep func(ctx context.Context, d time.Duration) error // nil is a real timer
}

// Crawler reads pages as a robot with manners: it says who it is, heeds robots.txt, and pauses between two
// requests. It remembers each site's robots.txt for a day, and is safe for concurrent use.
type Crawler struct {
	cfg CrawlerConfig

	mu    sync.Mutex
	known map[string]known // by origin
	kept  int              // bytes of the texts that the known rules come from
}

type known struct {
	robots *Robots // nil: everything is allowed
	at     time.Time
}

// NewCrawler makes a crawler.
func NewCrawler(cfg CrawlerConfig) *Crawler {
	cfg.Pause = cmp.Or(cfg.Pause, time.Second)
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, 2<<20)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Sleep == nil {
		cfg.Sleep = func(ctx context.Context, d time.Duration) error {
			over, stop := after(d)
			defer stop()
			return wait(ctx, over)
		}
	}
	return &Crawler{cfg: cfg, known: map[string]known{}}
}

// UserAgents are what the crawler calls itself, the first unless a firewall refuses it. All name the same
// robot and the same address: some firewalls know the usual form of a robot's name alone.
func UserAgents(about string) []string {
	return []string{Robot + "/1.0 (+" + about + ")", "Mozilla/5.0 (compatible; " + Robot + "/1.0; +" + about + ")"}
}

// Sender sends one request: Site.Send with care, or what Client.Within returns, as often as it is asked to.
type Sender func(context.Context, Request) (Response, error)

// Within returns a sender that gives each request so much time.
func (c *Client) Within(timeout time.Duration) Sender {
	return func(ctx context.Context, r Request) (Response, error) { return c.Do(ctx, r, timeout) }
}

// Visit is a series of requests to one site, one at a time. It must not be used concurrently.
type Visit struct {
	crawler *Crawler
	send    Sender
	agent   int // of UserAgents
	free    time.Time
}

// Visit begins a visit.
func (c *Crawler) Visit(send Sender) *Visit { return &Visit{crawler: c, send: send} }

// Get reads the page at the address. It fails as the sender does, and with the symptom Disallowed where
// robots.txt keeps the crawler from the page or from where it leads. When robots.txt cannot be read, nothing
// else is asked for, and the fault is the one that reading it met.
func (v *Visit) Get(ctx context.Context, address string) (Response, error) {
	at, err := parse(address)
	if err != nil {
		return Response{}, err
	}
	robots, err := v.robots(ctx, at)
	if err != nil {
		return Response{}, err
	}
	if !robots.Allows(Robot, at) {
		return Response{}, v.fault(Disallowed, "", at)
	}
	answer, err := v.page(ctx, at, robots)
	if SymptomOf(err) == Firewall && v.agent == 0 {
		v.agent = 1
		if again, failed := v.page(ctx, at, robots); failed == nil || SymptomOf(failed) != "" {
			answer, err = again, failed
		}
	}
	if err != nil {
		return answer, err
	}
	// A redirect may have led from http to https or to www., which have rules of their own.
	if end, failed := parse(answer.URL); failed == nil && origin(end) != origin(at) {
		robots, err = v.robots(ctx, end)
		if err == nil && !robots.Allows(Robot, end) {
			err = v.fault(Disallowed, "", end)
		}
		if err != nil {
			return Response{}, err
		}
	}
	return answer, nil
}

func (v *Visit) page(ctx context.Context, at *url.URL, robots *Robots) (Response, error) {
	return v.ask(ctx, robots.Delay(Robot), Request{
		URL: at.String(), MaxBytes: v.crawler.cfg.MaxBytes, Cut: true,
		Header: http.Header{"Accept": {"text/html,application/xhtml+xml;q=0.9,*/*;q=0.1"}},
		May:    func(next *url.URL) bool { return origin(next) != origin(at) || robots.Allows(Robot, next) },
	})
}

// robots returns the rules for an address, from the site where they are not known or old.
func (v *Visit) robots(ctx context.Context, at *url.URL) (*Robots, error) {
	c, here := v.crawler, origin(at)
	if rules, ok := c.recall(here); ok {
		return rules, nil
	}
	var away *url.URL
	answer, err := v.ask(ctx, 0, Request{
		URL: here + "/robots.txt", MaxBytes: MaxRobots + 1, Cut: true, Anywhere: true,
		May: func(next *url.URL) bool {
			if siteOf(next) != siteOf(at) {
				away = next
			}
			return true
		},
		// A site without rules has said so in whatever way it refuses; one that asks for patience has not.
		Own: func(a Response) (bool, error) {
			return a.Status >= 400 && a.Status < 500 && a.Status != http.StatusTooManyRequests, nil
		},
	})
	switch symptom := SymptomOf(err); {
	case err == nil, symptom == RedirectLoop:
	case away != nil && symptom != "" && symptom != PrivateAddress && symptom != WrongPort: // it is another site that is not well
		return nil, v.fault(Moved, away.Hostname(), at)
	default:
		return nil, err
	}
	var rules *Robots
	size := 0
	if err == nil && answer.Status < 300 {
		rules, size = ParseRobots(answer.Body), len(answer.Body)
	}
	c.remember(here, rules, size)
	if end, failed := parse(answer.URL); failed == nil && end.Path == "/robots.txt" && err == nil && siteOf(end) == siteOf(at) {
		c.remember(origin(end), rules, 0)
	}
	return rules, nil
}

// ask sends a request after the pause.
func (v *Visit) ask(ctx context.Context, delay time.Duration, r Request) (Response, error) {
	cfg := v.crawler.cfg
	r.UserAgent = UserAgents(cfg.About)[v.agent]
	if !v.free.IsZero() {
		free := v.free.Add(max(spread(r.URL, cfg.Pause), min(delay, longestWait)))
		if wait := free.Sub(cfg.Now()); wait > 0 {
			if err := cfg.Sleep(ctx, wait); err != nil {
				return Response{}, err
			}
		}
	}
	answer, err := v.send(ctx, r)
	v.free = cfg.Now()
	return answer, err
}

// spread is a pause of one to two times d, so that requests do not come as by a clock.
func spread(address string, d time.Duration) time.Duration {
	h := fnv.New32a()
	_, _ = h.Write([]byte(address))
	return d + d*time.Duration(h.Sum32()%1000)/1000
}

func (v *Visit) fault(symptom Symptom, detail string, at *url.URL) error {
	return diagnosis{symptom: symptom, detail: detail, pages: true}.fault(at.Host, 0, Response{}, v.crawler.cfg.Now())
}

func (c *Crawler) recall(origin string) (*Robots, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.known[origin]
	return k.robots, ok && c.cfg.Now().Sub(k.at) < robotsAge
}

func (c *Crawler) remember(origin string, rules *Robots, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept += size; len(c.known) >= maxSites || c.kept > maxKept {
		clear(c.known) // to ask once more is cheaper than to keep order
		c.kept = size
	}
	c.known[origin] = known{rules, c.cfg.Now()}
}

// origin is what one robots.txt speaks for.
func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }
