package app

import (
	"context"
	"encoding/json"
	"io"
	"strings"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/page"
	"memberintel/internal/syncrun"
)

type verifyCommand struct {
	Tenant   string              `required:"" placeholder:"T" help:"The tenant's id or name."`
	Pipeline connection.Pipeline `required:"" enum:"${pipelines}" help:"${pipeline_words}."`
	Repair   bool                `help:"Write what was read where it differs."`
}

// Help says what the exit codes mean, with an example.
func (*verifyCommand) Help() string {
	return "Exit 0 means that the warehouse equals the source; 3 that it differed, also when that has been repaired, or that not " +
		"everything could be read.\n\n" + example("memberintel verify --tenant oak-hill --pipeline stripe --repair")
}

// Run compares.
func (c *verifyCommand) Run(ctx context.Context, p *program) error {
	return p.withConnection(ctx, c.Tenant, c.Pipeline, func(h *house, _ identity.Tenant, found connection.Connection) error {
		of, err := h.pipeline(found.Pipeline)
		if err != nil {
			return err
		}
		watch, done := p.progress()
		began := false
		verdict, err := of.verify(ctx, found, c.Repair, func(run *syncrun.Run) { began = true; watch(run) })
		done()
		if !began {
			return err
		}
		p.answer(verdict, func(w io.Writer) { writeVerdict(w, verdict) })
		if verdict.Drift() {
			return errNotHealthy
		}
		return health(verdict.Status)
	})
}

// shownDifferences bounds what people are shown; --json has everything.
const shownDifferences = 50

func writeVerdict(w io.Writer, v syncrun.Verdict) {
	if !v.Drift() && v.Status == syncrun.Succeeded {
		writef(w, "Equal: %s checked.\n", plural(v.Checked, "object"))
		return
	}
	found := []string{plural(v.Checked, "object") + " checked"}
	add := func(n int, what string) {
		if n > 0 {
			found = append(found, page.Count(int64(n))+" "+what)
		}
	}
	add(len(v.Missing), "missing")
	add(len(v.Extra), "extra")
	if n := int64(len(v.Different)); n > 0 {
		found = append(found, plural(n, "field")+" different")
	}
	add(v.Repaired, "repaired")
	writef(w, "%s: %s.\n", v.Status, strings.Join(found, ", "))
	shown := 0
	show := func(format string, args ...any) {
		if shown++; shown <= shownDifferences {
			writef(w, format, args...)
		}
	}
	for _, n := range v.Missing {
		show("missing\t%s\t%s\n", n.Stream, n.SourceID)
	}
	for _, n := range v.Extra {
		show("extra\t%s\t%s\n", n.Stream, n.SourceID)
	}
	for _, d := range v.Different {
		show("different\t%s\t%s\t%s: source %s, warehouse %s\n", d.Stream, d.SourceID, d.Field, inJSON(d.Source), inJSON(d.Warehouse))
	}
	if shown > shownDifferences {
		writef(w, "and %d more; --json lists them all\n", shown-shownDifferences)
	}
	if v.Problem != nil {
		writef(w, "%s\n", *v.Problem)
	}
}

func inJSON(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "?"
	}
	return string(text)
}
