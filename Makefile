# millrace. `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -s -w -X main.version=$(VERSION)
LINT     := go tool -modfile=deploy/tools/go.mod golangci-lint
PACKAGES ?= ./...
FUZZTIME ?= 10s
ARGS     ?=

.PHONY: help
help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build the programs into bin/ (static, no cgo).
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/millrace ./cmd/storesim

.PHONY: cross
cross: ## Check that the programs build for every supported platform.
	for p in linux/amd64 linux/arm64 darwin/arm64; do echo "build $$p"; \
	  CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -trimpath -o /dev/null ./cmd/millrace && \
	  CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build -trimpath -o /dev/null ./cmd/storesim; done

.PHONY: run
run: build ## Run everything on this machine, fed by a simulated store, and open its page. ARGS="--simulate 200" changes flags.
	exec ./bin/millrace dev --simulate 50 --open $(ARGS)

.PHONY: demo
demo: build ## Run 1000 orders through all services and a saga, with partners that fail, and judge what came of it. ARGS="-hold" keeps it.
	go run ./deploy/demo -bin bin $(ARGS)

.PHONY: test
test: ## Run all tests, with the race detector, a real Kafka and the real ClickHouse engine.
	go test -race -shuffle=on -timeout 25m $(PACKAGES)

.PHONY: lint
lint: ## Run the linters and check that formatting, go.mod and generated text are up to date.
	$(LINT) run
	$(LINT) fmt --diff
	go mod tidy -diff
	go mod verify

.PHONY: fmt
fmt: ## Format the code.
	$(LINT) fmt

.PHONY: generate
generate: ## Rewrite the generated parts of README.md and the golden files.
	go test ./cmd/millrace/cli -run ReadmeTables -update

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (default 10s each).
	grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do \
	  grep -hoE '^func Fuzz[A-Za-z0-9]+' "$$dir"/*_test.go | awk '{print $$2}' | while read -r target; do \
	    echo "== $$dir $$target"; go test "$$dir" -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME); done; done

.PHONY: bench-ingest
bench-ingest: ## Measure the receiver beside a bare HTTP handler, on the embedded broker and on a real Kafka.
	go run ./deploy/bench/receive $(ARGS)

.PHONY: bench-runtime
bench-runtime: ## Measure the consumer runtime on a real Kafka, beside Confluent's Parallel Consumer. ARGS="--rows noop,state" chooses.
	go run ./deploy/bench/runtime $(ARGS)

.PHONY: bench-sink
bench-sink: ## Measure the analytics sink on a real Kafka, beside the same blocks inserted without Kafka. ARGS="--records 100000" shortens.
	go run ./deploy/bench/sink $(ARGS)

.PHONY: bench-dashboard
bench-dashboard: ## Measure the console's and Grafana's queries over 100 million events. ARGS="--events 1000000" shortens.
	go run ./deploy/bench/dashboard $(ARGS)

.PHONY: bench-isolation
bench-isolation: build ## Measure notifications and analytics beside a slow ERP, and its limit with 1, 2 and 4 processes. ARGS="-rows rate" chooses.
	go run ./deploy/bench/isolation -bin bin $(ARGS)

.PHONY: chaos
chaos: build ## Kill processes at random under load and compare ClickHouse with the simulator's ledger.
	go run ./deploy/bench/chaos --bin bin $(ARGS)

.PHONY: check
check: lint cross test ## What CI runs.

.PHONY: clean
clean: ## Remove what was built. Data (millrace-data/) and caches stay.
	rm -rf bin dist
