package stripe

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/semaphore"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/postgres"
)

const (
	maxDelivery = 1 << 20  // bytes of a delivery
	maxInFlight = 32 << 20 // bytes of all deliveries that are being read or wait for their commit
	firstRead   = 16 << 10 // bytes of room for a body at first, at most; it doubles as the body comes

	readPatience = 10 * time.Second // for a whole body to come
	roomPatience = 5 * time.Second  // for room among the deliveries in flight
)

// Webhooks is the door at which Stripe delivers events. It answers 200 once the effect is durable, or when
// there is none; anything else makes Stripe deliver again, so only what could succeed later gets it.
type Webhooks struct {
	p      *Pipeline
	doors  *doors
	intake *Intake
	bytes  *semaphore.Weighted
}

// NewWebhooks returns the door. Deliveries are committed by intake, which must run.
func NewWebhooks(p *Pipeline, intake *Intake) *Webhooks {
	return &Webhooks{p: p, doors: intake.doors, intake: intake, bytes: semaphore.NewWeighted(maxInFlight)}
}

// Routes adds the endpoints to mux.
func (h *Webhooks) Routes(mux *http.ServeMux) {
	mux.HandleFunc("POST /webhooks/stripe", h.platform)
	mux.HandleFunc("POST /webhooks/stripe/{connection_id}", h.connection)
}

// connection takes deliveries of an account's own endpoint.
func (h *Webhooks) connection(w http.ResponseWriter, r *http.Request) {
	id, err := uuid.Parse(r.PathValue("connection_id"))
	if err != nil {
		h.answer(w, http.StatusNotFound, "unknown_connection", "There is no such connection.")
		return
	}
	door, err := h.doors.byConnection(r.Context(), id, false)
	if err == nil && door == nil {
		err = fault.New(fault.NotFound, "There is no such connection.")
	}
	if err != nil {
		h.reply(w, r, err)
		return
	}
	h.take(w, r, func(ctx context.Context, body []byte) error {
		return h.deliver(ctx, id, body, r.Header.Get("Stripe-Signature"))
	})
}

// platform takes deliveries for all connected accounts.
func (h *Webhooks) platform(w http.ResponseWriter, r *http.Request) {
	h.take(w, r, func(ctx context.Context, body []byte) error {
		return h.deliverPlatform(ctx, body, r.Header.Get("Stripe-Signature"))
	})
}

// take reads the body within its limits, hands it on and answers.
func (h *Webhooks) take(w http.ResponseWriter, r *http.Request, deliver func(context.Context, []byte) error) {
	start := time.Now()
	defer func() { h.p.Metrics.WebhookLatency(time.Since(start)) }()
	if r.ContentLength > maxDelivery {
		h.answer(w, http.StatusRequestEntityTooLarge, "too_large", "A delivery is at most 1 MiB.")
		return
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(readPatience)) // where there is none, the server's own stands
	body, err := h.readBody(r.Context(), http.MaxBytesReader(w, r.Body, maxDelivery), r.ContentLength)
	defer h.bytes.Release(int64(len(body)))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		h.answer(w, http.StatusRequestEntityTooLarge, "too_large", "A delivery is at most 1 MiB.")
		return
	case errors.Is(err, errFull):
		h.reply(w, r, err)
		return
	case err != nil:
		h.answer(w, http.StatusBadRequest, "unreadable", "The body could not be read.")
		return
	}
	_ = control.SetReadDeadline(time.Time{}) // it would end the request while its commit is under way
	h.reply(w, r, deliver(r.Context(), body))
}

// errFull is a door at which too much is in flight.
var errFull = errors.New("stripe: too many deliveries are in flight")

// readBody returns what could be read, with an error too. As many bytes as it returns are held in h.bytes:
// what is announced and does not come takes no room from others. announced is -1 when the sender did not say.
func (h *Webhooks) readBody(ctx context.Context, from io.Reader, announced int64) ([]byte, error) {
	room := int64(firstRead)
	if announced >= 0 {
		room = min(announced+1, room) // one more, to meet the end without growing
	}
	body := make([]byte, 0, room)
	for {
		if len(body) == cap(body) {
			body = slices.Grow(body, cap(body))
		}
		n, err := from.Read(body[len(body):cap(body)])
		if n > 0 && !h.hold(ctx, int64(n)) {
			return body, errFull
		}
		body = body[:len(body)+n]
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			return body, err
		}
	}
}

// hold takes room for n bytes, and waits a little for it.
func (h *Webhooks) hold(ctx context.Context, n int64) bool {
	if h.bytes.TryAcquire(n) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, roomPatience)
	defer cancel()
	return h.bytes.Acquire(ctx, n) == nil
}

// reply turns the outcome of a delivery into Stripe's answer.
func (h *Webhooks) reply(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case err == nil:
		h.answer(w, http.StatusOK, "ok", "")
	case errors.Is(err, errSealed):
		h.p.Log.ErrorContext(r.Context(), "a delivery waits for the operator", "error", err)
		h.later(w)
	case fault.Is(err, fault.NotFound):
		h.answer(w, http.StatusNotFound, "unknown_connection", fault.Sentence(err))
	case fault.Is(err, fault.Unauthorized), fault.Is(err, fault.Invalid):
		h.answer(w, http.StatusBadRequest, "refused", fault.Sentence(err))
	case fault.Is(err, fault.Stopped), fault.Is(err, fault.Unavailable), fault.Is(err, fault.RateLimited),
		postgres.Unavailable(err), postgres.Retryable(err), postgres.LockTimeout(err),
		errors.Is(err, errClosing), errors.Is(err, errFull), errors.Is(err, errCrowded), errors.Is(err, errOutdated):
		h.later(w)
	case r.Context().Err() != nil:
		h.p.Metrics.WebhookReceived("gone")
	default:
		h.p.Log.ErrorContext(r.Context(), "a delivery failed", "error", err)
		h.answer(w, http.StatusInternalServerError, "failed", "An unexpected error; the operator's log has the details.")
	}
}

// later asks for another delivery, without a word about what is wrong.
func (h *Webhooks) later(w http.ResponseWriter) {
	w.Header().Set("Retry-After", "30")
	h.answer(w, http.StatusServiceUnavailable, "unavailable", "Not now; deliver again later.")
}

func (h *Webhooks) answer(w http.ResponseWriter, status int, outcome, sentence string) {
	h.p.Metrics.WebhookReceived(outcome)
	if sentence == "" {
		w.WriteHeader(status)
		return
	}
	http.Error(w, sentence, status)
}

// deliver takes one delivery to a connection's own endpoint. The endpoint says whose it is; an account that
// the body names is not believed.
func (h *Webhooks) deliver(ctx context.Context, id connection.ID, body []byte, signature string) error {
	for attempt := 0; ; attempt++ {
		door, err := h.doors.byConnection(ctx, id, attempt > 0)
		if err != nil {
			return err
		}
		if door == nil {
			return fault.New(fault.NotFound, "There is no such connection.")
		}
		err = verifySignature(body, signature, door.secrets, h.p.Config.Now())
		if err != nil && attempt == 0 && time.Since(door.readAt) > time.Second {
			continue // the secret may have been replaced since it was read
		}
		if err != nil {
			return err
		}
		event, err := parseEvent(body)
		if err != nil {
			return err
		}
		if event.Livemode != door.c.Livemode || event.Account != "" && event.Account != door.c.SourceAccountID {
			return h.unclaimed(ctx, event, body, "the event is of another account or mode than its endpoint")
		}
		err = h.enter(ctx, door, event)
		if !errors.Is(err, errOutdated) || attempt >= 3 {
			return err
		}
	}
}

// deliverPlatform takes one delivery to the platform's endpoint, which names the account it is about.
func (h *Webhooks) deliverPlatform(ctx context.Context, body []byte, signature string) error {
	if err := verifySignature(body, signature, h.p.Config.Platform, h.p.Config.Now()); err != nil {
		return err
	}
	event, err := parseEvent(body)
	if err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		door, err := h.doors.forAccount(ctx, event.Account, event.Livemode, attempt > 0)
		if err != nil {
			return err
		}
		if door == nil || event.Account == "" {
			return h.unclaimed(ctx, event, body, "the account is not connected here")
		}
		err = h.enter(ctx, door, event)
		if !errors.Is(err, errOutdated) || attempt >= 3 {
			return err
		}
	}
}

// enter hands an event of a known connection to the intake and waits for its commit.
func (h *Webhooks) enter(ctx context.Context, door *door, event Event) error {
	if event.Type == deauthorized {
		return sealed(h.p.Deauthorize(ctx, door.c, event.Created))
	}
	if door.c.State == connection.Disconnected {
		return nil // its data stays as it was
	}
	d := h.p.collect(door.c)
	if door.plan == "free" {
		d.ledger = append(d.ledger, entry{event: event, outcome: outcomeSkipped})
	} else {
		d.event(event)
	}
	return h.intake.submit(ctx, door, d)
}

// unclaimed keeps a delivery that belongs to nobody here. Stripe gets 200: one stray account must not make
// it disable the endpoint for all others.
func (h *Webhooks) unclaimed(ctx context.Context, event Event, body []byte, reason string) error {
	h.p.Metrics.WebhookReceived("unclaimed")
	return h.p.DB.ServiceTx(ctx, func(tx *postgres.ServiceTx) error {
		return h.p.Connections.QuarantineWebhook(ctx, tx, connection.Delivery{
			AccountID: event.Account, Livemode: event.Livemode, EventID: event.ID, EventType: event.Type, Reason: reason, Raw: body,
		})
	})
}
