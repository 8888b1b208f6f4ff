package memberpress

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"memberintel/internal/canonical"
)

type memberV1 struct {
	ID                  int64                      `json:"id"`
	Hash                string                     `json:"hash"`
	Login               string                     `json:"login"`
	Email               string                     `json:"email"`
	FirstName           string                     `json:"first_name"`
	LastName            string                     `json:"last_name"`
	DisplayName         string                     `json:"display_name"`
	RegisteredAt        *instant                   `json:"registered_at"`
	Roles               []string                   `json:"roles"`
	Address             *addressV1                 `json:"address"`
	Custom              map[string]json.RawMessage `json:"custom"` // a string, or a list of strings
	GatewayCustomers    []gatewayCustomerV1        `json:"gateway_customers"`
	CorporateAccountIDs []int64                    `json:"corporate_account_ids"`
	LastLoginAt         *instant                   `json:"last_login_at"`
	LoginCount          int64                      `json:"login_count"`
}

type addressV1 struct {
	One     string `json:"one"`
	Two     string `json:"two"`
	City    string `json:"city"`
	State   string `json:"state"`
	Zip     string `json:"zip"`
	Country string `json:"country"`
}

type gatewayCustomerV1 struct {
	Gateway  string  `json:"gateway"`
	Test     bool    `json:"test"`
	Currency *string `json:"currency"`
	Customer string  `json:"customer"`
}

// memberV1 maps a user of the site. Custom fields become the metadata, under their keys without MemberPress' prefix, with
// the user's roles beside them; well-known ones become fields of their own as well.
func (m *mapper) memberV1() {
	var u memberV1
	if !m.decode(&u) {
		return
	}
	custom := m.custom(u.Custom)
	beside(custom, "roles", u.Roles)
	beside(custom, "corporate_account_ids", u.CorporateAccountIDs)
	metadata := m.told(custom)
	text := func(key string) *string {
		value, _ := custom[key].(string)
		return some(value)
	}
	head := m.head()
	head.CreatedAt = u.RegisteredAt.at()
	m.out.Members = []canonical.Member{{
		Head:                  head,
		Email:                 some(u.Email),
		Name:                  some(fullName(u)),
		Phone:                 text("phone"),
		Address:               m.address(u.Address),
		Metadata:              metadata,
		SignupAt:              u.RegisteredAt.at(),
		LastLoginAt:           u.LastLoginAt.at(),
		MemberNumber:          text("member_number"),
		JoinDate:              day(text("join_date")),
		MembershipType:        text("membership_type"),
		PreferredCourt:        text("preferred_court"),
		SkillLevel:            text("skill_level"),
		EmergencyContactName:  text("emergency_contact_name"),
		EmergencyContactPhone: text("emergency_contact_phone"),
		ForeignIDs:            m.customers(u.GatewayCustomers),
	}}
}

// fullName is what the member is called; a name that WordPress made up of nothing is the login.
func fullName(u memberV1) string {
	if name := strings.TrimSpace(u.FirstName + " " + u.LastName); name != "" {
		return name
	}
	return strings.TrimSpace(u.DisplayName)
}

// custom takes MemberPress' prefix off the keys. Where two would fall together, both keep theirs.
func (m *mapper) custom(fields map[string]json.RawMessage) map[string]any {
	out := make(map[string]any, len(fields))
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		var value any
		var text string
		var list []string
		switch {
		case json.Unmarshal(fields[key], &text) == nil && fields[key][0] == '"':
			value = text
		case json.Unmarshal(fields[key], &list) == nil && fields[key][0] == '[':
			value = list
		default:
			m.refuse("custom", "neither a text nor a list of texts")
		}
		short := strings.TrimPrefix(key, "mepr_")
		if _, taken := fields[short]; taken {
			short = key
		}
		out[short] = value
	}
	return out
}

// beside adds what WordPress and MemberPress say to the fields of the site's own, unless it is nothing or one of those has
// the name.
func beside[T any](custom map[string]any, key string, values []T) {
	if _, taken := custom[key]; !taken && len(values) > 0 {
		custom[key] = values
	}
}

// address is written with the names that the warehouse's other sources use.
func (m *mapper) address(a *addressV1) []byte {
	if a == nil {
		return nil
	}
	return m.told(struct {
		Line1      string `json:"line1,omitempty"`
		Line2      string `json:"line2,omitempty"`
		City       string `json:"city,omitempty"`
		State      string `json:"state,omitempty"`
		PostalCode string `json:"postal_code,omitempty"`
		Country    string `json:"country,omitempty"`
	}{a.One, a.Two, a.City, a.State, a.Zip, a.Country})
}

// customers lists the member's ids at payment platforms, sorted, those of test gateways left out.
func (m *mapper) customers(all []gatewayCustomerV1) []byte {
	var ids []string
	for _, c := range all {
		if !c.Test && c.Customer != "" {
			ids = append(ids, c.Customer)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	return m.told(slices.Compact(ids))
}

// day reads a calendar day as MemberPress' date fields write it. Anything else is nil and no error, since members
// may have typed it.
func day(text *string) *time.Time {
	if text == nil {
		return nil
	}
	at, err := time.Parse(time.DateOnly, *text)
	if err != nil || at.Year() < 1 {
		return nil
	}
	return &at
}
