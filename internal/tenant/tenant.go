// Package tenant names the one thing that every row, job and log line belongs to.
package tenant

import "github.com/google/uuid"

// ID identifies a tenant: one membership business whose data nobody else may see.
type ID = uuid.UUID

// Plan says how much a tenant is served.
type Plan string

// The plans that can be bought.
const (
	Free Plan = "free" // pulled weekly or monthly; webhooks and knocks are acknowledged and not applied
	Pro  Plan = "pro"  // pulled daily and live by webhooks
)

// Parse reads a tenant's id in its usual text form.
func Parse(s string) (ID, error) { return uuid.Parse(s) }
