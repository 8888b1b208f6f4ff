package ui

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"

	"memberintel/internal/consent"
	"memberintel/internal/fault"
	"memberintel/internal/identity"
	"memberintel/internal/page"
	"memberintel/internal/tenant"
)

const connectPath = "/connect/memberpress"

// consentPage shows an owner which site asks for what; its form goes to decide. The plugin's Connect button leads
// here.
func (u *UI) consentPage(w http.ResponseWriter, r *http.Request) {
	request, err := consent.Parse(r.URL.Query())
	if err != nil {
		u.fail(w, r, err)
		return
	}
	session, ok := u.session(w, r, connectPath+"?"+request.Values().Encode())
	if !ok {
		return
	}
	u.ask(w, r, http.StatusOK, session, request, nil)
}

// ask shows the page, with what went wrong before if something did.
func (u *UI) ask(w http.ResponseWriter, r *http.Request, code int, session identity.Session, request consent.Request, problem error) {
	view, err := u.consentView(r.Context(), session, request)
	if err != nil {
		u.fail(w, r, err)
		return
	}
	if problem != nil {
		view.Problem = fault.Sentence(problem)
	}
	u.show(w, r, code, request.Origin(), func(out io.Writer) error { return u.Pages.Consent(out, view) })
}

func (u *UI) consentView(ctx context.Context, session identity.Session, request consent.Request) (page.Consent, error) {
	view := page.Consent{
		Site: request.Site, Host: request.Host(), Insecure: !request.Secure(), Email: session.Email,
		Again: connectPath + "?" + request.Values().Encode(),
	}
	unreachable := u.Flow.Reach(ctx, request)
	if unreachable != nil {
		if fault.KindOf(unreachable) == "" {
			return page.Consent{}, unreachable
		}
		view.Problem = fault.Sentence(unreachable)
	}
	memberships, err := u.Users.Memberships(ctx, session.User)
	if err != nil {
		return page.Consent{}, err
	}
	free := 0
	for _, m := range memberships {
		choice, err := u.choice(ctx, m, request)
		if err != nil {
			return page.Consent{}, err
		}
		if choice.Refused == "" {
			free++
		}
		view.Choices = append(view.Choices, choice)
	}
	view.Agreeable = free > 0 && unreachable == nil
	if free == 1 { // with several, nobody is to be connected by not looking
		i := slices.IndexFunc(view.Choices, func(c page.Choice) bool { return c.Refused == "" })
		view.Choices[i].Chosen = true
	}
	if len(memberships) == 0 {
		view.Problem = "You have no role at any tenant here. Ask whoever runs memberintel for one."
	}
	values := request.Values()
	for _, name := range fields() {
		view.Fields = append(view.Fields, page.Field{Name: name, Value: values.Get(name)})
	}
	view.Fields = append(view.Fields, page.Field{Name: "form", Value: session.FormToken(shown(values)...)})
	return view, nil
}

func (u *UI) choice(ctx context.Context, m identity.Membership, request consent.Request) (page.Choice, error) {
	choice := page.Choice{ID: m.Tenant.String(), Name: m.Name}
	if m.Role != identity.RoleOwner {
		choice.Refused = "Only an owner can connect its site; you are " + string(m.Role) + "."
		return choice, nil
	}
	err := u.Flow.InTheWay(ctx, m.Tenant, request)
	if fault.Is(err, fault.Conflict) {
		choice.Refused, err = fault.Sentence(err), nil
	}
	return choice, err
}

// decide does what the owner chose on the page that ask showed in this very session, for this very site.
func (u *UI) decide(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		u.notice(w, r, http.StatusBadRequest, elsewhere())
		return
	}
	values := url.Values{}
	for _, name := range fields() {
		values[name] = r.PostForm[name]
	}
	request, err := consent.Parse(values)
	if err != nil {
		u.fail(w, r, err)
		return
	}
	session, ok := u.session(w, r, connectPath+"?"+request.Values().Encode())
	if !ok {
		return
	}
	if !session.Shown(r.PostFormValue("form"), shown(values)...) {
		u.notice(w, r, http.StatusForbidden, elsewhere())
		return
	}
	if r.PostFormValue("decision") != "connect" {
		goBack(w, r, request.Denied())
		return
	}
	id, err := tenant.Parse(r.PostFormValue("tenant"))
	if err != nil {
		u.ask(w, r, http.StatusBadRequest, session, request, fault.New(fault.Invalid, "Choose what the site is to be connected to."))
		return
	}
	next, err := u.Flow.Agree(r.Context(), session, id, request)
	switch {
	case fault.KindOf(err) != "":
		u.ask(w, r, status(err), session, request, err)
	case err != nil:
		u.fail(w, r, err)
	default:
		goBack(w, r, next)
	}
}

// goBack leads to the callback that consent.Parse let through, and to no other place.
func goBack(w http.ResponseWriter, r *http.Request, next string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// fields are the parameters of a request, as the plugin sends them and as the form carries them on.
func fields() []string {
	return []string{"site", "callback", "state", "code_challenge", "code_challenge_method", "site_id", "plugin_version"}
}

// shown is what the form's token stands for.
func shown(values url.Values) []string {
	list := []string{connectPath}
	for _, name := range fields() {
		list = append(list, values.Get(name))
	}
	return list
}
