package memberpress

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/google/uuid"

	"memberintel/internal/connection"
	"memberintel/internal/postgres"
	"memberintel/internal/tenant"
)

const (
	maxKnock   = 4 << 10          // bytes of a knock
	maxSkew    = 5 * time.Minute  // between the site's clock and ours
	knockEvery = 10 * time.Second // between two knocks of one site that count
	knockDoors = 10_000           // sites whose last knock is remembered
)

// Knocks is the door at which a site says that something changed. It answers 202 once a sync is asked for, 401 to
// whoever does not prove to be the site, and 429 to a site that knocks all the time. A knock that is lost costs
// nothing but time, so what is remembered of knocks is this process' alone.
type Knocks struct {
	p   *Pipeline
	ask func(context.Context, connection.ID) error

	mu   sync.Mutex
	last map[connection.ID]time.Time
}

// NewKnocks returns the door. ask asks for a sync of a connection.
func NewKnocks(p *Pipeline, ask func(context.Context, connection.ID) error) *Knocks {
	return &Knocks{p: p, ask: ask, last: map[connection.ID]time.Time{}}
}

// Routes adds the endpoint to mux.
func (k *Knocks) Routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /knock/memberpress/{connection_id}", k.knock)
}

func (k *Knocks) knock(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxKnock))
	if err != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	route, known, err := k.route(r.Context(), r.PathValue("connection_id"))
	if err == nil && known {
		known, err = k.genuine(r, route, body)
	}
	switch {
	case err != nil:
		k.p.Log.ErrorContext(r.Context(), "a knock was not heard", "error", err)
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests) // the plugin knows no other way to be told to come again
	case !known:
		w.WriteHeader(http.StatusUnauthorized)
	case !k.mayEnter(route.ConnectionID):
		w.Header().Set("Retry-After", strconv.Itoa(int(knockEvery/time.Second)))
		w.WriteHeader(http.StatusTooManyRequests)
	case route.Plan == tenant.Free: // which is served by the clock alone
		w.WriteHeader(http.StatusAccepted)
	default:
		if err := k.ask(r.Context(), route.ConnectionID); err != nil {
			k.p.Log.WarnContext(r.Context(), "a knock led to no sync; the next one by the clock tells what changed", "error", err)
		}
		w.WriteHeader(http.StatusAccepted)
	}
}

// route finds whose door it is. One that is not connected has no key by which anybody could be known.
func (k *Knocks) route(ctx context.Context, text string) (route connection.Route, known bool, err error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return route, false, nil //nolint:nilerr // no door of this house
	}
	err = k.p.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		route, known, err = k.p.Connections.RouteByID(ctx, tx, id)
		return err
	})
	return route, known && route.Pipeline == connection.MemberPress && route.State != connection.Disconnected, err
}

// genuine holds the headers against the key of the connection.
func (k *Knocks) genuine(r *http.Request, route connection.Route, body []byte) (bool, error) {
	c := connection.Connection{ID: route.ConnectionID, TenantID: route.TenantID, SourceAccountID: route.SourceAccountID}
	at, err := k.p.site(r.Context(), c)
	if err != nil {
		return false, err
	}
	m := message{
		Method: r.Method, Route: "/knock/memberpress/" + route.ConnectionID.String(), Body: body,
		Timestamp: r.Header.Get(headerTimestamp), Nonce: r.Header.Get(headerNonce), KeyID: r.Header.Get(headerKeyID),
	}
	stamped, err := strconv.ParseInt(m.Timestamp, 10, 64)
	if err != nil || len(m.Nonce) != 32 || m.KeyID != at.KeyID {
		return false, nil //nolint:nilerr // nobody who could be let in
	}
	skew := k.p.Config.Now().Sub(time.Unix(stamped, 0)).Abs()
	return skew <= maxSkew && signed(at.Secret, m.lines(), r.Header.Get(headerSignature)), nil
}

// mayEnter reports whether the last knock is long enough ago. A knock that somebody repeats within its five minutes
// asks for no more than the site itself could.
func (k *Knocks) mayEnter(id connection.ID) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.p.Config.Now()
	if last, there := k.last[id]; there && now.Sub(last).Abs() < knockEvery {
		return false
	}
	if len(k.last) >= knockDoors {
		for id, last := range k.last {
			if now.Sub(last) >= knockEvery {
				delete(k.last, id)
			}
		}
	}
	k.last[id] = now
	return true
}
