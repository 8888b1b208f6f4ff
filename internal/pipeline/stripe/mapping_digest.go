package stripe

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"memberintel/internal/canonical"
)

// itemsDigest condenses the mapped fields of a subscription's items, in order of their ids, so that two
// subscriptions with the same digest have the same items whatever the order, the blanks or the order of the
// metadata in which they came.
func itemsDigest(items []canonical.SubscriptionItem) string {
	sorted := slices.Clone(items)
	slices.SortFunc(sorted, func(a, b canonical.SubscriptionItem) int { return strings.Compare(a.SourceID, b.SourceID) })
	var d itemHash
	for i := range sorted {
		item := &sorted[i]
		d.text(&item.SourceID)
		d.text(item.PlanSourceID)
		d.text(item.ProductSourceID)
		d.text(item.UnitAmountDecimal)
		d.text(item.Currency)
		d.text(item.IntervalUnit)
		d.text(item.UsageType)
		d.text(item.BillingScheme)
		d.number(item.Quantity)
		d.number(item.UnitAmountMinor)
		d.number(widen(item.IntervalCount))
		d.time(item.CreatedAt)
		d.time(item.PeriodStart)
		d.time(item.PeriodEnd)
		d.metadata(item.Metadata)
	}
	sum := sha256.Sum256(d)
	return hex.EncodeToString(sum[:16])
}

// itemHash gathers values so that different lists of them never look alike.
type itemHash []byte

func (d *itemHash) text(s *string) {
	if s == nil {
		*d = append(*d, '-')
		return
	}
	*d = append(strconv.AppendInt(*d, int64(len(*s)), 10), ':')
	*d = append(*d, *s...)
}

func (d *itemHash) number(n *int64) {
	if n == nil {
		*d = append(*d, '-')
		return
	}
	*d = append(strconv.AppendInt(*d, *n, 10), ';')
}

func (d *itemHash) time(at *time.Time) {
	if at == nil {
		d.number(nil)
		return
	}
	seconds := at.Unix()
	d.number(&seconds)
}

func (d *itemHash) metadata(raw []byte) {
	own := map[string]string{}
	gjson.ParseBytes(raw).ForEach(func(key, value gjson.Result) bool {
		own[key.Str] = value.String()
		return true
	})
	keys := make([]string, 0, len(own))
	for key := range own {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	count := int64(len(keys))
	d.number(&count)
	for _, key := range keys {
		value := own[key]
		d.text(&key)
		d.text(&value)
	}
}

func widen(n *int32) *int64 {
	if n == nil {
		return nil
	}
	wide := int64(*n)
	return &wide
}
