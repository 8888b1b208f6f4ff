package stripe

import (
	"time"

	"memberintel/internal/canonical"
)

// customer maps a customer to a member. Well-known metadata become fields of their own; all of it stays in
// Metadata.
func (m *mapper) customer(head canonical.Head) {
	c := m.top
	head.CreatedAt = c.mustTime("created")
	own := c.child("metadata")
	m.out.Batch.Members = []canonical.Member{{
		Head:                  head,
		Email:                 c.text("email"),
		Name:                  c.text("name"),
		Phone:                 c.text("phone"),
		Description:           c.text("description"),
		Address:               c.json("address"),
		Currency:              c.currency("currency"),
		Metadata:              c.metadata(),
		SignupAt:              head.CreatedAt,
		MemberNumber:          own.text("member_number"),
		JoinDate:              day(own.text("join_date")),
		MembershipType:        own.text("membership_type"),
		PreferredCourt:        own.text("preferred_court"),
		SkillLevel:            own.text("skill_level"),
		EmergencyContactName:  own.text("emergency_contact_name"),
		EmergencyContactPhone: own.text("emergency_contact_phone"),
	}}
}

// day reads a calendar day that a person or a program wrote into metadata: 2026-03-01, or that day as it is
// written in an RFC 3339 time. Anything else is nil and no error, because Stripe does not look at it either.
func day(text *string) *time.Time {
	if text == nil {
		return nil
	}
	at, err := time.Parse(time.DateOnly, *text)
	if err != nil {
		at, err = time.Parse(time.RFC3339, *text)
	}
	if err != nil || at.Year() < 1 {
		return nil
	}
	date := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
	return &date
}
