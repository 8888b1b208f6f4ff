// Package cast invents the people of a simulated club. Whoever plays a part of the outside world, its Stripe account or
// its website, takes them from here, so that a person is the same everywhere.
package cast

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Person is somebody who belongs to a club.
type Person struct {
	First, Last string
	Name        string // "" for somebody who gave none
	Email       string // likewise
	Phone       string
	Description string
	City        string
	Country     string
	Line1       string
	PostalCode  string
	Kind        string // Adult, Junior, Family, Student or Senior
	// Fields are what clubs keep beside, under the names that a tenant's queries use.
	Fields map[string]string
}

// New invents the number-th person, who joined then: names from many places, some Smiths, some without a name or an e-mail,
// and the fields that clubs keep. It takes all that is random from r, always in the same order.
func New(r *rand.Rand, number int, joined time.Time) Person {
	first := pick(r, "Anna", "José", "Zoë", "Liam", "Søren", "Noah", "Mia", "Łukasz", "Émile", "Aiko", "Grace", "Björn", "Olivia",
		"Tomás", "Ravi", "Chloé", "Ewan", "Fatima", "Jürgen", "Siobhán", "Mei", "Daniel", "Inés", "Peter", "Ngozi", "Ruth")
	last := pick(r, "Smith", "Smith", "Müller", "García", "O'Neill", "Nguyễn", "Jones", "Dvořák", "Lindström", "Rossi", "Tanaka",
		"Brown", "Okafor", "Lefèvre", "Kowalski", "Patel", "van der Berg", "Silva", "Smithson", "Taylor", "Ångström", "Haddad")
	p := Person{First: first, Last: last, Name: first + " " + last, Phone: fmt.Sprintf("+1555%07d", r.IntN(10_000_000)),
		City: pick(r, "Riverside", "Springfield", "Québec", "Zürich"), Country: pick(r, "US", "US", "US", "CA", "CH"),
		Line1: fmt.Sprintf("%d %s Street", 1+r.IntN(240), pick(r, "Elm", "Mill", "Church", "Station")), PostalCode: fmt.Sprintf("%05d", r.IntN(100_000))}
	p.Email = strings.Map(func(c rune) rune {
		if c < 128 && c != ' ' && c != '\'' {
			return c
		}
		return -1
	}, strings.ToLower(first+"."+last)) + fmt.Sprintf("%d@club.example", number)
	p.Kind = pick(r, "Adult", "Adult", "Adult", "Adult", "Junior", "Junior", "Family", "Family", "Student", "Senior")
	p.Fields = map[string]string{
		"membership_type":         p.Kind,
		"member_number":           fmt.Sprintf("M-%05d", number),
		"join_date":               joined.Format(time.DateOnly),
		"preferred_court":         pick(r, "Court 1", "Court 2", "Court 3", "Centre Court", "Clay"),
		"skill_level":             pick(r, "beginner", "intermediate", "advanced", "3.5", "4.0"),
		"emergency_contact_name":  pick(r, "Anna", "Peter", "Mum", "Renée") + " " + last,
		"emergency_contact_phone": fmt.Sprintf("+1555%07d", r.IntN(10_000_000)),
	}
	if chance(r, 0.03) {
		p.Fields["membership_status"] = pick(r, "honorary", "frozen", "active")
	}
	if chance(r, 0.02) {
		p.Name = ""
	}
	if chance(r, 0.03) {
		p.Email = ""
	}
	if chance(r, 0.1) {
		p.Description = "Joined at the open day"
	}
	return p
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

func chance(r *rand.Rand, p float64) bool { return r.Float64() < p }
