package warehouse

import (
	"fmt"
	"strings"
)

// statements is the SQL of one table, generated once from its columns. In all of them $1 to $4 are tenant,
// platform, account and livemode, and s is the incoming rows: the arrays $5 and up, or the staging table.
type statements struct {
	merge, mergeStaged string // live rows; returns the keys that were written, and which of them are new
	fillStaged         string // the same in a pass: what new rows derive from those of other tables is written with them
	bury               string // tombstones; returns the keys that were written
	ties               string // of rows that were not written: those that may be newer and differ
	known              string // the keys of live rows that say the same
	adopt, adoptStaged string // rows whose parent was already decided on: written where they differ
	makeStage          string
	stage              string // the staging table's name
	sweep              string // live rows not observed since $5
	spool              string // staging table -> verify_spool
	compare            string // verify_spool against the table
	examine            string // staging table against the table, field by field
}

// identity is what the four first parameters name.
const identity = "tenant_id, source_platform, source_account_id, livemode"

func generate[T any](t table[T], all []column[T]) statements {
	g := generator{initial: t.initial, table: t.name, key: "source_id", variant: t.variant, reusable: t.reusable, stage: "stage_" + t.name}
	if t.key != "" {
		g.key += ", " + t.key
	}
	for _, c := range all {
		g.incoming = append(g.incoming, c.name)
		g.types = append(g.types, c.typ)
	}
	for _, c := range t.columns {
		g.mapped = append(g.mapped, mappedColumn{c.name, c.sticky, c.once, c.keeper, c.where, c.ours})
	}
	filling := g
	if t.fill.from != "" {
		filling.initial, filling.beside = t.fill.columns, t.fill.from
	}
	return statements{
		merge: g.merge(g.arrays()), mergeStaged: g.merge(g.stage), fillStaged: filling.merge(g.stage),
		bury: g.bury(g.arrays()), ties: g.ties(g.arrays()), known: g.known(g.arrays()),
		adopt: g.adopt(g.arrays()), adoptStaged: g.adopt(g.stage), makeStage: g.makeStage(), stage: g.stage, sweep: g.sweep(),
		spool: g.spool(), compare: g.compare(), examine: g.examine(),
	}
}

type mappedColumn struct {
	name   string
	sticky bool
	once   bool
	keeper string
	where  condition
	ours   bool
}

type generator struct {
	table, key, stage string
	variant           string
	reusable          bool
	initial           []initial
	beside            string // what is joined to the incoming rows
	incoming, types   []string
	mapped            []mappedColumn
}

// effective is the value that a column takes when the row in `in` is merged into t.
func (c mappedColumn) effective(in string) string {
	switch {
	case !c.sticky:
		return in + "." + c.name
	case c.once:
		return fmt.Sprintf("CASE WHEN %s AND t.%s IS NOT DISTINCT FROM %s.%s THEN coalesce(t.%s, %s.%s) ELSE %s.%s END",
			c.where.of(in), c.keeper, in, c.keeper, c.name, in, c.name, in, c.name)
	case c.where.column != "":
		return fmt.Sprintf("CASE WHEN %s THEN coalesce(%s.%s, t.%s) ELSE %s.%s END", c.where.of(in), in, c.name, c.name, in, c.name)
	case c.keeper == "":
		return fmt.Sprintf("coalesce(%s.%s, t.%s)", in, c.name, c.name)
	default:
		return fmt.Sprintf("coalesce(%s.%s, CASE WHEN t.%s IS NOT DISTINCT FROM %s.%s THEN t.%s END)",
			in, c.name, c.keeper, in, c.keeper, c.name)
	}
}

// of is the condition over a row.
func (c condition) of(row string) string {
	if c.value {
		return row + "." + c.column
	}
	return "NOT " + row + "." + c.column
}

// same says that the row in `in` tells nothing new about t.
func (g generator) same(in string) string {
	var ours, theirs []string
	for _, c := range g.mapped {
		ours = append(ours, "t."+c.name)
		theirs = append(theirs, c.effective(in))
	}
	return fmt.Sprintf("(%s) IS NOT DISTINCT FROM (%s)", strings.Join(ours, ", "), strings.Join(theirs, ", "))
}

// newer says that the row in `in` was read clearly after t: more than canonical.Margin apart.
func newer(in string) string {
	return in + ".observed_at > t.observed_until + interval '1 second'"
}

// notOlder says that the row in `in` may have been read after t.
func notOlder(in string) string {
	return in + ".observed_until >= t.observed_at - interval '1 second'"
}

// relives says that a person's id, deleted, was made anew: later than the one known, or not before the
// deletion, which may have fallen into the same second.
func relives(in string) string {
	return fmt.Sprintf("(%s.source_created_at > t.source_created_at OR %s.source_created_at >= t.deleted_at)", in, in)
}

func (g generator) arrays() string {
	args := make([]string, len(g.types))
	for i, typ := range g.types {
		if typ == "jsonb" || typ == "numeric" {
			typ = "text" // sent as text, cast on the way in
		}
		args[i] = fmt.Sprintf("$%d::%s[]", i+5, typ)
	}
	return fmt.Sprintf("unnest(%s) AS s(%s)", strings.Join(args, ", "), strings.Join(g.incoming, ", "))
}

func (g generator) selected() string {
	out := make([]string, len(g.incoming))
	for i, name := range g.incoming {
		out[i] = "s." + name
		if g.types[i] == "jsonb" || g.types[i] == "numeric" {
			out[i] += "::" + g.types[i]
		}
	}
	return strings.Join(out, ", ")
}

func (g generator) source(from string) string {
	if from == g.stage {
		return g.stage + " s"
	}
	return from
}

// insert begins an upsert; further columns are written to new rows alone.
func (g generator) insert(from string, further ...initial) string {
	var names, values string
	for _, c := range further {
		names += ", " + c.name
		values += ", " + c.expression
	}
	return fmt.Sprintf("INSERT INTO %s AS t (%s, %s%s)\nSELECT $1::uuid, $2::text, $3::text, $4::boolean, %s%s\n  FROM %s %s ORDER BY s.source_id\nON CONFLICT (%s, %s) DO UPDATE SET\n",
		g.table, identity, strings.Join(g.incoming, ", "), names, g.selected(), values, g.source(from), g.beside, identity, g.key)
}

func (g generator) merge(from string) string {
	var b strings.Builder
	b.WriteString(g.insert(from, g.initial...))
	for _, c := range g.mapped {
		if strings.Contains(g.key, c.name) {
			continue
		}
		fmt.Fprintf(&b, "    %s = %s,\n", c.name, c.effective("excluded"))
	}
	b.WriteString(`    raw = CASE WHEN t.raw = excluded.raw THEN t.raw ELSE excluded.raw END, -- an equal one keeps its storage
    source_api_version = excluded.source_api_version,
    observed_at = greatest(t.observed_at, excluded.observed_at),
    observed_until = greatest(t.observed_until, excluded.observed_until),
    source_created_at = coalesce(excluded.source_created_at, t.source_created_at),
    source_updated_at = coalesce(excluded.source_updated_at, t.source_updated_at),
    last_event_id = coalesce(excluded.last_event_id, t.last_event_id),
    last_verified_at = memberintel_now(), synced_at = memberintel_now(),
    deleted_at = NULL, delete_reason = NULL
`)
	fmt.Fprintf(&b, "WHERE CASE WHEN t.deleted_at IS NULL\n    THEN %s OR (excluded.observed_until > t.observed_until AND %s)\n", newer("excluded"), g.same("excluded"))
	if g.reusable {
		fmt.Fprintf(&b, "    WHEN t.delete_reason = 'event' THEN %s AND %s\n", newer("excluded"), relives("excluded"))
	} else {
		b.WriteString("    WHEN t.delete_reason = 'event' THEN false\n")
	}
	fmt.Fprintf(&b, "    ELSE excluded.last_event_id IS NULL AND %s END\nRETURNING %s, t.xmax = 0", newer("excluded"), g.returning())
	return b.String()
}

// bury writes tombstones. What was known of the row stays readable. A deletion that the source told is
// final for ids that the source makes, in whatever order it comes.
func (g generator) bury(from string) string {
	told := "t.delete_reason IS DISTINCT FROM 'event'"
	if g.reusable {
		told = fmt.Sprintf("t.deleted_at IS NULL AND %s", newer("excluded"))
	}
	return g.insert(from, initial{"deleted_at", "s.observed_at"}) + fmt.Sprintf(`    observed_at = greatest(t.observed_at, excluded.observed_at),
    observed_until = greatest(t.observed_until, excluded.observed_until),
    last_event_id = coalesce(excluded.last_event_id, t.last_event_id),
    last_verified_at = memberintel_now(), synced_at = memberintel_now(),
    deleted_at = excluded.deleted_at, delete_reason = excluded.delete_reason
WHERE CASE WHEN excluded.delete_reason = 'event' THEN %s
    ELSE t.deleted_at IS NULL AND %s END
RETURNING %s, t.xmax = 0`, told, newer("excluded"), g.returning())
}

// ties runs after a merge has locked its rows, so that what it reads is what the merge decided on.
func (g generator) ties(from string) string {
	relived := "false"
	if g.reusable {
		relived = notOlder("s") + " AND " + relives("s")
	}
	return fmt.Sprintf(`SELECT %s, greatest(t.observed_until, s.observed_until)
  FROM (SELECT %s FROM %s) s
  JOIN %s t ON t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4 AND %s
 WHERE CASE WHEN s.delete_reason IS NOT NULL THEN t.deleted_at IS NULL AND %s
       WHEN t.deleted_at IS NULL THEN %s AND NOT (%s)
       WHEN t.delete_reason = 'event' THEN %s
       ELSE %s END`,
		g.returning(), g.selected(), g.source(from), g.table, g.joined(), notOlder("s"), notOlder("s"), g.same("s"), relived, notOlder("s"))
}

// known reads without locking. What it finds may be read again later, which harms nobody. A row that was last seen
// more than a minute before is not known: a pass would look up each row that it did not confirm, and a late event
// from between would count for more than what was shown after it.
func (g generator) known(from string) string {
	return fmt.Sprintf(`SELECT %s, false
  FROM (SELECT %s FROM %s) s
  JOIN %s t ON t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4 AND %s
 WHERE t.deleted_at IS NULL AND t.observed_until > s.observed_until - interval '1 minute' AND %s`,
		g.returning(), g.selected(), from, g.table, g.joined(), g.same("s"))
}

func (g generator) returning() string {
	if g.variant == "" {
		return "t.source_id, ''"
	}
	return "t.source_id, coalesce(t." + g.variant + ", '')"
}

func (g generator) joined() string {
	var on []string
	for _, k := range strings.Split(g.key, ", ") {
		on = append(on, fmt.Sprintf("t.%s = s.%s", k, k))
	}
	return strings.Join(on, " AND ")
}

func (g generator) makeStage() string {
	cols := make([]string, len(g.incoming))
	for i := range g.incoming {
		cols[i] = g.incoming[i] + " " + g.types[i]
	}
	// A row that fits a page stays in it, so that it is not taken apart and put together again on its way.
	return fmt.Sprintf("CREATE TEMPORARY TABLE IF NOT EXISTS %s (%s) WITH (toast_tuple_target = 8160) ON COMMIT DELETE ROWS",
		g.stage, strings.Join(cols, ", "))
}

// adopt writes rows that stand and fall with a parent whose order was decided before.
func (g generator) adopt(from string) string {
	var b strings.Builder
	b.WriteString(g.insert(from))
	for _, c := range g.mapped {
		fmt.Fprintf(&b, "    %s = excluded.%s,\n", c.name, c.name)
	}
	fmt.Fprintf(&b, `    raw = excluded.raw, source_api_version = excluded.source_api_version,
    observed_at = excluded.observed_at, observed_until = excluded.observed_until,
    last_event_id = coalesce(excluded.last_event_id, t.last_event_id),
    last_verified_at = memberintel_now(), synced_at = memberintel_now(),
    deleted_at = NULL, delete_reason = NULL
WHERE t.deleted_at IS NOT NULL OR NOT (%s)`, g.same("excluded"))
	return b.String()
}

func (g generator) sweep() string {
	variant := "$8::text = ''"
	if g.variant != "" {
		variant = "t." + g.variant + " = $8"
	}
	return fmt.Sprintf(`SELECT t.source_id FROM %s t
 WHERE t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
   AND t.deleted_at IS NULL AND t.observed_until < $5 AND t.source_id > $6 AND %s
 ORDER BY t.source_id LIMIT $7`, g.table, variant)
}
