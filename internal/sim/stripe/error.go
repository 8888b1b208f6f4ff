package stripe

import (
	"fmt"
	"net/http"
)

// apiError is an answer that is not the object asked for.
type apiError struct {
	status                     int
	typ, code, message, param  string
	reason, retry, retrySecond string
}

func (e *apiError) body() []byte {
	var w enc
	w.begin('{')
	w.open("error")
	if e.code != "" {
		w.str("code", e.code)
		w.str("doc_url", "https://stripe.com/docs/error-codes/"+dashed(e.code))
	}
	w.str("message", e.message)
	if e.param != "" {
		w.str("param", e.param)
	}
	w.str("type", e.typ)
	w.close()
	w.close()
	return append(w.b, '\n')
}

func (e *apiError) headers(h http.Header) {
	for name, v := range map[string]string{
		"Stripe-Rate-Limited-Reason": e.reason, "Stripe-Should-Retry": e.retry, "Retry-After": e.retrySecond,
	} {
		if v != "" {
			h.Set(name, v)
		}
	}
	if e.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="Stripe"`)
	}
}

func dashed(code string) string {
	b := []byte(code)
	for i := range b {
		if b[i] == '_' {
			b[i] = '-'
		}
	}
	return string(b)
}

func invalid(status int, code, param, format string, args ...any) *apiError {
	return &apiError{status: status, typ: "invalid_request_error", code: code, param: param, message: fmt.Sprintf(format, args...)}
}

func errNoKey() *apiError {
	return invalid(401, "", "", "You did not provide an API key. You need to provide your API key in the Authorization header, "+
		"using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, "+
		"or we can help at https://support.stripe.com/.")
}

func errInvalidKey(k string) *apiError {
	return invalid(401, "", "", "Invalid API Key provided: %s", masked(k))
}

func errExpiredKey(k string) *apiError {
	return invalid(401, "api_key_expired", "", "Expired API Key provided: %s", masked(k))
}

func errNoAccess(k, account string) *apiError {
	return invalid(403, "account_invalid", "", "The provided key '%s' does not have access to account '%s' (or that account does not exist). "+
		"Application access may have been revoked.", masked(k), account)
}

func errPermission(k, account, permission string) *apiError {
	return invalid(403, "", "", "The provided key '%s' does not have the required permissions for this endpoint on account '%s'. "+
		"Having the 'rak_%s' permission would allow this request to continue.", masked(k), account, permission)
}

func errVersion(v string) *apiError {
	return invalid(400, "", "", "Invalid Stripe API version: %s. For more information on API versions, see https://stripe.com/docs/api/versioning", v)
}

func errRoute(r *http.Request) *apiError {
	return invalid(404, "", "", "Unrecognized request URL (%s: %s). Please see https://stripe.com/docs or we can help at https://support.stripe.com/.",
		r.Method, r.URL.Path)
}

func errMissing(status int, object, id, param string) *apiError {
	return invalid(status, "resource_missing", param, "No such %s: '%s'", object, id)
}

func errUnknownParameter(name string) *apiError {
	return invalid(400, "parameter_unknown", name, "Received unknown parameter: %s", name)
}

func errInteger(name, v string) *apiError {
	return invalid(400, "parameter_invalid_integer", name, "Invalid integer: %s", v)
}
