package page

// SignIn is the view of the page that asks who somebody is.
type SignIn struct {
	Email   string // as it was typed
	Next    string // where to go afterwards
	Problem string
}

// Consent is the view of the page that asks an owner whether a site may be connected.
type Consent struct {
	Site      string // the whole address
	Host      string // the part that a button names
	Insecure  bool   // without https
	Email     string // who is signed in
	Again     string // this page's own address, for whoever signs in as somebody else
	Choices   []Choice
	Agreeable bool // some choice can be made
	Fields    []Field
	Problem   string
}

// Choice is a tenant that the site may be connected to.
type Choice struct {
	ID      string
	Name    string
	Chosen  bool
	Refused string // why it cannot be chosen, "" where it can
}

// Field is what a form carries unseen.
type Field struct{ Name, Value string }

// Notice is the view of a page that only tells something.
type Notice struct {
	Title     string
	Sentence  string
	Checklist []string
}

// FormPolicy is the ContentSecurityPolicy of a page with forms, which may lead to this server and, where origin is not
// empty, in a second step to that origin: browsers hold a form to it over redirects too.
func FormPolicy(origin string) string {
	if origin != "" {
		origin = " " + origin
	}
	return "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'" + origin + "; frame-ancestors 'none'"
}
