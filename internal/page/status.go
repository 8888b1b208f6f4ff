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
	Banners       []Banner
	Connections   []Connection
	Members       []MemberCount // by status
	Subscriptions int64
	MRR           []Amount
	Runs          []Run // newest first
}

// Banner is what is said above everything else about a connection that does not work.
type Banner struct {
	Level     string // info, warning or alarm
	Source    string // the platform
	Sentence  string
	Since     time.Time
	Checklist []string
	Next      string // who acts next; "" when nobody need
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
	Name        string     // of the platform, as a sentence has it
	Pipeline    string     // as commands name it
	State       string     // pending, connected, degraded, failed, paused, disconnected
	Paused      string     // why it is paused, "" while it is not
	Since       *time.Time // since when a success has been due; nil while all is well
	LastSuccess *time.Time
	DataAsOf    *time.Time
	Stale       bool
	LastError   string // "" also where a banner says it
	Checklist   []string
	NextAttempt *time.Time
	Failures    int      // in a row
	ResponseMS  int      // how long an answer usually takes, 0 when nobody knows
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
