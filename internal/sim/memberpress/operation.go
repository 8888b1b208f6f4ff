package memberpress

import "time"

// Operation is one way in which a site's rows come to change. Together they are the ways that were measured on a real
// site; see Operations.
type Operation struct {
	Name   string
	Hooked bool // whether the plugin's hooks tell of all of it; else the sweep tells the rest
	do     func(*Site) bool
}

// Do performs the operation on the first rows that fit it, and reports whether there were any.
func (s *Site) Do(op Operation) bool { return op.do(s) }

// Operations returns all ways, in an order in which each finds rows to work on where the site has a few members who pay
// for a few subscriptions and products, and a rule with conditions.
func Operations() []Operation {
	return []Operation{
		{"a transaction changes its status through the model", true, func(s *Site) bool {
			return first(s, paid, func(t Transaction) { t.Status = "pending"; s.Put(t) })
		}},
		{"a refund, which ends the confirmation by plain SQL", false, refund},
		{"a subscription's transactions are ended by plain SQL", false, func(s *Site) bool {
			return first(s, ofSubscription, func(t Transaction) { s.Slip(ended(s, sameSubscription(s, t))...) })
		}},
		{"a part of a transaction is updated without hooks", false, func(s *Site) bool {
			return first(s, paid, func(t Transaction) { t.TransNum = "ch_partial"; s.Slip(t) })
		}},
		{"a note is left on a transaction", false, func(s *Site) bool {
			return first(s, paid, func(t Transaction) { s.Note("transactions", t.ID, "noted "+s.now().Format(time.RFC3339)) })
		}},
		{"another plugin updates a transaction by SQL", false, func(s *Site) bool {
			return first(s, paid, func(t Transaction) { t.TaxDesc = "changed by another plugin"; s.Slip(t) })
		}},
		{"another plugin inserts a transaction by SQL", false, func(s *Site) bool {
			return first(s, paid, func(t Transaction) { t.ID, t.TransNum = top(s, "transactions")+1, "mp-txn-inserted"; s.Slip(t) })
		}},
		{"all transactions of a product are updated by SQL", false, func(s *Site) bool {
			return first(s, ofProduct, func(t Transaction) {
				for _, same := range all(s, func(o Transaction) bool { return o.ProductID == t.ProductID }) {
					same.TaxClass = "reduced"
					s.Slip(same)
				}
			})
		}},
		{"all transactions are updated by SQL", false, func(s *Site) bool {
			return first(s, anyTransaction, func(Transaction) {
				for _, t := range all(s, anyTransaction) {
					t.TaxDesc += "*"
					s.Slip(t)
				}
			})
		}},
		{"a subscription's transactions are deleted by SQL", false, func(s *Site) bool {
			return first(s, ofSubscription, func(t Transaction) { s.Vanish("transactions", numbers(sameSubscription(s, t))...) })
		}},
		{"a subscription is destroyed with its transactions", true, func(s *Site) bool {
			return first(s, func(Subscription) bool { return true }, func(sub Subscription) {
				s.Delete("transactions", numbers(all(s, func(t Transaction) bool { return int64(t.SubscriptionID) == sub.ID }))...)
				s.Delete("subscriptions", sub.ID)
			})
		}},
		{"a user's meta changes", true, func(s *Site) bool {
			return first(s, anyMember, func(m Member) { m.FirstName += " Marie"; s.Put(m) })
		}},
		{"a user's role changes", true, func(s *Site) bool {
			return first(s, anyMember, func(m Member) { m.Roles = append([]string{"coach"}, m.Roles...); s.Put(m) })
		}},
		{"a user's e-mail is changed by SQL", false, func(s *Site) bool {
			return first(s, anyMember, func(m Member) { m.Email = "changed." + m.Email; s.Slip(m) })
		}},
		{"a product's price changes in its meta alone", true, func(s *Site) bool {
			return first(s, anyProduct, func(p Product) { p.Price = "31.00"; s.Put(p) })
		}},
		{"a product is edited", true, func(s *Site) bool {
			return first(s, anyProduct, func(p Product) { p.Title += " (new)"; now := s.now(); p.ModifiedAt = &now; s.Put(p) })
		}},
		{"a rule loses all its conditions by SQL", false, func(s *Site) bool {
			return first(s, func(r Rule) bool { return len(r.Conditions) > 0 }, func(r Rule) { r.Conditions = nil; s.Slip(r) })
		}},
		{"a user is deleted, whose transactions lose their member by SQL", false, deleteUser},
		{"a product is deleted, whose transactions lose it by SQL", false, func(s *Site) bool {
			return first(s, anyProduct, func(p Product) {
				s.Delete("products", p.ID)
				for _, t := range all(s, func(t Transaction) bool { return int64(t.ProductID) == p.ID }) {
					t.ProductID = 0
					s.Slip(t)
				}
			})
		}},
	}
}

func refund(s *Site) bool {
	return first(s, func(t Transaction) bool { return paid(t) && t.SubscriptionID != 0 }, func(t Transaction) {
		now := s.now()
		t.Status, t.RefundedAt = "refunded", &now
		s.Put(t)
		var confirmations []Transaction
		for _, other := range sameSubscription(s, t) {
			if other.Type == "subscription_confirmation" {
				confirmations = append(confirmations, other)
			}
		}
		s.Slip(ended(s, confirmations)...)
	})
}

func deleteUser(s *Site) bool {
	pays := func(m Member) bool {
		return len(all(s, func(t Transaction) bool { return int64(t.MemberID) == m.ID })) > 0
	}
	return first(s, pays, func(m Member) {
		s.Delete("members", m.ID)
		for _, t := range all(s, func(t Transaction) bool { return int64(t.MemberID) == m.ID }) {
			t.MemberID = 0
			s.Slip(t)
		}
		for _, sub := range all(s, func(sub Subscription) bool { return int64(sub.MemberID) == m.ID }) {
			sub.MemberID = 0
			s.Slip(sub)
		}
	})
}

func paid(t Transaction) bool           { return t.Status == "complete" && (t.Type == "payment" || t.Type == "") }
func ofSubscription(t Transaction) bool { return t.SubscriptionID != 0 }
func ofProduct(t Transaction) bool      { return t.ProductID != 0 }
func anyTransaction(Transaction) bool   { return true }
func anyMember(Member) bool             { return true }
func anyProduct(Product) bool           { return true }

func sameSubscription(s *Site, t Transaction) []Transaction {
	return all(s, func(o Transaction) bool { return o.SubscriptionID == t.SubscriptionID })
}

// ended expires transactions a day ago.
func ended(s *Site, transactions []Transaction) []Row {
	yesterday := s.now().AddDate(0, 0, -1)
	rows := make([]Row, len(transactions))
	for i, t := range transactions {
		t.ExpiresAt = &yesterday
		rows[i] = t
	}
	return rows
}

func numbers(transactions []Transaction) []int64 {
	ids := make([]int64, len(transactions))
	for i, t := range transactions {
		ids[i] = t.ID
	}
	return ids
}

// first does something to the row of the lowest id that fits, and reports whether there is one.
func first[T Row](s *Site, fits func(T) bool, do func(T)) bool {
	rows := all(s, fits)
	if len(rows) == 0 {
		return false
	}
	do(rows[0])
	return true
}

// all returns the rows that fit, by ascending id.
func all[T Row](s *Site, fits func(T) bool) []T {
	var none T
	entity, _ := none.at()
	var found []T
	for _, r := range s.Rows(entity) {
		if row, ok := r.(T); ok && fits(row) {
			found = append(found, row)
		}
	}
	return found
}

// top is the highest id of an entity.
func top(s *Site, entity string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := s.state.sorted(entity)
	if len(ids) == 0 {
		return 0
	}
	return ids[len(ids)-1]
}
