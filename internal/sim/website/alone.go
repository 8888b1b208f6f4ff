package website

import "net/http"

// Alone serves one of the sites under whatever name it is asked for, where no name server knows its own.
func Alone(w *World, host string) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.Site(host).ServeHTTP(rw, r) })
}
