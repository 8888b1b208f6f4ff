package website

import (
	"cmp"
	"net/url"
	"path"
	"slices"
	"strings"
)

// candidate is a page of the site that could be read.
type candidate struct {
	url   string
	kind  Kind
	score int
}

// signs are the words by which a page of a kind is known, in its address or in a link to it.
var signs = map[Kind][]string{
	Pricing: {"pricing", "prices", "price", "plans", "plan", "rates", "fees", "dues", "tariffs", "cost", "costs", "membership-options", "membership-levels", "membership-plans", "membership", "memberships",
		"preise", "beitraege", "beiträge", "gebuehren", "tarif", "tarife", "tarifs", "prix", "precios", "tarifas", "prezzi", "prijzen", "tarieven"},
	Join: {"join", "join-us", "join-now", "sign-up", "signup", "register", "registration", "become-a-member", "apply", "enrol", "enroll", "subscribe", "get-started", "membership-application", "checkout",
		"mitglied-werden", "beitreten", "anmelden", "anmeldung", "adhesion", "adhérer", "inscription", "unirse", "inscripcion", "hazte-socio", "iscriviti", "lid-worden"},
	About: {"about", "about-us", "our-story", "story", "who-we-are", "mission", "team", "history", "our-club", "the-club",
		"ueber-uns", "über-uns", "verein", "a-propos", "qui-sommes-nous", "sobre", "sobre-nosotros", "quienes-somos", "chi-siamo", "over-ons"},
	Offers: {"offers", "offer", "programs", "programmes", "program", "services", "classes", "courses", "course", "benefits", "features", "coaching", "lessons", "what-we-offer", "whats-included", "perks", "activities", "products", "shop",
		"angebote", "angebot", "leistungen", "kurse", "cours", "offres", "servicios", "cursos", "ofertas", "servizi", "corsi", "aanbod", "diensten"},
	Content: {"blog", "news", "articles", "podcast", "resources", "library", "videos", "events", "journal", "magazine", "stories", "calendar", "newsletter", "archive",
		"aktuelles", "neuigkeiten", "termine", "actualites", "noticias", "eventos", "notizie", "nieuws"},
	FAQ: {"faq", "faqs", "questions", "frequently-asked-questions", "help", "support", "haeufige-fragen", "fragen", "preguntas", "preguntas-frecuentes", "domande", "veelgestelde-vragen"},
}

// wanted is the order of kinds, and a strong sign of one of them is worth more than a weak one of another.
var wanted = []Kind{Pricing, Join, About, Offers, Content, FAQ}

// never are the parts of an address that show no page worth reading, or where a robot does harm.
var never = []string{"wp-admin", "wp-login", "wp-login.php", "wp-json", "xmlrpc.php", "feed", "rss", "cart", "basket", "my-account", "account", "login", "log-in", "signin", "sign-in", "logout", "lost-password",
	"tag", "tags", "category", "author", "search", "privacy", "privacy-policy", "terms", "terms-and-conditions", "terms-of-service", "cookie-policy", "impressum", "imprint", "datenschutz", "agb", "sitemap", "unsubscribe", "cdn-cgi"}

// pageEndings are what a page's address may end in.
var pageEndings = []string{"", ".html", ".htm", ".php", ".asp", ".aspx", ".xhtml", ".shtml"}

// choose returns the pages of the site that the links lead to, the most wanted first. What has is known of is left
// out. Of one kind, the best stands before the second best of any other.
func choose(site *url.URL, pages []Page, has func(address string) bool) []candidate {
	best := map[string]candidate{}
	for _, p := range pages {
		menu := map[string]bool{}
		for _, l := range p.Navigation {
			menu[l.URL] = true
		}
		for _, l := range p.Links {
			address, ok := onSite(site, l.URL)
			if !ok || has(address) {
				continue
			}
			c := judgeLink(address, l.Text, menu[l.URL])
			if old, known := best[address]; c.score > 0 && (!known || c.score > old.score) {
				best[address] = c
			}
		}
	}
	all := make([]candidate, 0, len(best))
	for _, c := range best {
		all = append(all, c)
	}
	slices.SortFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(slices.Index(wanted, a.kind), slices.Index(wanted, b.kind)), cmp.Compare(b.score, a.score), cmp.Compare(len(a.url), len(b.url)), cmp.Compare(a.url, b.url))
	})
	return all
}

// onSite writes an address of a page of the site in one way; false for what is elsewhere or no page.
func onSite(site *url.URL, address string) (string, bool) {
	u, err := url.Parse(address)
	if err != nil || !strings.EqualFold(bare(u.Host), bare(site.Host)) {
		return "", false
	}
	u.Scheme, u.Host, u.Fragment = site.Scheme, site.Host, ""
	if !slices.Contains(pageEndings, strings.ToLower(path.Ext(u.Path))) && strings.Contains(path.Base(u.Path), ".") {
		return "", false
	}
	for part := range strings.SplitSeq(strings.ToLower(u.Path), "/") {
		if slices.Contains(never, part) {
			return "", false
		}
	}
	query := u.Query()
	for name := range query {
		lower := strings.ToLower(name)
		switch {
		case strings.HasPrefix(lower, "utm_"), lower == "fbclid", lower == "gclid", lower == "ref", lower == "mc_cid", lower == "mc_eid":
			query.Del(name)
		case strings.Contains(lower, "add-to-cart"), strings.Contains(lower, "nonce"), lower == "action", lower == "replytocom", lower == "s", lower == "share":
			return "", false
		}
	}
	u.RawQuery, u.ForceQuery = query.Encode(), false
	if u.Path == "" {
		u.Path = "/"
	}
	return u.String(), len(query) <= 2
}

func bare(host string) string { return strings.TrimPrefix(strings.ToLower(host), "www.") }

// judgeLink says what a page is for by its address, by the words of the link and by where that stands.
func judgeLink(address, text string, menu bool) candidate {
	c := candidate{url: address, kind: Other}
	u, err := url.Parse(address)
	if err != nil {
		return c
	}
	parts := strings.FieldsFunc(strings.ToLower(u.Path), func(r rune) bool { return r == '/' })
	if len(parts) == 0 && u.RawQuery == "" {
		return c // the homepage
	}
	last := ""
	if len(parts) > 0 {
		last = strings.TrimSuffix(parts[len(parts)-1], path.Ext(parts[len(parts)-1]))
	}
	slug, phrase := "-"+strings.ReplaceAll(last, "_", "-")+"-", "-"+slugOf(text)+"-"
	for _, kind := range wanted {
		score := 0
		for _, sign := range signs[kind] {
			switch {
			case strings.Trim(slug, "-") == sign:
				score = max(score, 100)
			case strings.Trim(phrase, "-") == sign:
				score = max(score, 90)
			case strings.Contains(slug, "-"+sign+"-"):
				score = max(score, 50)
			case strings.Contains(phrase, "-"+sign+"-") && len(text) < 60:
				score = max(score, 40)
			}
		}
		if score > c.score {
			c.kind, c.score = kind, score
		}
	}
	if c.score == 0 {
		return c
	}
	if menu {
		c.score += 30
	}
	c.score -= 10*max(0, len(parts)-1) + 5*len(u.Query())
	return c
}

func slugOf(text string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return r == ' ' || r == '/' || r == '&' || r == '?' || r == '!' || r == '-' || r == ',' || r == '.' || r == '’' || r == '\''
	}), "-")
}
