package memberpress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"memberintel/internal/canonical"
)

// MappingVersion counts the changes of what the mapping makes of the same bytes. A higher one than that of the
// rows stored calls for a full pass.
const MappingVersion = 3

// The entities that are mirrored. The others that a site has tell nothing that the canonical tables ask for.
const (
	members       = "members"
	subscriptions = "subscriptions"
	transactions  = "transactions"
	products      = "products"
	rules         = "rules"
	orders        = "orders"
	sites         = "sites" // not an entity of the protocol: the handshake
)

// SchemaError says that a row has a shape which this version does not understand. It shows no value of a member.
type SchemaError struct {
	Entity, ID, Field, Problem string // ID is "" when not even that could be read
}

// Error names what was not understood.
func (e *SchemaError) Error() string {
	return fmt.Sprintf("memberpress: %s %s: %s: %s", e.Entity, e.ID, e.Field, e.Problem)
}

// Map reads one row of an entity as the protocol's version shows it. It is pure: the same bytes give the same
// records, which point into raw. What is given is JSON, as a row of an answer that was decoded is. An error is always
// a *SchemaError, and then nothing is mapped: a row is understood as a whole or not at all. The batch's Source is left
// to the caller, who knows the connection. An entity that is not mirrored gives an empty batch.
func Map(protocol int, entity string, raw json.RawMessage, at canonical.Observation) (canonical.Batch, error) {
	m := mapper{entity: entity, raw: raw, at: at}
	if protocol == 1 {
		m.v1()
	} else {
		m.refuse("protocol", fmt.Sprintf("version %d has no mapping", protocol))
	}
	if m.err != nil {
		return canonical.Batch{}, m.err
	}
	return m.out, nil
}

// mapper carries one row through its mapping. After the first error the rest is of no account.
type mapper struct {
	entity string
	raw    []byte
	at     canonical.Observation
	id     string
	out    canonical.Batch
	err    error
}

// v1 is the transformer of protocol 1.
func (m *mapper) v1() {
	if holdsNUL(m.raw) {
		m.refuse("row", "a NUL character, which cannot be stored")
		return
	}
	switch m.entity {
	case members:
		m.memberV1()
	case subscriptions:
		m.subscriptionV1()
	case transactions:
		m.transactionV1()
	case products:
		m.productV1()
	case rules:
		m.ruleV1()
	case orders:
		m.orderV1()
	}
}

func (m *mapper) refuse(field, problem string) {
	if m.err == nil {
		m.err = &SchemaError{m.entity, m.id, field, problem}
	}
}

// head is what every record of the row carries.
func (m *mapper) head() canonical.Head {
	return canonical.Head{SourceID: m.id, APIVersion: "1", Raw: m.raw, Observed: m.at}
}

// name returns an id as the warehouse writes it, nil for none.
func name(id *int64) *string {
	if id == nil {
		return nil
	}
	text := strconv.FormatInt(*id, 10)
	return &text
}

// some returns the text, nil for an empty one.
func some(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// told is a JSON object of what a record says beside its columns.
func (m *mapper) told(fields any) []byte {
	text, err := json.Marshal(fields)
	if err != nil {
		m.refuse("metadata", err.Error())
	}
	return text
}

// holdsNUL looks for \u0000, which JSON allows and PostgreSQL does not. A backslash before it makes it a text.
func holdsNUL(raw []byte) bool {
	for from := 0; ; {
		i := bytes.Index(raw[from:], []byte(`\u0000`))
		if i < 0 {
			return bytes.IndexByte(raw, 0) >= 0
		}
		i += from
		slashes := 0
		for i-slashes > 0 && raw[i-slashes-1] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return true
		}
		from = i + 1
	}
}
