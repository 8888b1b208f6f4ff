package warehouse

import "memberintel/internal/canonical"

func sites() table[canonical.Site] {
	type s = canonical.Site
	return build(table[s]{name: "sites", head: func(v *s) *canonical.Head { return &v.Head }, columns: []column[s]{
		text("url", func(v *s) *string { return v.URL }),
		text("name", func(v *s) *string { return v.Name }),
		text("description", func(v *s) *string { return v.Description }),
		text("language", func(v *s) *string { return v.Language }),
		text("timezone", func(v *s) *string { return v.Timezone }),
		text("currency", func(v *s) *string { return v.Currency }),
		text("base_url", func(v *s) *string { return v.BaseURL }),
		text("platform_version", func(v *s) *string { return v.PlatformVersion }),
	}})
}
