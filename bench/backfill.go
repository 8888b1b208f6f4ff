package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"memberintel/internal/connection"
	"memberintel/internal/pipeline/stripe"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
)

// task is what a backfill child is told.
type task struct {
	AppURL, OwnerURL, KeyFile, API string
	Limits                         stripe.Limits
	Profile                        string
}

// done is what it tells: how long, how many records, how much memory at most.
type done struct {
	Seconds, CPU float64
	PeakMB       float64
	Status       string
	Records      int64
}

// backfillChild connects a tenant and reads its whole account, and nothing else: its memory is that of a
// backfill.
func backfillChild(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	if !lines.Scan() {
		return errors.New("no task")
	}
	var t task
	if err := json.Unmarshal(lines.Bytes(), &t); err != nil {
		return err
	}
	db, err := postgres.Connect(ctx, t.AppURL, t.OwnerURL, 0)
	if err != nil {
		return err
	}
	defer db.Close()
	vault, err := connection.OpenVault(t.KeyFile)
	if err != nil {
		return err
	}
	p := product(db, vault, t.API, t.Limits)
	c, err := connect(ctx, p, 1)
	if err != nil {
		return err
	}
	if t.Profile != "" {
		f, err := os.Create(t.Profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
	}
	start := time.Now()
	report, err := p.Sync(ctx, c, syncrun.Full, nil)
	if err != nil {
		return err
	}
	result := done{Seconds: time.Since(start).Seconds(), Status: string(report.Status), Records: report.RecordsProcessed}
	pprof.StopCPUProfile()
	var use unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &use)
	result.CPU = seconds(use.Utime) + seconds(use.Stime)
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	kb, _ := strconv.ParseFloat(strings.Fields(peak)[0], 64)
	result.PeakMB = kb / 1024
	return json.NewEncoder(out).Encode(result)
}

// filled is a kind of backfill, and what was measured, one value a round.
type filled struct {
	name   string
	stock  stock
	limits stripe.Limits
	copied bool // plain COPY of the same rows is measured too

	rate, cpu, database, peak, copyRate, copyCPU, seconds []float64
}

// backfill measures a whole pass, from its beginning to its end with the derived columns and the sweep.
func backfill(ctx context.Context, on *server, s settings) error {
	n := func(customers, subscriptions, invoices int) stock {
		scaled := func(n int) int { return max(100, int(float64(n)*s.scale)/100*100) }
		return stock{Customers: scaled(customers), Subscriptions: scaled(subscriptions), Invoices: scaled(invoices)}
	}
	free := stripe.Limits{Endpoint: 1e6, Account: 1e6, Burst: 1000}
	slow := n(15_000, 15_000, 30_000)
	slow.Latency = 100 * time.Millisecond
	usual := n(12_500, 12_500, 25_000)
	usual.Latency = 100 * time.Millisecond
	kinds := []*filled{
		{name: "no latency", stock: n(50_000, 50_000, 100_000), limits: free, copied: true},
		{name: "no latency, half as many", stock: n(25_000, 25_000, 50_000), limits: free},
		{name: "100 ms a request", stock: slow, limits: free},
		{name: "100 ms, 25/s an endpoint", stock: usual, limits: stripe.Limits{}},
	}
	source, err := startChild(ctx, "role-api")
	if err != nil {
		return err
	}
	defer source.close()
	line, err := source.hear()
	if err != nil {
		return err
	}
	api := "http://" + string(line)
	kinds = slices.DeleteFunc(kinds, func(k *filled) bool { return !strings.Contains(k.name, s.kind) })
	for round := range s.rounds {
		for _, k := range kinds {
			if err := fill(ctx, on, s, source, api, k); err != nil {
				return fmt.Errorf("round %d, %s: %w", round, k.name, err)
			}
		}
	}
	fmt.Println("\nBackfill, 8 requests in flight: members, subscriptions with their item, invoices with their payment, 5 KB each; the whole pass")
	fmt.Printf("%-26s %8s %8s %10s %8s %9s %9s %8s %8s\n", "", "objects", "seconds", "objects/s", "of COPY", "of limit", "peak MB", "CPU us", "+ PG us")
	for _, k := range kinds {
		objects := k.stock.Customers + k.stock.Subscriptions + k.stock.Invoices
		ofCopy, ofLimit := "", ""
		if k.copied {
			ofCopy = fmt.Sprintf("%.2f", median(k.rate)/median(k.copyRate))
		}
		if k.limits.Endpoint == 0 { // the longest list, a page of 100 at a time, at 25 pages a second
			ofLimit = fmt.Sprintf("%.2f", float64(k.stock.Invoices)/100/25/median(k.seconds))
		}
		fmt.Printf("%-26s %8d %8.1f %10.0f %8s %9s %9.0f %8.0f %8.0f\n", k.name, objects, median(k.seconds), median(k.rate), ofCopy, ofLimit, median(k.peak), median(k.cpu), median(k.database))
		if k.copied {
			fmt.Printf("%-26s %8d %8s %10.0f %8s %9s %9s %8s %8.0f\n", "COPY of the same rows", objects, "", median(k.copyRate), "", "", "", "", median(k.copyCPU))
		}
	}
	return nil
}

func fill(ctx context.Context, on *server, s settings, source *child, api string, k *filled) error {
	database, drop, err := on.fresh(ctx)
	if err != nil {
		return err
	}
	defer drop()
	if err := source.tell(k.stock); err != nil {
		return err
	}
	if _, err := source.hear(); err != nil {
		return err
	}
	worker, err := startChild(ctx, "role-backfill")
	if err != nil {
		return err
	}
	defer worker.close()
	t := task{
		AppURL: on.instance.URL(postgres.AppRole, database), OwnerURL: on.instance.URL(postgres.OwnerRole, database),
		KeyFile: filepath.Join(on.folder, "key.json"), API: api, Limits: k.limits,
	}
	if k.copied {
		t.Profile = s.profile
	}
	if s.statements {
		if err := on.exec(ctx, database, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements", "SELECT pg_stat_statements_reset()"); err != nil {
			return err
		}
	}
	_, before := on.cpu()
	if err := worker.tell(t); err != nil {
		return err
	}
	line, err := worker.hear()
	if err != nil {
		return err
	}
	_, after := on.cpu()
	var d done
	if err := json.Unmarshal(line, &d); err != nil {
		return err
	}
	objects := k.stock.Customers + k.stock.Subscriptions + k.stock.Invoices
	if d.Status != "succeeded" || d.Records < int64(objects) {
		return fmt.Errorf("the sync ended %s with %d records", d.Status, d.Records)
	}
	if s.statements {
		on.statements(ctx, database, objects)
	}
	k.seconds = append(k.seconds, d.Seconds)
	k.database = append(k.database, (after-before)*1e6/float64(objects))
	k.rate = append(k.rate, float64(objects)/d.Seconds)
	k.cpu = append(k.cpu, d.CPU*1e6/float64(objects))
	k.peak = append(k.peak, d.PeakMB)
	if k.copied {
		_, before := on.cpu()
		took, err := copyAgain(ctx, on, database)
		if err != nil {
			return err
		}
		_, after := on.cpu()
		k.copyCPU = append(k.copyCPU, (after-before)*1e6/float64(objects))
		k.copyRate = append(k.copyRate, float64(objects)/took.Seconds())
	}
	return nil
}
