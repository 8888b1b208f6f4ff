package warehouse

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

// Comparison holds what a pass over the source showed against the warehouse. It spools a hash of the mapped
// fields of every record into a temporary table, so that the program's memory does not grow with the number
// of records, and lets PostgreSQL compare. Hashes of both sides are made by the same expression in the same
// session.
type Comparison struct {
	w       *Warehouse
	session *postgres.Session
	src     canonical.Source
	whole   bool
	table   string // that was compared last
}

// Compare begins a comparison in a session of its own. With whole the records are compared as the source sent them too, and
// not by what is mapped of them alone: that is for a source that sends a record the same way each time.
func (w *Warehouse) Compare(ctx context.Context, session *postgres.Session, src canonical.Source, whole bool) (*Comparison, error) {
	c := &Comparison{w: w, session: session, src: src, whole: whole}
	return c, session.TenantTx(ctx, func(tx *postgres.TenantTx) error {
		_, err := tx.Exec(ctx, `CREATE TEMPORARY TABLE verify_spool (
			table_name text, source_id text, variant text, parent text, hash text, sticky jsonb, raw text,
			PRIMARY KEY (table_name, source_id, variant))`)
		if err != nil {
			return fmt.Errorf("warehouse: make the spool: %w", err)
		}
		_, err = tx.Exec(ctx, `CREATE TEMPORARY TABLE verify_suspect (
			source_id text, variant text, parent text, missing boolean, extra boolean, PRIMARY KEY (source_id, variant))`)
		if err != nil {
			return fmt.Errorf("warehouse: make the list of suspects: %w", err)
		}
		return nil
	})
}

// Add spools what one page showed.
func (c *Comparison) Add(ctx context.Context, b *canonical.Batch) error {
	return c.session.TenantTx(ctx, func(tx *postgres.TenantTx) error {
		m := merging{ctx: ctx, tx: tx, ids: []any{c.whole}}
		spool(&m, &c.w.plans, b.Plans)
		spool(&m, &c.w.members, b.Members)
		spool(&m, &c.w.subscriptions, b.Subscriptions)
		spool(&m, &c.w.items, itemsOf(b.Subscriptions))
		spool(&m, &c.w.invoices, b.Invoices)
		spool(&m, &c.w.paymentIntents, b.PaymentIntents)
		spool(&m, &c.w.transactions, b.Transactions)
		spool(&m, &c.w.allocations, b.Allocations)
		spool(&m, &c.w.orders, b.Orders)
		spool(&m, &c.w.rules, b.Rules)
		spool(&m, &c.w.sites, b.Sites)
		return m.err
	})
}

func spool[T any](m *merging, t *table[T], rows []T) {
	if m.err != nil || len(rows) == 0 {
		return
	}
	rows = latest(t, rows)
	rows, _ = split(t, rows)
	m.fail(t.name, m.stageRows(t.sql.makeStage, t.sql.stage, t.columnNames(), newRowSource(t, rows)))
	if m.err == nil {
		_, err := m.tx.Exec(m.ctx, t.sql.spool, m.ids...)
		m.fail(t.name, err)
	}
}

// Suspect is a record that the pass and the warehouse do not agree on.
type Suspect struct {
	Table    string
	SourceID string
	Variant  string
	Parent   string // of an item: its subscription
	Missing  bool   // in the warehouse
	Extra    bool   // in the warehouse
}

// Contrast compares one table and keeps, in place of those of the table before, the records that differ.
func (c *Comparison) Contrast(ctx context.Context, table string) error {
	sql, err := c.w.compareSQL(table)
	if err != nil {
		return err
	}
	return c.session.TenantTx(ctx, func(tx *postgres.TenantTx) error {
		if _, err := tx.Exec(ctx, `TRUNCATE verify_suspect`); err != nil {
			return fmt.Errorf("warehouse: forget the suspects: %w", err)
		}
		if _, err := tx.Exec(ctx, sql, append(identityOf(tx.Tenant, c.src), c.whole)...); err != nil {
			return fmt.Errorf("warehouse: %s: compare: %w", table, err)
		}
		c.table = table
		return nil
	})
}

// Suspects returns, by source id behind after, up to limit records that differed in the last Contrast.
func (c *Comparison) Suspects(ctx context.Context, after Suspect, limit int) ([]Suspect, error) {
	var suspects []Suspect
	err := c.session.TenantTx(ctx, func(tx *postgres.TenantTx) error {
		rows, err := tx.Query(ctx, `SELECT source_id, variant, parent, missing, extra FROM verify_suspect
			 WHERE (source_id, variant) > ($1, $2) ORDER BY source_id, variant LIMIT $3`, after.SourceID, after.Variant, limit)
		if err != nil {
			return fmt.Errorf("warehouse: %s: read the suspects: %w", c.table, err)
		}
		var s Suspect
		s.Table = c.table
		_, err = pgx.ForEachRow(rows, []any{&s.SourceID, &s.Variant, &s.Parent, &s.Missing, &s.Extra}, func() error {
			suspects = append(suspects, s)
			return nil
		})
		return err
	})
	return suspects, err
}

// ComparedTables lists the tables of a comparison in the order in which they are told.
func ComparedTables() []string {
	return []string{"members", "plans", "subscriptions", "subscription_items", "invoices", "transactions", "payment_allocations", "payment_intents", "orders", "content_rules", "sites"}
}

func (w *Warehouse) compareSQL(table string) (string, error) {
	switch table {
	case "plans":
		return w.plans.sql.compare, nil
	case "members":
		return w.members.sql.compare, nil
	case "subscriptions":
		return w.subscriptions.sql.compare, nil
	case "subscription_items":
		return w.items.sql.compare, nil
	case "invoices":
		return w.invoices.sql.compare, nil
	case "payment_intents":
		return w.paymentIntents.sql.compare, nil
	case "transactions":
		return w.transactions.sql.compare, nil
	case "payment_allocations":
		return w.allocations.sql.compare, nil
	case "orders":
		return w.orders.sql.compare, nil
	case "content_rules":
		return w.rules.sql.compare, nil
	case "sites":
		return w.sites.sql.compare, nil
	}
	return "", fmt.Errorf("warehouse: %s is not compared", table)
}

// Difference is a field in which source and warehouse differ. Values are JSON; numbers are exact, as json.Number.
type Difference struct {
	Table, SourceID, Field string
	Source, Warehouse      any
}

// Standing says how a record that was looked at again stands in the warehouse.
type Standing struct {
	Present       bool      // a live row
	Deleted       bool      // a tombstone
	ObservedUntil time.Time // of the row, zero when there is none
	Differences   []Difference
}

// Examine compares the records of a batch, looked up one by one, with their rows, field by field, and with whole as
// Compare does. The key of the result is the table and source id.
func (w *Warehouse) Examine(ctx context.Context, session *postgres.Session, b *canonical.Batch, whole bool) (map[Ref]Standing, error) {
	out := map[Ref]Standing{}
	err := session.TenantTx(ctx, func(tx *postgres.TenantTx) error {
		m := merging{ctx: ctx, tx: tx, ids: append(identityOf(tx.Tenant, b.Source), whole)}
		examine(&m, &w.plans, b.Plans, out)
		examine(&m, &w.members, b.Members, out)
		examine(&m, &w.subscriptions, b.Subscriptions, out)
		examine(&m, &w.items, itemsOf(b.Subscriptions), out)
		examine(&m, &w.invoices, b.Invoices, out)
		examine(&m, &w.paymentIntents, b.PaymentIntents, out)
		examine(&m, &w.transactions, b.Transactions, out)
		examine(&m, &w.allocations, b.Allocations, out)
		examine(&m, &w.orders, b.Orders, out)
		examine(&m, &w.rules, b.Rules, out)
		examine(&m, &w.sites, b.Sites, out)
		return m.err
	})
	return out, err
}

func examine[T any](m *merging, t *table[T], rows []T, out map[Ref]Standing) {
	if m.err != nil || len(rows) == 0 {
		return
	}
	rows = latest(t, rows)
	rows, _ = split(t, rows)
	m.fail(t.name, m.stageRows(t.sql.makeStage, t.sql.stage, t.columnNames(), newRowSource(t, rows)))
	if m.err != nil {
		return
	}
	found, err := m.tx.Query(m.ctx, t.sql.examine, m.ids...)
	if err != nil {
		m.fail(t.name, err)
		return
	}
	var id string
	var present, deleted bool
	var until *time.Time
	var fields []string
	var source, ours exact
	_, err = pgx.ForEachRow(found, []any{&id, &present, &deleted, &until, &fields, &source, &ours}, func() error {
		ref := Ref{t.name, id}
		s := Standing{Present: present && !deleted, Deleted: deleted}
		if until != nil {
			s.ObservedUntil = *until
		}
		if s.Present {
			s.Differences = differing(t, id, fields, source, ours)
		}
		if old, twice := out[ref]; twice { // a dispute and its reversal share an id
			s.Differences = append(old.Differences, s.Differences...)
			s.Present = s.Present && old.Present
		}
		out[ref] = s
		source, ours = nil, nil
		return nil
	})
	m.fail(t.name, err)
}

func differing[T any](t *table[T], id string, fields []string, source, ours exact) []Difference {
	var out []Difference
	for _, c := range t.columns {
		if !slices.Contains(fields, c.name) || c.leftOut(source) {
			continue
		}
		out = append(out, Difference{t.name, id, c.name, source[c.name], ours[c.name]})
	}
	if len(out) == 0 && slices.Contains(fields, rawField) {
		theirs, stored := unlike(source[rawField], ours[rawField])
		out = append(out, Difference{t.name, id, rawField, theirs, stored})
	}
	return out
}

// rawField is the record as the source sent it, as a difference names it.
const rawField = "raw"

// unlike leaves of two objects the fields in which they differ; what is no object stays whole.
func unlike(a, b any) (any, any) {
	one, isObject := a.(map[string]any)
	other, isToo := b.(map[string]any)
	if !isObject || !isToo {
		return a, b
	}
	without := func(all, known map[string]any) map[string]any {
		rest := maps.Clone(all)
		maps.DeleteFunc(rest, func(field string, value any) bool {
			there, found := known[field]
			return found && reflect.DeepEqual(value, there)
		})
		return rest
	}
	return without(one, other), without(other, one)
}

// leftOut reports whether the source is silent about the column.
func (c column[T]) leftOut(source exact) bool {
	if c.once {
		return source[c.where.column] == c.where.value
	}
	return c.sticky && source[c.name] == nil && (c.where.column == "" || source[c.where.column] == c.where.value)
}

// exact is a JSON object whose numbers keep every digit: amounts do not fit into a float64.
type exact map[string]any

// UnmarshalJSON reads numbers as json.Number.
func (e *exact) UnmarshalJSON(raw []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	return decoder.Decode((*map[string]any)(e))
}
