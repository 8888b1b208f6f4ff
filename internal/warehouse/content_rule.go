package warehouse

import "memberintel/internal/canonical"

func contentRules() table[canonical.Rule] {
	type r = canonical.Rule
	empty := "[]"
	return build(table[r]{name: "content_rules", head: func(v *r) *canonical.Head { return &v.Head }, columns: []column[r]{
		plain("title", func(v *r) string { return v.Title }),
		plain("rule_type", func(v *r) string { return v.RuleType }),
		text("target", func(v *r) *string { return v.Target }),
		{name: "plan_source_ids", typ: "jsonb", value: func(v *r) any {
			if s := jsonText(v.PlanSourceIDs); s != nil {
				return s
			}
			return &empty
		}},
		boolean("active", func(v *r) bool { return v.Active }),
	}})
}
