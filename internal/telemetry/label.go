package telemetry

import (
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// maxValues bounds the values of one label of one metric; whatever comes later is counted as other. The
// callers pass words of their own code, so the bound is met only by a mistake, and then it saves the
// server that scrapes.
const maxValues = 60

// maxLength is the longest value, in bytes.
const maxLength = 100

const other = "other"

// values remembers which values each label has taken. Its keys are metric and label.
type values struct {
	mu   sync.Mutex
	seen map[string]map[string]bool
}

// keep returns value, or "other" when label has had too many or value is no word: some come from a source's
// headers, and Prometheus panics over bytes that are not UTF-8.
func (v *values) keep(label, value string) string {
	if len(value) > maxLength || !utf8.ValidString(value) {
		return other
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	known := v.seen[label]
	if known == nil {
		known = map[string]bool{}
		v.seen[label] = known
	}
	if !known[value] && len(known) >= maxValues {
		return other
	}
	known[strings.Clone(value)] = true
	return value
}

// eventClass returns what an event is about: its type without the verb, when it is one that is known.
func eventClass(eventType string) string {
	end := strings.LastIndexByte(eventType, '.')
	if end < 0 {
		return other
	}
	switch class := eventType[:end]; class {
	case "account.application", "charge", "charge.dispute", "charge.refund", "checkout.session", "coupon",
		"credit_note", "customer", "customer.discount", "customer.source", "customer.subscription",
		"invoice", "invoice_payment", "invoiceitem", "payment_intent", "payment_method", "plan", "price", "product",
		"promotion_code", "refund", "setup_intent", "subscription_schedule":
		return class
	default:
		return other
	}
}

// statusLabel returns an HTTP status as a label; what is none, a broken connection say, is "error".
func statusLabel(status int) string {
	if status < 100 || status > 599 {
		return "error"
	}
	return strconv.Itoa(status)
}
