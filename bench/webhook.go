package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"memberintel/internal/connection"
	"memberintel/internal/pipeline/stripe"
)

// ingested is what one way of ingesting does with one number of senders, one value a round.
type ingested struct{ rate, p50, p99, self, database []float64 }

// way is a webhook server under test.
type way struct {
	name  string
	start func(ctx context.Context, on *server, database string, tenants int) (address string, targets []target, stop func(), err error)
}

// webhook measures how many events a second are ingested over HTTP, signed, and durable before the answer.
func webhook(ctx context.Context, on *server, s settings) error {
	ways := []way{
		{"one transaction an event", rawWay(16, 1)},
		{"raw, group commit", rawWay(2, 256)},
		{"memberintel", productWay},
	}
	load, err := startChild(ctx, "role-sender")
	if err != nil {
		return err
	}
	defer load.close()
	senders := []int{1, 16, 64, 256}
	if n, err := strconv.Atoi(s.only); err == nil {
		senders = []int{n}
	}
	for _, tenants := range []int{1, 20} {
		got := map[string][]ingested{}
		for _, w := range ways {
			got[w.name] = make([]ingested, len(senders))
		}
		for round := range s.rounds {
			for _, w := range ways {
				if err := ingest(ctx, on, s, w, load, tenants, senders, got[w.name]); err != nil {
					return fmt.Errorf("round %d, %s: %w", round, w.name, err)
				}
			}
		}
		showIngest(tenants, senders, ways, got)
	}
	return nil
}

// ingest runs one server through all numbers of senders, on a database of its own.
func ingest(ctx context.Context, on *server, s settings, w way, load *child, tenants int, senders []int, got []ingested) error {
	database, drop, err := on.fresh(ctx)
	if err != nil {
		return err
	}
	defer drop()
	address, targets, stop, err := w.start(ctx, on, database, tenants)
	if err != nil {
		return err
	}
	defer stop()
	for i, n := range senders {
		events := int(s.scale * float64(min(24_000, 3_000+1_000*n)))
		if w.name == "one transaction an event" {
			events /= 3
		}
		err := load.tell(order{Address: address, Targets: targets, Senders: n, Events: events, First: i * 100_000, Warmup: 2*lead*tenants/10 + 500})
		if err != nil {
			return err
		}
		if _, err := load.hear(); err != nil {
			return err
		}
		// What autovacuum does within a minute: plans made for an empty table are no measure.
		if err := on.exec(ctx, database, "ANALYZE"); err != nil {
			return err
		}
		runtime.GC()
		profiled := s.profile != "" && w.name == "memberintel" && n == 64
		if profiled {
			f, err := os.Create(s.profile)
			if err != nil {
				return err
			}
			if err := pprof.StartCPUProfile(f); err != nil {
				return err
			}
		}
		if w.name != "one transaction an event" && s.statements {
			if err := on.exec(ctx, database, "CREATE EXTENSION IF NOT EXISTS pg_stat_statements", "SELECT pg_stat_statements_reset()"); err != nil {
				return err
			}
		}
		if err := got[i].take(on, load, events); err != nil {
			return err
		}
		if profiled {
			pprof.StopCPUProfile()
		}
		if w.name != "one transaction an event" && s.statements {
			on.statements(ctx, database, events)
		}
	}
	return nil
}

// take has the senders, who are ready, send the events, and notes what it took.
func (g *ingested) take(on *server, load *child, events int) error {
	self, postgres := on.cpu()
	if err := load.tell("go"); err != nil {
		return err
	}
	line, err := load.hear()
	if err != nil {
		return err
	}
	selfAfter, postgresAfter := on.cpu()
	var t told
	if err := json.Unmarshal(line, &t); err != nil {
		return err
	}
	if t.Failed > 0 {
		return fmt.Errorf("%d deliveries failed: %s", t.Failed, t.Refusal)
	}
	g.rate, g.p50, g.p99 = append(g.rate, float64(events)/t.Seconds), append(g.p50, t.P50), append(g.p99, t.P99)
	g.self = append(g.self, (selfAfter-self)*1e6/float64(events))
	g.database = append(g.database, (postgresAfter-postgres)*1e6/float64(events))
	return nil
}

func showIngest(tenants int, senders []int, ways []way, got map[string][]ingested) {
	fmt.Printf("\nWebhooks, %d tenant(s): events of 5 KB, half members, half subscriptions with their item; 200 after the commit\n", tenants)
	fmt.Printf("%-26s %8s %9s %8s %8s %9s %9s %8s %8s\n", "", "senders", "events/s", "p50 ms", "p99 ms", "CPU us", "+ PG us", "of raw", "x floor")
	for i, n := range senders {
		floor, raw := median(got[ways[0].name][i].rate), median(got[ways[1].name][i].rate)
		for _, w := range ways {
			g := got[w.name][i]
			rate := median(g.rate)
			fmt.Printf("%-26s %8d %9.0f %8.2f %8.2f %9.0f %9.0f %8.2f %8.2f\n",
				w.name, n, rate, median(g.p50), median(g.p99), median(g.self), median(g.database), rate/raw, rate/floor)
		}
	}
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

func rawWay(committers, limit int) func(context.Context, *server, string, int) (string, []target, func(), error) {
	return func(ctx context.Context, on *server, database string, tenants int) (string, []target, func(), error) {
		targets, byPath := make([]target, tenants), map[string]string{}
		for i := range targets {
			targets[i] = target{fmt.Sprintf("/webhooks/stripe/%d", i), secret}
			byPath[targets[i].Path] = uuid.NewString()
		}
		address, stop, err := startRaw(ctx, on.superuser(database), byPath, committers, limit)
		return address, targets, stop, err
	}
}

// productWay serves the product's webhook door as the program does.
func productWay(ctx context.Context, on *server, database string, tenants int) (address string, targets []target, stop func(), err error) {
	db, err := on.open(ctx, database)
	if err != nil {
		return "", nil, nil, err
	}
	vault, err := connection.OpenVault(filepath.Join(on.folder, "key.json"))
	if err != nil {
		return "", nil, nil, err
	}
	source, err := startChild(ctx, "role-api")
	if err != nil {
		return "", nil, nil, err
	}
	defer source.close()
	api, err := source.hear()
	if err != nil {
		return "", nil, nil, err
	}
	p := product(db, vault, "http://"+string(api), stripe.Limits{Endpoint: 1e6, Account: 1e6, Burst: 1000})
	for n := range tenants {
		c, err := connect(ctx, p, n)
		if err != nil {
			return "", nil, nil, err
		}
		targets = append(targets, target{"/webhooks/stripe/" + c.ID.String(), secret})
	}
	intake := stripe.NewIntake(p)
	mux := newMux(stripe.NewWebhooks(p, intake))
	address, stopHTTP, err := serve(mux)
	return address, targets, func() {
		stopHTTP()
		intake.Close()
		db.Close()
	}, err
}
