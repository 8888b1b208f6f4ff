package memberpress

import "memberintel/internal/canonical"

type orderV1 struct {
	ID                   int64    `json:"id"`
	Hash                 string   `json:"hash"`
	MemberID             *int64   `json:"member_id"`
	PrimaryTransactionID *int64   `json:"primary_transaction_id"`
	TransNum             string   `json:"trans_num"`
	Status               string   `json:"status"`
	Gateway              string   `json:"gateway"`
	CreatedAt            *instant `json:"created_at"`
}

func orderStates() map[string]string {
	return map[string]string{"pending": "pending", "failed": "failed", "complete": "succeeded", "refunded": "succeeded"}
}

// orderV1 maps an order, by which a checkout with order bumps is paid. Its transactions name it, and it alone knows the
// charge.
func (m *mapper) orderV1() {
	var o orderV1
	if !m.decode(&o) {
		return
	}
	head := m.head()
	head.CreatedAt = o.CreatedAt.at()
	m.out.Orders = []canonical.Order{{
		Head:                head,
		MemberSourceID:      name(o.MemberID),
		TransactionSourceID: name(o.PrimaryTransactionID),
		ForeignID:           canonical.Foreign(o.TransNum),
		Status:              m.oneOf("status", o.Status, orderStates()),
		NativeStatus:        o.Status,
	}}
}
