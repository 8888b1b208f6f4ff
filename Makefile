# `make` alone says what there is. Nothing here keeps state: every target can be
# run by hand as the one or two lines that stand below it.

LINT = go tool -modfile=tools/go.mod golangci-lint
PACKAGES ?= ./...
BENCH ?= .
CHECKS ?= 2000
MODEL ?= claude-haiku-5-5
# The packages whose tests start no database.
QUICK = $$(go list -f '{{.ImportPath}} {{.Imports}} {{.TestImports}} {{.XTestImports}}' ./... | grep -vE 'postgres/embedded|pgtest|pipelinetest' | cut -d ' ' -f 1)

.DEFAULT_GOAL := help
.PHONY: help run build fmt lint check test bench soak eval cover update tidy

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Run the demo: a simulated Stripe and MemberPress site, a filled warehouse, a status page
	go run ./cmd/memberintel demo

build: ## Build bin/memberintel
	go build -o bin/memberintel ./cmd/memberintel

fmt: ## Format the Go files
	$(LINT) fmt

lint: ## Lint (the first time builds the linter, some minutes)
	$(LINT) run

check: ## Before each commit: format, vet, lint, build, the tests without a database
	@test -z "$$(gofmt -l .)" || { gofmt -d . ; echo "run make fmt" ; exit 1 ; }
	go vet ./...
	$(LINT) run
	go build ./...
	go test $(QUICK)

test: ## Everything that CI runs, with what it needs installed first
	./test

bench: ## Measure (BENCH=webhook, backfill, search or jobs runs one)
	go run ./bench '$(BENCH)'

soak: ## Run the property tests long (CHECKS=n, default 2000)
	go test -count 1 -timeout 0 -run Property ./internal/pipeline/stripe -rapid.checks $(CHECKS)

eval: ## Judge the answers about the golden set (with ANTHROPIC_API_KEY: ask Claude first; MODEL=name)
	@test -n "$${ANTHROPIC_API_KEY:-}" || echo "ANTHROPIC_API_KEY is not set, so the answers that are recorded are judged; set it to ask $(MODEL) first."
	go test -count 1 -timeout 10m -run TestGoldenSet ./internal/pipeline/website -v -record $(if $(ANTHROPIC_API_KEY),claude -model $(MODEL),'')

cover: ## Tell which lines the tests reach, in cover.out
	go test -coverpkg ./internal/... -coverprofile cover.out $(PACKAGES)
	go tool cover -func cover.out | tail -n 1

update: ## Write the golden files anew (look at the difference before you commit it)
	go test $$(grep -rl --include='*_test.go' 'flag.Bool("update"' internal | xargs -n 1 dirname | sort -u | sed 's,^,./,') -update

tidy: ## Bring both go.mod files in order
	go mod tidy
	cd tools && go mod tidy
