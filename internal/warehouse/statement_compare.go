package warehouse

import (
	"fmt"
	"strings"
)

// hash is of the mapped columns that a source never leaves out, in the rows in which it does not.
func (g generator) hash(of string) string {
	var cols []string
	for _, c := range g.mapped {
		switch {
		case !c.sticky:
			cols = append(cols, of+"."+c.name)
		case c.where.column != "":
			cols = append(cols, fmt.Sprintf("CASE WHEN %s THEN NULL ELSE %s.%s END", c.where.of(of), of, c.name))
		}
	}
	return fmt.Sprintf("md5(ROW(%s)::text)", strings.Join(cols, ", "))
}

// sticky is an object of the columns that a source may leave out, without those that it left out.
func (g generator) sticky(of string) string {
	var pairs []string
	for _, c := range g.mapped {
		if c.sticky && !c.once && !c.ours {
			pairs = append(pairs, fmt.Sprintf("'%s', %s.%s", c.name, of, c.name))
		}
	}
	return "jsonb_strip_nulls(jsonb_build_object(" + strings.Join(pairs, ", ") + "))"
}

func (g generator) variantOf(of string) string {
	if g.variant == "" {
		return "''"
	}
	return "coalesce(" + of + "." + g.variant + ", '')"
}

// parentOf is the record in which an item comes, ” for records that come by themselves.
func (g generator) parentOf(of string) string {
	if g.table == "subscription_items" {
		return of + ".subscription_source_id"
	}
	return "''"
}

func (g generator) spool() string {
	return fmt.Sprintf(`INSERT INTO verify_spool (table_name, source_id, variant, parent, hash, sticky, raw)
SELECT '%s', s.source_id, %s, %s, %s, %s, CASE WHEN $1::boolean THEN %s END FROM %s s
ON CONFLICT (table_name, source_id, variant) DO UPDATE SET hash = excluded.hash, sticky = excluded.sticky, parent = excluded.parent, raw = excluded.raw`,
		g.table, g.variantOf("s"), g.parentOf("s"), g.hash("s"), g.sticky("s"), g.rawHash("s"), g.stage)
}

func (g generator) compare() string {
	return fmt.Sprintf(`INSERT INTO verify_suspect (source_id, variant, parent, missing, extra)
SELECT coalesce(s.source_id, t.source_id), coalesce(s.variant, t.variant), coalesce(s.parent, t.parent),
       t.source_id IS NULL, s.source_id IS NULL
  FROM (SELECT * FROM verify_spool WHERE table_name = '%s') s
  FULL JOIN (
    SELECT t.source_id, %s AS variant, %s AS parent, %s AS hash, %s AS sticky, CASE WHEN $5::boolean THEN %s END AS raw
      FROM %s t
     WHERE t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4
       AND t.deleted_at IS NULL) t
    ON t.source_id = s.source_id AND t.variant = s.variant
 WHERE s.source_id IS NULL OR t.source_id IS NULL OR s.hash <> t.hash OR NOT t.sticky @> s.sticky OR s.raw <> t.raw`,
		g.table, g.variantOf("t"), g.parentOf("t"), g.hash("t"), g.sticky("t"), g.rawHash("t"), g.table)
}

// rawHash is of the record as the source sent it, ” for an item, which is written only where it says something else: the
// record that it came in is compared.
func (g generator) rawHash(of string) string {
	if g.table == "subscription_items" {
		return "''"
	}
	return "md5(coalesce(" + of + ".raw::text, ''))"
}

// examine returns the fields whose values differ, and the values. They are compared as jsonb, exactly.
func (g generator) examine() string {
	var names []string
	for _, c := range g.mapped {
		if !c.ours {
			names = append(names, "'"+c.name+"'")
		}
	}
	further := "'" + rawField + "'"
	if g.table == "subscription_items" {
		further = ""
	}
	only := "(ARRAY[" + strings.Join(names, ", ") + "] || CASE WHEN $5::boolean THEN ARRAY[" + further + "]::text[] ELSE '{}' END)"
	pick := func(of string) string {
		return fmt.Sprintf("(SELECT jsonb_object_agg(k, v) FROM jsonb_each(to_jsonb(%s)) AS e (k, v) WHERE k = ANY (%s))", of, only)
	}
	return fmt.Sprintf(`SELECT s.source_id, t.source_id IS NOT NULL, t.deleted_at IS NOT NULL, t.observed_until,
       ARRAY(SELECT k FROM unnest(%s) AS k WHERE to_jsonb(s) -> k IS DISTINCT FROM to_jsonb(t) -> k), %s, %s
  FROM %s s
  LEFT JOIN %s t ON t.tenant_id = $1 AND t.source_platform = $2 AND t.source_account_id = $3 AND t.livemode = $4 AND %s`,
		only, pick("s"), pick("t"), g.stage, g.table, g.joined())
}
