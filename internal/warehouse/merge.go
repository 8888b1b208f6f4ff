package warehouse

import (
	"context"
	"fmt"
	"maps"
	"slices"
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
	orders         table[canonical.Order]
	rules          table[canonical.Rule]
	sites          table[canonical.Site]
}

// New returns a warehouse.
func New() *Warehouse {
	return &Warehouse{
		plans: plans(), members: members(), subscriptions: subscriptions(), items: subscriptionItems(),
		invoices: invoices(), paymentIntents: paymentIntents(), transactions: transactions(), allocations: paymentAllocations(),
		orders: orders(), rules: contentRules(), sites: sites(),
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
	// Touched are the source's members whom the batch tells of or told of before, Tellers those of any platform whose
	// payments it may have linked, and the source's own who have come or gone. A pass leaves both to Link.
	Touched, Tellers []Whose
	// Ignored counts the records that told nothing new: older than what is there, or the same.
	Ignored map[Ref]bool
}

// Ref names a row of a table.
type Ref struct{ Table, SourceID string }

// Apply merges the batch under the ordering rule. It is idempotent: the same batch twice is the same as
// once. Tables and rows are locked in a fixed order, so that concurrent batches rarely wait for each other
// in a circle; where they do, PostgreSQL aborts one and the caller tries again (postgres.Retryable).
func (w *Warehouse) Apply(ctx context.Context, tx *postgres.TenantTx, b *canonical.Batch, deriving Deriving) (Result, error) {
	m := merging{ctx: ctx, tx: tx, ids: identityOf(tx.Tenant, b.Source), passing: deriving == DeriveLater, fresh: map[Ref]bool{}}
	// All statements of a commit read by key. A plan that was made while a table was small would read all of it.
	tx.Set("enable_seqscan", "off")
	tx.Set("plan_cache_mode", "force_generic_plan")
	// A staging table is read whole all the same, at a price that would have PostgreSQL compile the statement.
	tx.Set("jit", "off")
	if deriving == DeriveNow {
		lockMembers(tx, contendedBy(b))
		m.formerMembers(b)
	}
	merge(&m, &w.members, b.Members)
	mergeThen(&m, &w.subscriptions, b.Subscriptions, w.adoptItems)
	merge(&m, &w.invoices, b.Invoices)
	merge(&m, &w.paymentIntents, b.PaymentIntents)
	merge(&m, &w.transactions, b.Transactions)
	merge(&m, &w.allocations, b.Allocations)
	merge(&m, &w.orders, b.Orders)
	merge(&m, &w.rules, b.Rules)
	merge(&m, &w.sites, b.Sites)
	m.keepAddresses(b)
	// Last, because many batches show the same few prices: whoever comes second waits for these rows.
	mergePlans(&m, &w.plans, b.Plans)
	if deriving == DeriveNow {
		m.derive(b)
	}
	m.deriveEvents(b)
	m.settle()
	if deriving == DeriveNow {
		m.arrivals(b)
	}
	return m.result, m.err
}

// merging carries one Apply. Its statements are queued as far as they do not depend on each other's results,
// so that they take few round trips; what depends on a result is a step for after the next one. After the first
// error the remaining steps do nothing.
type merging struct {
	ctx     context.Context
	tx      *postgres.TenantTx
	ids     []any
	passing bool         // a pass over everything
	fresh   map[Ref]bool // rows that were not there before
	several bool         // other platforms may tell of the same money
	former  []string     // members whose the batch's records were before it
	steps   []func()
	ends    []func()
	result  Result
	err     error
}

// arrivals adds whom another platform may have known before the batch told of them, or may know no more.
func (m *merging) arrivals(b *canonical.Batch) {
	for i := range b.Members {
		if v := &b.Members[i]; v.Deleted != "" || m.fresh[Ref{"members", v.SourceID}] {
			m.result.Tellers = append(m.result.Tellers, Whose{b.Source, v.SourceID})
		}
	}
	for i := range b.Subscriptions {
		if s := &b.Subscriptions[i]; s.MemberSourceID != nil && m.fresh[Ref{"subscriptions", s.SourceID}] {
			m.result.Tellers = append(m.result.Tellers, Whose{b.Source, *s.MemberSourceID})
		}
	}
}

// then does step after the next round trip.
func (m *merging) then(step func()) { m.steps = append(m.steps, step) }

// round fetches the results of what is queued and takes the steps that waited for them.
func (m *merging) round() {
	steps := m.steps
	m.steps = nil
	if m.err == nil {
		m.err = m.tx.Flush(m.ctx)
	}
	for _, step := range steps {
		if m.err == nil {
			step()
		}
	}
}

// settle goes on until nothing waits for a result. What is queued by then needs none.
func (m *merging) settle() {
	for len(m.steps) > 0 {
		m.round()
	}
	for _, end := range m.ends {
		end()
	}
	m.ends = nil
}

// merge writes one table's rows.
func merge[T any](m *merging, t *table[T], rows []T) {
	mergeThen(m, t, rows, func(*merging, []T, map[key]bool) {})
}

// mergePlans writes plans. Those that only stood in another record are merged only where they differ from what is
// there, or where nothing has shown that for a while: nearly always they need not be, and many commits would wait for
// the same few rows. A plan that the batch also tells by itself is merged with that, since their order counts.
func mergePlans(m *merging, t *table[canonical.Plan], plans []canonical.Plan) {
	told := map[key]bool{}
	for i := range plans {
		if !plans[i].Mentioned {
			told[t.keyOf(&plans[i])] = true
		}
	}
	mentioned := slices.DeleteFunc(slices.Clone(plans), func(p canonical.Plan) bool { return told[t.keyOf(&p)] })
	if m.err != nil || len(mentioned) == 0 {
		merge(m, t, plans)
		return
	}
	if _, ties := fold(t, mentioned); len(ties) > 0 {
		merge(m, t, plans)
		return
	}
	shown := latest(t, mentioned)
	known := make(map[key]bool, len(shown))
	m.collect(t.name, known, t.sql.known, append(m.ids[:4:4], t.arrays(shown)...))
	m.then(func() {
		merge(m, t, slices.DeleteFunc(slices.Clone(plans), func(p canonical.Plan) bool { return p.Mentioned && known[t.keyOf(&p)] }))
	})
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
	m.ends = append(m.ends, func() {
		for k := range all {
			delete(m.result.Ignored, Ref{t.name, k.id})
		}
		m.result.Written += len(all)
	})
	for i, layer := range layers {
		if i > 0 {
			m.finish()
		}
		mergeLayer(m, t, layer, func(written map[key]bool) {
			maps.Copy(all, written)
			then(m, layer, written)
		})
	}
}

// finish takes all steps, so that what comes next finds everything written.
func (m *merging) finish() {
	for len(m.steps) > 0 {
		m.round()
	}
}

// mergeLayer writes rows of different identities, and then has the keys that were written.
func mergeLayer[T any](m *merging, t *table[T], rows []T, then func(written map[key]bool)) {
	living, gone := split(t, rows)
	written := make(map[key]bool, len(rows))
	if len(living) >= stageFrom {
		m.fail(t.name, m.stageRows(t.sql.makeStage, t.sql.stage, t.columnNames(), newRowSource(t, living)))
		sql := t.sql.mergeStaged
		if m.passing {
			sql = t.sql.fillStaged
		}
		m.collect(t.name, written, sql, m.ids)
	} else if len(living) > 0 {
		m.collect(t.name, written, t.sql.merge, append(m.ids[:4:4], t.arrays(living)...))
	}
	if len(gone) > 0 {
		m.collect(t.name, written, t.sql.bury, append(m.ids[:4:4], t.arrays(gone)...))
	}
	m.then(func() {
		then(written)
		if len(written) < len(rows) {
			findTies(m, t, rows, written)
		}
	})
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

// collect queues a statement that returns keys, and whether they are new.
func (m *merging) collect(table string, into map[key]bool, sql string, args []any) {
	m.query(table, sql, args, func(rows pgx.Rows) error {
		var k key
		var isNew bool
		_, err := pgx.ForEachRow(rows, []any{&k.id, &k.variant, &isNew}, func() error {
			into[k], m.fresh[Ref{table, k.id}] = true, isNew
			return nil
		})
		return err
	})
}

// query queues a statement and hands over its rows.
func (m *merging) query(table, sql string, args []any, take func(pgx.Rows) error) {
	if m.err != nil {
		return
	}
	m.tx.Queue(sql, args...).Query(func(rows pgx.Rows) error {
		if err := take(rows); err != nil {
			return fmt.Errorf("warehouse: %s: %w", table, err)
		}
		return nil
	})
}

// findTies asks about the rows that the merge left alone.
func findTies[T any](m *merging, t *table[T], rows []T, written map[key]bool) {
	var left []T
	for i := range rows {
		if !written[t.keyOf(&rows[i])] {
			left = append(left, rows[i])
		}
	}
	if m.result.Ignored == nil {
		m.result.Ignored = make(map[Ref]bool)
	}
	for i := range left {
		m.result.Ignored[Ref{t.name, t.head(&left[i]).SourceID}] = true
	}
	m.query(t.name, t.sql.ties, append(m.ids[:4:4], t.arrays(left)...), func(found pgx.Rows) error {
		var k key
		var after time.Time
		_, err := pgx.ForEachRow(found, []any{&k.id, &k.variant, &after}, func() error {
			m.result.Ties = append(m.result.Ties, Tie{t.name, k.variant, k.id, after})
			delete(m.result.Ignored, Ref{t.name, k.id})
			return nil
		})
		return err
	})
	m.then(func() {}) // the caller wants to know
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
