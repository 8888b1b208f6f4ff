package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// growth measures webhooks into a tenant of few rows and into the same tenant of many, beside the raw probe: what it
// loses too is PostgreSQL's. What is there is made of the first events, again and again under other ids.
func growth(ctx context.Context, on *server, s settings) error {
	load, err := startChild(ctx, "role-sender")
	if err != nil {
		return err
	}
	defer load.close()
	sizes := []int{int(10_000 * min(1, s.scale*10)), int(1_000_000 * s.scale)}
	ways := []way{{"raw, group commit", rawWay(2, 256)}, {"memberintel", productWay}}
	all := map[string][]ingested{}
	for round := range s.rounds {
		for i := range ways { // each is first in turn
			w := ways[(round+i)%len(ways)]
			if all[w.name] == nil {
				all[w.name] = make([]ingested, len(sizes))
			}
			if err := grow(ctx, on, s, w, load, sizes, all[w.name]); err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
		}
	}
	fmt.Println("\nGrowth: webhooks of 16 senders into one tenant of so many rows (members, subscriptions, items and their history)")
	fmt.Printf("%-18s %10s %9s %8s %8s %9s %9s %10s\n", "", "rows", "events/s", "p50 ms", "p99 ms", "CPU us", "+ PG us", "of small")
	for _, w := range ways {
		got := all[w.name]
		for i, g := range got {
			rate := median(g.rate)
			fmt.Printf("%-18s %10d %9.0f %8.2f %8.2f %9.0f %9.0f %10.2f\n",
				w.name, sizes[i], rate, median(g.p50), median(g.p99), median(g.self), median(g.database), rate/median(got[0].rate))
		}
	}
	return nil
}

func grow(ctx context.Context, on *server, s settings, w way, load *child, sizes []int, got []ingested) error {
	database, drop, err := on.fresh(ctx)
	if err != nil {
		return err
	}
	defer drop()
	address, targets, stop, err := w.start(ctx, on, database, 1)
	if err != nil {
		return err
	}
	defer stop()
	made := 0
	for i, size := range sizes {
		o := order{Address: address, Targets: targets, Senders: 16, Events: int(10_000 * min(1, s.scale*4)), First: i * 100_000, Warmup: 1000}
		if err := load.tell(o); err != nil {
			return err
		}
		if _, err := load.hear(); err != nil { // the warm-up has left rows to copy
			return err
		}
		if err := multiply(ctx, on, database, made, size/4); err != nil {
			return err
		}
		made = size / 4
		if err := on.exec(ctx, database, "VACUUM ANALYZE", "CHECKPOINT"); err != nil {
			return err
		}
		if err := got[i].take(on, load, o.Events); err != nil {
			return err
		}
	}
	return nil
}

// multiply brings the members, each with a subscription, from one number to another.
func multiply(ctx context.Context, on *server, database string, from, to int) error {
	conn, err := pgx.Connect(ctx, on.superuser(database))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	// Ids that do not grow with time, as Stripe's do not.
	id := func(prefix string) string { return fmt.Sprintf("'%s_' || left(md5(n::text), 12) || n", prefix) }
	for table, changed := range map[string]string{
		"members":       fmt.Sprintf("'source_id', %s, 'name', left(md5(n::text || 'a'), 8) || ' ' || left(md5(n::text || 'b'), 6), 'email', left(md5(n::text || 'a'), 8) || n || '@club.example'", id("cus")),
		"subscriptions": fmt.Sprintf("'source_id', %s, 'member_source_id', %s", id("sub"), id("cus")),
		"subscription_items": fmt.Sprintf("'source_id', %s, 'subscription_source_id', %s",
			id("si"), id("sub")),
		"subscription_item_history": fmt.Sprintf("'item_source_id', %s, 'subscription_source_id', %s, 'member_source_id', %s", id("si"), id("sub"), id("cus")),
	} {
		var names []string
		err := conn.QueryRow(ctx, `SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
			WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attidentity = ''`, table).Scan(&names)
		if err != nil {
			return err
		}
		columns := strings.Join(names, ", ")
		_, err = conn.Exec(ctx, fmt.Sprintf(`INSERT INTO %s (%s) SELECT r.%s FROM (SELECT to_jsonb(t) AS row FROM %s t LIMIT 1) one,
			generate_series(%d, %d) n, jsonb_populate_record(NULL::%s, one.row || jsonb_build_object(%s)) r`,
			table, columns, strings.Join(names, ", r."), table, from+1, to, table, changed))
		if err != nil {
			return fmt.Errorf("%s: %w", table, err)
		}
	}
	return nil
}
