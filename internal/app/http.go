package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"memberintel/internal/page"
	"memberintel/internal/pipeline/memberpress"
	"memberintel/internal/pipeline/stripe"
	"memberintel/internal/postgres"
)

// shutdownPatience is how long requests may take to end once the server stops.
const shutdownPatience = 20 * time.Second

// serveHTTP answers until ctx ends; then it takes no more, and lets what is under way end: the requests
// first, because a delivery waits for its commit, and then the commits.
func (p *program) serveHTTP(ctx context.Context, h *house, listener net.Listener) error {
	pages, err := page.New()
	if err != nil {
		return err
	}
	intake := stripe.NewIntake(h.stripe)
	defer intake.Close()
	screens, err := p.screens(h, pages)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	screens.Routes(mux)
	routes(mux, h, intake, &statusPage{house: h, pages: pages, listener: listener.Addr(), publicURL: p.PublicURL})
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(h.log.Handler(), slog.LevelDebug),
	}
	connecting, stop := context.WithCancel(ctx)
	connected := make(chan struct{})
	go func() {
		defer close(connected)
		h.flow.Run(connecting)
	}()
	defer func() {
		stop()
		<-connected
	}()
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("app: serve: %w", err)
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownPatience)
	defer cancel()
	if err := server.Shutdown(patience); err != nil {
		h.log.WarnContext(ctx, "some requests were cut off", "error", errors.Join(err, server.Close()))
	}
	return nil
}

// routes is everything that is answered. Webhooks.Routes adds POST /webhooks/stripe and
// POST /webhooks/stripe/{connection_id}, Knocks.Routes POST /knock/memberpress/{connection_id}. The
// customer's pages are added by ui.UI.Routes.
func routes(mux *http.ServeMux, h *house, intake *stripe.Intake, status *statusPage) {
	stripe.NewWebhooks(h.stripe, intake).Routes(mux)
	memberpress.NewKnocks(h.memberpress, h.knocked).Routes(mux)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { plain(w, http.StatusOK, "ok") })
	mux.Handle("GET /readyz", &readiness{house: h})
	mux.Handle("GET /metrics", localOnly(h.metrics.Handler()))
	mux.Handle("GET /{$}", status)
}

// localOnly refuses what does not come from this machine itself: the numbers have no sign-in.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r) {
			plain(w, http.StatusForbidden, "The metrics have no sign-in and are shown on this machine alone: ask for them there at "+
				"127.0.0.1 or localhost, and not through a proxy.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func plain(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	writef(w, "%s\n", text)
}

// readiness answers whether work can be done now: the database answers, and its schema is the program's.
type readiness struct {
	house   *house
	current atomic.Bool // a schema that was current once stays so
}

// ServeHTTP answers 200, or 503 with the reason.
func (r *readiness) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	ctx, cancel := context.WithTimeout(req.Context(), 5*time.Second)
	defer cancel()
	if err := r.house.db.Ping(ctx); err != nil {
		plain(w, http.StatusServiceUnavailable, "the database does not answer")
		return
	}
	if !r.current.Load() {
		err := r.house.db.Current(ctx)
		if errors.Is(err, postgres.ErrOutdated) {
			plain(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		// A login that may not read the schema's version is no reason to send requests away.
		r.current.Store(!postgres.Unavailable(err))
	}
	plain(w, http.StatusOK, "ready")
}
