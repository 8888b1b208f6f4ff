package stripe

import (
	"context"
	"errors"
	"io"
	"net/http"
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
	weight := r.ContentLength
	if weight < 0 {
		weight = maxDelivery
	}
	if weight > maxDelivery {
		h.answer(w, http.StatusRequestEntityTooLarge, "too_large", "A delivery is at most 1 MiB.")
		return
	}
	if err := h.bytes.Acquire(r.Context(), weight); err != nil {
		return
	}
	defer h.bytes.Release(weight)
	body, err := readBody(http.MaxBytesReader(w, r.Body, maxDelivery), r.ContentLength)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		h.answer(w, http.StatusRequestEntityTooLarge, "too_large", "A delivery is at most 1 MiB.")
		return
	case err != nil:
		h.answer(w, http.StatusBadRequest, "unreadable", "The body could not be read.")
		return
	}
	h.reply(w, r, deliver(r.Context(), body))
}

func readBody(body io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		return io.ReadAll(body)
	}
	buffer := make([]byte, length)
	_, err := io.ReadFull(body, buffer)
	return buffer, err
}

// reply turns the outcome of a delivery into Stripe's answer.
func (h *Webhooks) reply(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case err == nil:
		h.answer(w, http.StatusOK, "ok", "")
	case fault.Is(err, fault.NotFound):
		h.answer(w, http.StatusNotFound, "unknown_connection", fault.Sentence(err))
	case fault.Is(err, fault.Unauthorized), fault.Is(err, fault.Invalid):
		h.answer(w, http.StatusBadRequest, "refused", fault.Sentence(err))
	case fault.Is(err, fault.Stopped), fault.Is(err, fault.Unavailable), fault.Is(err, fault.RateLimited),
		postgres.Unavailable(err), errors.Is(err, errClosing):
		w.Header().Set("Retry-After", "30")
		h.answer(w, http.StatusServiceUnavailable, "unavailable", "Not now; deliver again later.")
	case r.Context().Err() != nil:
		h.p.Metrics.WebhookReceived("gone")
	default:
		h.p.Log.ErrorContext(r.Context(), "a delivery failed", "error", err)
		h.answer(w, http.StatusInternalServerError, "failed", "An unexpected error; the operator's log has the details.")
	}
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
		return h.p.Deauthorize(ctx, door.c, event.Created)
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
