package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"memberintel/internal/connection"
	"memberintel/internal/identity"
	"memberintel/internal/pipeline/stripe"
	"memberintel/internal/postgres"
	"memberintel/internal/syncrun"
	"memberintel/internal/telemetry"
	"memberintel/internal/warehouse"
)

const secret = "whsec_bench"

// product wires the pipeline as the program does.
func product(db *postgres.DB, vault *connection.Vault, apiURL string, limits stripe.Limits) *stripe.Pipeline {
	ledger := &syncrun.Ledger{
		DB: db, Warehouse: warehouse.New(), Connections: connection.NewStore(vault), Metrics: telemetry.New(),
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	}
	return stripe.New(stripe.Config{APIURL: apiURL, APIVersion: "2026-08-26.dahlia"}, ledger, stripe.NewPacer(limits))
}

// connect makes a tenant with a Stripe account of its own.
func connect(ctx context.Context, p *stripe.Pipeline, n int) (connection.Connection, error) {
	owner, err := identity.CreateTenant(ctx, p.DB, fmt.Sprintf("club %d", n), "pro")
	if err != nil {
		return connection.Connection{}, err
	}
	c, _, err := p.Connect(ctx, stripe.ConnectRequest{
		Tenant: owner.ID, Actor: "bench", Key: fmt.Sprintf("rk_test_bench%d", n), WebhookSecrets: secret,
	})
	return c, err
}

// serve puts a handler on loopback. stop ends it.
func serve(h http.Handler) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(listener) }()
	return listener.Addr().String(), func() { _ = s.Close() }, nil
}

func newMux(doors *stripe.Webhooks) *http.ServeMux {
	mux := http.NewServeMux()
	doors.Routes(mux)
	return mux
}
