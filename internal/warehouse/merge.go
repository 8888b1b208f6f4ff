package warehouse

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/jackc/pgx/v5"

	"memberintel/internal/canonical"
	"memberintel/internal/postgres"
)

// stageFrom is the number of rows from which COPY into a staging table beats arrays (docs/measurements.md).
const stageFrom = 64

// Warehouse writes the canonical tables. It holds no state but the generated statements and is safe for
// concurrent use.
type Warehouse struct {
	plans          table[canonical.Plan]
	members        table[canonical.Member]
	subscriptions  table[canonical.Subscription]
	items          table[itemRecord]
	invoices       table[canonical.Invoice]
	paymentIntents table[canonical.PaymentIntent]
	transactions   table[canonical.Transaction]
	allocations    table[canonical.PaymentAllocation]
}

// New returns a warehouse.
func New() *Warehouse {
	return &Warehouse{
		plans: plans(), members: members(), subscriptions: subscriptions(), items: subscriptionItems(),
		invoices: invoices(), paymentIntents: paymentIntents(), transactions: transactions(), allocations: paymentAllocations(),
	}
}

// Tables lists the tables that a pass over a source writes.
func Tables() []string { return append(ComparedTables(), "subscription_item_history") }

// Deriving says when the columns that follow from several records are brought up to date.
type Deriving int

// Live commits derive at once. A pass over a whole source leaves it to one statement at its end, DeriveAll.
const (
	DeriveNow Deriving = iota
	DeriveLater
)

// Result says what an Apply did.
type Result struct {
	Written int   // rows inserted, changed or confirmed
	Ties    []Tie // records that must be fetched again
	// Ignored counts the records that told nothing new: older than what is there, or the same.
	Ignored map[Ref]bool
}

// Ref names a row of a table.
type Ref struct{ Table, SourceID string }

// Apply merges the batch under the ordering rule. It is idempotent: the same batch twice is the same as
// once. Tables and rows are locked in a fixed order, so that concurrent batches rarely wait for each other
// in a circle; where they do, PostgreSQL aborts one and the caller tries again (postgres.Retryable).
func (w *Warehouse) Apply(ctx context.Context, tx *postgres.TenantTx, b *canonical.Batch, deriving Deriving) (Result, error) {
	m := merging{ctx: ctx, tx: tx, ids: identityOf(tx.Tenant, b.Source)}
	if deriving == DeriveNow {
		if err := lockMembers(ctx, tx, contendedBy(b)); err != nil {
			return Result{}, err
		}
	}
	merge(&m, &w.members, b.Members)
	mergeThen(&m, &w.subscriptions, b.Subscriptions, w.adoptItems)
	merge(&m, &w.invoices, b.Invoices)
	merge(&m, &w.paymentIntents, b.PaymentIntents)
	merge(&m, &w.transactions, b.Transactions)
	merge(&m, &w.allocations, b.Allocations)
	// Last, because many batches show the same few prices: whoever comes second waits for these rows.
	merge(&m, &w.plans, b.Plans)
	if m.err == nil && deriving == DeriveNow {
		m.err = derive(ctx, tx, b)
	}
	return m.result, m.err
}

// merging carries one Apply: after the first error the remaining steps do nothing.
type merging struct {
	ctx    context.Context
	tx     *postgres.TenantTx
	ids    []any
	result Result
	err    error
}

// merge writes one table's rows.
func merge[T any](m *merging, t *table[T], rows []T) {
	mergeThen(m, t, rows, func(*merging, []T, map[key]bool) {})
}

// mergeThen writes one table's rows, layer by layer, and does then with each layer and the keys that were
// written of it.
func mergeThen[T any](m *merging, t *table[T], rows []T, then func(*merging, []T, map[key]bool)) {
	if m.err != nil || len(rows) == 0 {
		return
	}
	layers, ties := fold(t, rows)
	m.result.Ties = append(m.result.Ties, ties...)
	all := make(map[key]bool, len(rows))
	for _, layer := range layers {
		written := mergeLayer(m, t, layer)
		then(m, layer, written)
		maps.Copy(all, written)
	}
	for k := range all {
		delete(m.result.Ignored, Ref{t.name, k.id})
	}
	m.result.Written += len(all)
}

// mergeLayer writes rows of different identities and returns the keys that were written.
func mergeLayer[T any](m *merging, t *table[T], rows []T) map[key]bool {
	living, gone := split(t, rows)
	written := make(map[key]bool, len(rows))
	if len(living) >= stageFrom {
		m.fail(t.name, m.stageRows(t.sql.makeStage, t.sql.stage, t.columnNames(), newRowSource(t, living)))
		m.collect(t.name, written, t.sql.mergeStaged, m.ids)
	} else if len(living) > 0 {
		m.collect(t.name, written, t.sql.merge, append(m.ids[:4:4], t.arrays(living)...))
	}
	if len(gone) > 0 {
		m.collect(t.name, written, t.sql.bury, append(m.ids[:4:4], t.arrays(gone)...))
	}
	if len(written) < len(rows) {
		findTies(m, t, rows, written)
	}
	return written
}

// planned has a statement about many rows planned anew, for the sizes that the tables have by now: a plan that
// was made and kept while a table was small reads all of it.
func planned(rows int, args []any) []any {
	if rows < stageFrom {
		return args
	}
	return append([]any{pgx.QueryExecModeDescribeExec}, args...)
}

func split[T any](t *table[T], rows []T) (living, gone []T) {
	for i := range rows {
		if t.head(&rows[i]).Deleted == "" {
			living = append(living, rows[i])
		} else {
			gone = append(gone, rows[i])
		}
	}
	return living, gone
}

// collect runs a statement that returns keys.
func (m *merging) collect(table string, into map[key]bool, sql string, args []any) {
	if m.err != nil {
		return
	}
	rows, err := m.tx.Query(m.ctx, sql, args...)
	if err != nil {
		m.fail(table, err)
		return
	}
	var k key
	_, err = pgx.ForEachRow(rows, []any{&k.id, &k.variant}, func() error { into[k] = true; return nil })
	m.fail(table, err)
}

// findTies asks about the rows that the merge left alone.
func findTies[T any](m *merging, t *table[T], rows []T, written map[key]bool) {
	if m.err != nil {
		return
	}
	var left []T
	for i := range rows {
		if !written[t.keyOf(&rows[i])] {
			left = append(left, rows[i])
		}
	}
	found, err := m.tx.Query(m.ctx, t.sql.ties, append(m.ids[:4:4], t.arrays(left)...)...)
	if err != nil {
		m.fail(t.name, err)
		return
	}
	if m.result.Ignored == nil {
		m.result.Ignored = make(map[Ref]bool)
	}
	for i := range left {
		m.result.Ignored[Ref{t.name, t.head(&left[i]).SourceID}] = true
	}
	var k key
	var after time.Time
	_, err = pgx.ForEachRow(found, []any{&k.id, &k.variant, &after}, func() error {
		m.result.Ties = append(m.result.Ties, Tie{t.name, k.variant, k.id, after})
		delete(m.result.Ignored, Ref{t.name, k.id})
		return nil
	})
	m.fail(t.name, err)
}

func (m *merging) stageRows(makeStage, stage string, columns []string, src pgx.CopyFromSource) error {
	if m.err != nil {
		return nil
	}
	// Another layer, or in a shared transaction another tenant, may have staged rows before.
	if _, err := m.tx.Exec(m.ctx, makeStage+"; DELETE FROM "+stage); err != nil {
		return err
	}
	_, err := m.tx.CopyFrom(m.ctx, stage, columns, src)
	return err
}

func (m *merging) fail(table string, err error) {
	if m.err == nil && err != nil {
		m.err = fmt.Errorf("warehouse: %s: %w", table, err)
	}
}
