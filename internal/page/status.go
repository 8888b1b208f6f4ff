package page

import "time"

// Status is the view of the status page.
type Status struct {
	Now     time.Time
	Refresh int // seconds until the browser loads it again; 0 never
	Problem string
	Tenants []Tenant
	More    int // tenants that are not shown
}

// Tenant is one tenant's part of it.
type Tenant struct {
	Name          string
	Plan          string
	Connections   []Connection
	Members       []MemberCount // by status
	Subscriptions int64
	MRR           []Amount
	Runs          []Run // newest first
}

// MemberCount is how many members have a status.
type MemberCount struct {
	Status string
	Count  int64
}

// Amount is money in minor units.
type Amount struct {
	Minor    int64
	Currency string
}

// Connection is how one connection fares.
type Connection struct {
	Name        string // of the platform
	State       string // pending, connected, degraded, failed, paused, disconnected
	LastSuccess *time.Time
	DataAsOf    *time.Time
	Stale       bool
	LastError   string
	Checklist   []string
	NextAttempt *time.Time
	Failures    int      // in a row
	Notes       []string // what else is to know, a sentence each
}

// Run is one line of the ledger.
type Run struct {
	ID       int64
	Platform string
	Mode     string
	Status   string
	Started  time.Time
	Took     string // "" while it runs
	Records  int64
	Problem  string
}
