package alert

import (
	"context"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/fault"
	"memberintel/internal/guard"
	"memberintel/internal/postgres"
)

// Level says how loud a banner is.
type Level string

// The levels.
const (
	Info    Level = "info"    // an operator has stopped the work; nobody need do anything
	Warning Level = "warning" // it does not work, and the program goes on trying
	Alarm   Level = "alarm"   // it does not work until a person acts
)

// Banner is what a page says above everything else about a connection that does not work.
type Banner struct {
	ConnectionID connection.ID
	Pipeline     connection.Pipeline
	Level        Level
	Sentence     string
	Since        time.Time // since when a success has been due
	Checklist    []string  // what to look at, most likely first; empty only for Info
	Next         string    // who acts next; "" for Info
}

// Banners returns what is to be said of the tenant's connections, one entry for each that has an open incident, by
// pipeline. It is never nil. What has succeeded since is left out, though its incident may not be closed yet.
func Banners(ctx context.Context, tx *postgres.TenantTx, connections *connection.Store) ([]Banner, error) {
	list, err := connections.List(ctx, tx)
	if err != nil {
		return nil, err
	}
	banners := []Banner{}
	for _, c := range list {
		if c.State == connection.Disconnected {
			continue
		}
		incident, open, err := openOf(ctx, tx, c.ID)
		if err != nil {
			return nil, err
		}
		if !open || incident.worksAgain(c) {
			continue
		}
		b, err := bannerOf(ctx, tx, incident, c)
		if err != nil {
			return nil, err
		}
		banners = append(banners, b)
	}
	return banners, nil
}

func bannerOf(ctx context.Context, tx *postgres.TenantTx, i Incident, c connection.Connection) (Banner, error) {
	b := Banner{ConnectionID: c.ID, Pipeline: c.Pipeline, Since: i.Since}
	err := guard.Check(ctx, tx, string(c.Pipeline))
	switch {
	case fault.Is(err, fault.Stopped):
		b.Level, b.Sentence, b.Checklist = Info, fault.Sentence(err), []string{}
		return b, nil
	case err != nil:
		return b, err
	case c.NeedsPerson():
		b.Level = Alarm
	default:
		b.Level = Warning
	}
	b.Sentence, b.Checklist, b.Next = happened(c, i.Reason), checklist(c), next(c)
	return b, nil
}
