package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// copyAgain writes the rows that a backfill left once more, by plain COPY over one connection into copies of
// the tables with all their indexes and without row-level security, and tells how long that took.
func copyAgain(ctx context.Context, on *server, database string) (time.Duration, error) {
	conn, err := pgx.Connect(ctx, on.superuser(database))
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close(ctx) }()
	var total time.Duration
	for _, table := range []string{"plans", "members", "subscriptions", "subscription_items", "subscription_item_history", "invoices", "payment_allocations"} {
		took, err := copyTable(ctx, conn, filepath.Join(on.folder, "rows.copy"), table)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", table, err)
		}
		total += took
	}
	return total, nil
}

func copyTable(ctx context.Context, conn *pgx.Conn, name, table string) (time.Duration, error) {
	var columns string
	err := conn.QueryRow(ctx, `SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
		WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`, table).Scan(&columns)
	if err != nil {
		return 0, err
	}
	if _, err := conn.Exec(ctx, fmt.Sprintf("CREATE TABLE copy_%s (LIKE %s INCLUDING ALL)", table, table)); err != nil {
		return 0, err
	}
	file, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = file.Close() }()
	if _, err := conn.PgConn().CopyTo(ctx, file, fmt.Sprintf("COPY %s (%s) TO STDOUT", table, columns)); err != nil {
		return 0, err
	}
	if _, err := file.Seek(0, 0); err != nil {
		return 0, err
	}
	start := time.Now()
	_, err = conn.PgConn().CopyFrom(ctx, file, fmt.Sprintf("COPY copy_%s (%s) FROM STDIN", table, columns))
	return time.Since(start), err
}
