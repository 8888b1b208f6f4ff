package syncrun

import "memberintel/internal/warehouse"

// Verdict is what a verification found. Missing, Extra and Different are never nil.
type Verdict struct {
	Status    Status      `json:"status"`
	Checked   int64       `json:"checked"`
	Missing   []Named     `json:"missing"`
	Extra     []Named     `json:"extra"`
	Different []Differing `json:"different"`
	Repaired  int         `json:"repaired"`
	Problem   *string     `json:"error_message,omitempty"`
}

// NewVerdict returns the verdict of a verification that has found nothing and not ended.
func NewVerdict() Verdict {
	return Verdict{Status: Failed, Missing: []Named{}, Extra: []Named{}, Different: []Differing{}}
}

// Named is an object of the source.
type Named struct {
	Stream   string `json:"stream"`
	SourceID string `json:"source_id"`
}

// Differing is a field that the warehouse has otherwise than the source.
type Differing struct {
	Stream    string `json:"stream"`
	SourceID  string `json:"source_id"`
	Field     string `json:"field"`
	Source    any    `json:"source"`
	Warehouse any    `json:"warehouse"`
}

// DifferingIn returns what the warehouse found to differ as a field of the stream's object.
func DifferingIn(stream string, d warehouse.Difference) Differing {
	return Differing{Stream: stream, SourceID: d.SourceID, Field: d.Field, Source: d.Source, Warehouse: d.Warehouse}
}

// Drift reports whether anything was found.
func (v Verdict) Drift() bool { return len(v.Missing)+len(v.Extra)+len(v.Different) > 0 }

// Reread is what came of trying the quarantined objects again.
type Reread struct {
	Report   Report
	Tried    int
	Released int
}
