package canonical

import "time"

// Member is a person or organisation that belongs to a tenant.
type Member struct {
	Head
	Email, Name, Phone, Description *string
	Address                         []byte // JSON object, nil when the source has none
	Currency                        *string
	Metadata                        []byte // JSON object
	SignupAt                        *time.Time
	LastLoginAt                     *time.Time // a lower bound of when the member was last there
	MemberNumber                    *string
	JoinDate                        *time.Time // a calendar day, UTC midnight
	MembershipType                  *string
	PreferredCourt                  *string
	SkillLevel                      *string
	EmergencyContactName            *string
	EmergencyContactPhone           *string
	// ForeignIDs are the member's ids at payment platforms, a JSON array of strings; nil when there are none.
	ForeignIDs []byte
}

// Plan is something that can be bought: a product, or one of its prices.
type Plan struct {
	Head
	Level             string // product or price
	Mentioned         bool   // told by another record that shows it, and not by itself
	ProductSourceID   *string
	Name, Description *string
	Active            bool
	BillingType       *string // one_time or recurring
	AmountMinor       *int64
	UnitAmountDecimal *string // minor units with a fraction
	Currency          *string
	IntervalUnit      *string // day, week, month or year
	IntervalCount     *int32
	UsageType         *string
	BillingScheme     *string
	Metadata          []byte
}

// Subscription is a standing agreement of a member to pay for items. Items is the whole set: an item that
// is missing from it is gone.
type Subscription struct {
	Head
	MemberSourceID     *string
	PlanSourceID       *string
	ProductSourceID    *string
	Status             string // with AccessDerived what the source says, from which the row's own follows
	NativeStatus       string
	Currency           *string
	CurrentPeriodStart *time.Time
	CurrentPeriodEnd   *time.Time
	StartedAt          *time.Time
	CancelAt           *time.Time
	CancelAtPeriodEnd  bool
	CanceledAt         *time.Time
	EndedAt            *time.Time
	TrialStart         *time.Time
	TrialEnd           *time.Time
	AccessUntil        *time.Time
	AccessDerived      bool // the source leaves it to the transactions: AccessUntil follows from those that give access
	CollectionPaused   bool
	ForeignID          *string // its id at the payment platform
	Gateway            *string // which of the source's ways to pay
	Test               *bool   // it is paid with no money; nil says nothing
	ItemsDigest        string
	Metadata           []byte
	Items              []SubscriptionItem
}

// SubscriptionItem is one line of a subscription. Its period and value are its own: intervals can differ.
type SubscriptionItem struct {
	SourceID          string
	Raw               []byte
	CreatedAt         *time.Time
	PlanSourceID      *string
	ProductSourceID   *string
	Quantity          *int64
	UnitAmountMinor   *int64
	UnitAmountDecimal *string
	Currency          *string
	IntervalUnit      *string
	IntervalCount     *int32
	UsageType         *string
	BillingScheme     *string
	PeriodStart       *time.Time
	PeriodEnd         *time.Time
	Metadata          []byte
}

// Invoice asks a member for money. Allocations are records of their own.
type Invoice struct {
	Head
	Number               *string
	MemberSourceID       *string
	SubscriptionSourceID *string
	IntentSourceID       *string
	PaymentSourceID      *string
	Status               string
	NativeStatus         string
	BillingReason        *string
	Currency             *string
	AmountDueMinor       int64
	AmountPaidMinor      int64
	AmountRemainingMinor int64
	SubtotalMinor        int64
	TotalMinor           int64
	AttemptCount         *int32
	PeriodStart          *time.Time
	PeriodEnd            *time.Time
	DueAt                *time.Time
	FinalizedAt          *time.Time
	PaidAt               *time.Time
	VoidedAt             *time.Time
	NextAttemptAt        *time.Time
	AllocationsKnown     *bool // true when the source listed its payments, nil when it was not asked
	Metadata             []byte
}

// Transaction is money that moved or tried to, or access that was given without any. AmountMinor is positive; Kind
// says in which direction.
type Transaction struct {
	Head
	Kind                 string // payment, refund, dispute, dispute_reversal, fee, adjustment or grant
	MemberSourceID       *string
	SubscriptionSourceID *string // nil when the source leaves it to the invoice's allocations
	InvoiceSourceID      *string // likewise
	LinksTold            bool    // the source leaves neither of them, nor the member, to other records: nil is none
	ParentSourceID       *string
	IntentSourceID       *string
	SettlementSourceID   *string
	PlanSourceID         *string // what it was paid for
	ForeignID            *string // its id at the payment platform
	OrderSourceID        *string // what it was bought with, where the payment platform may know that alone
	Gateway              *string // which of the source's ways to pay
	Test                 *bool   // no money moved; nil says nothing
	// OriginID is what the platform that had the payment made calls it, as the payment's metadata tell; OriginSite is
	// that platform's address and OriginPlatform its name, nil where they are not told.
	OriginID, OriginSite, OriginPlatform *string
	// GivesAccess says that the member may come in for it: until AccessUntil, or for ever with Lifetime.
	GivesAccess bool
	AccessUntil *time.Time
	Lifetime    bool
	AmountMinor int64
	Currency    string
	// The settlement is nil unless the source was asked to expand it.
	SettlementAmountMinor *int64
	SettlementCurrency    *string
	FeeMinor              *int64
	NetMinor              *int64
	Status                string
	NativeStatus          string
	OccurredAt            *time.Time
	FailureCode           *string
	Reason                *string
	Description           *string
	Metadata              []byte
}

// Order is what was bought in one go. Several transactions may share one, and then it bears their payment's id.
type Order struct {
	Head
	MemberSourceID      *string
	TransactionSourceID *string // the first of its transactions
	ForeignID           *string // its payment's id at the payment platform
	Status              string  // pending, succeeded or failed
	NativeStatus        string
}

// PaymentAllocation says how much of a payment went to an invoice.
type PaymentAllocation struct {
	Head
	InvoiceSourceID *string
	PaymentSourceID *string
	IntentSourceID  *string
	AmountMinor     *int64
	Currency        *string
	IsDefault       bool
	Status          string // open, paid or canceled
	NativeStatus    string
	PaidAt          *time.Time
}

// PaymentIntent is an attempt to collect money, of which a payment may come.
type PaymentIntent struct {
	Head
	MemberSourceID      *string
	PaymentSourceID     *string
	AmountMinor         int64
	AmountReceivedMinor *int64
	Currency            string
	Status              string // pending, processing, requires_capture, succeeded or canceled
	NativeStatus        string
	CanceledAt          *time.Time
	FailureCode         *string
	Description         *string
	Metadata            []byte
}

// Rule says what on a site is open to whom.
type Rule struct {
	Head
	Title         string
	RuleType      string
	Target        *string // what it protects, nil for everything of the type
	PlanSourceIDs []byte  // the plans that open it, a JSON array of strings
	Active        bool
}

// Site is the website that a club is run on.
type Site struct {
	Head
	URL, Name, Description, Language, Timezone, Currency, PlatformVersion *string
	BaseURL                                                               *string // where its software is, when that is not URL
}
