package warehouse

import (
	_ "embed"

	"memberintel/internal/canonical"
)

//go:embed site_addresses.sql
var siteAddressesSQL string

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

// keepAddresses remembers where the batch's sites are. A site that moves is not forgotten at its former address: what names it
// there, such as the metadata of a payment, still does.
func (m *merging) keepAddresses(b *canonical.Batch) {
	var ids []string
	for i := range b.Sites {
		if s := &b.Sites[i]; s.Deleted == "" {
			ids = append(ids, s.SourceID)
		}
	}
	if len(ids) > 0 {
		m.tx.Queue(siteAddressesSQL, append(m.ids[:4:4], ids)...)
	}
}
