package ui

import (
	"io"
	"net/http"

	"memberintel/internal/fault"
	"memberintel/internal/page"
)

// signInPage asks who somebody is; its form goes to signIn.
func (u *UI) signInPage(w http.ResponseWriter, r *http.Request) {
	u.askWho(w, r, http.StatusOK, page.SignIn{Next: ownPath(r.URL.Query().Get("next"))})
}

func (u *UI) askWho(w http.ResponseWriter, r *http.Request, code int, view page.SignIn) {
	u.show(w, r, code, "", func(out io.Writer) error { return u.Pages.SignIn(out, view) })
}

// signIn begins a session, always a new one, and goes on to where somebody wanted to go.
func (u *UI) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	view := page.SignIn{Email: r.PostFormValue("email"), Next: ownPath(r.PostFormValue("next"))}
	token, err := u.Users.SignIn(r.Context(), view.Email, r.PostFormValue("password"), u.from(r))
	if fault.Is(err, fault.Unauthorized) || fault.Is(err, fault.RateLimited) {
		view.Problem = fault.Sentence(err)
		retryAfter(w, err)
		u.askWho(w, r, status(err), view)
		return
	}
	if err != nil {
		u.fail(w, r, err)
		return
	}
	if before, err := r.Cookie(u.cookieName()); err == nil {
		if err := u.Users.SignOut(r.Context(), before.Value); err != nil {
			u.Log.WarnContext(r.Context(), "the session before could not be ended", "error", err)
		}
	}
	u.setCookie(w, token)
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, view.Next, http.StatusSeeOther)
}

// signOut ends the session and leads to the sign-in.
func (u *UI) signOut(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if cookie, err := r.Cookie(u.cookieName()); err == nil {
		if err := u.Users.SignOut(r.Context(), cookie.Value); err != nil {
			u.fail(w, r, err)
			return
		}
	}
	u.setCookie(w, "")
	toSignIn(w, r, ownPath(r.PostFormValue("next")))
}
