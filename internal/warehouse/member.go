package warehouse

import (
	_ "embed"
	"time"

	"memberintel/internal/canonical"
)

//go:embed fill_members.sql
var fillMembersSQL string

func members() table[canonical.Member] {
	type m = canonical.Member
	return build(table[m]{name: "members", initial: newMember(), fill: knownMember(), head: func(r *m) *canonical.Head { return &r.Head }, columns: []column[m]{
		text("email", func(r *m) *string { return r.Email }),
		text("name", func(r *m) *string { return r.Name }),
		text("phone", func(r *m) *string { return r.Phone }),
		text("description", func(r *m) *string { return r.Description }),
		object("address", func(r *m) []byte { return r.Address }),
		text("currency", func(r *m) *string { return r.Currency }),
		metadata(func(r *m) []byte { return r.Metadata }),
		moment("signup_at", func(r *m) *time.Time { return r.SignupAt }),
		text("member_number", func(r *m) *string { return r.MemberNumber }),
		day("join_date", func(r *m) *time.Time { return r.JoinDate }),
		text("membership_type", func(r *m) *string { return r.MembershipType }),
		text("preferred_court", func(r *m) *string { return r.PreferredCourt }),
		text("skill_level", func(r *m) *string { return r.SkillLevel }),
		text("emergency_contact_name", func(r *m) *string { return r.EmergencyContactName }),
		text("emergency_contact_phone", func(r *m) *string { return r.EmergencyContactPhone }),
		object("foreign_ids", func(r *m) []byte { return foreignOnes(r.ForeignIDs) }),
		moment("last_login_at", func(r *m) *time.Time { return r.LastLoginAt }),
	}})
}

// newMember is what derive_members.sql comes to for a member of whom nothing else is known yet.
func newMember() []initial {
	return []initial{
		{"membership_status", `left(coalesce(nullif(s.metadata::jsonb ->> 'membership_status', ''), 'none'), 64)`},
		{"last_activity_at", "greatest(s.signup_at, s.last_login_at)"},
	}
}

// knownMember is the same rule for a member whose subscriptions and payments may have been read before.
func knownMember() fill {
	return fill{fillMembersSQL, []initial{
		{"membership_status", `left(coalesce(nullif(s.metadata ->> 'membership_status', ''),
			CASE WHEN t.known AND (t.lifetime OR t.until > memberintel_now())
			     THEN CASE WHEN best.status IN ('trialing', 'past_due') AND NOT t.lifetime AND t.until <= best.access_until THEN best.status ELSE 'active' END
			     WHEN t.known THEN CASE WHEN best.status IN ('canceled', 'paused', 'past_due') THEN best.status ELSE 'expired' END
			END, best.status, 'none'), 64)`},
		{"plan_source_id", "CASE WHEN t.known THEN t.plan_source_id ELSE best.plan_source_id END"},
		{"access_until", "CASE WHEN NOT t.known THEN best.access_until WHEN NOT t.lifetime THEN t.until END"},
		{"lifetime", "coalesce(t.lifetime, false)"},
		{"status_until", "CASE WHEN t.known AND NOT t.lifetime AND t.until > memberintel_now() THEN t.until END"},
		{"last_activity_at", "greatest(s.signup_at, s.last_login_at, t.last_at)"},
	}}
}
