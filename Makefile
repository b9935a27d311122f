# claude-analytics: `make demo` shows it working, `make test` proves it. `make help` lists the rest.

SHELL      := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

# DuckDB's Arrow interface is behind a build tag.
export GOFLAGS := -tags=duckdb_arrow
export CGO_ENABLED := 1

BIN      := bin/claude-analytics
TOOLS    := $(CURDIR)/.tools
VENV     := $(TOOLS)/venv
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMPOSE  ?= docker compose

NATS_SERVER_VERSION := v2.15.2
NATS_CLI_VERSION    := v0.5.1
LINT_VERSION        := v2.15.0

# Narrow a run: make test T=TestName PKG=./sink/...
PKG ?= ./...
T   ?= .
# Real transcripts to run on besides generated ones; what is absent is skipped with a line that says so.
export TRANSCRIPTS ?= ../shared/transcripts/projects
# The batch platform to measure beside, and at which sizes.
export PEER_BATCH ?= ../shared/peers/batch
PEER_SIZES ?= 100000,500000
ONLY       ?=

.DEFAULT_GOAL := help
.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

# ---- the two commands -------------------------------------------------------------------------------------------

.PHONY: demo
demo: build ## generate transcripts, run the whole pipeline on them, show the result, stay up
	@$(BIN) up --demo $${DEMO_SESSIONS:-200} --data-dir $${DEMO_DIR:-data/demo} --http-addr $${HTTP_ADDR:-127.0.0.1:8080} \
	  $${DEMO_UNTIL_IDLE:+--until-idle}

.PHONY: test
test: build tools ## install what the tests need and run them
	@scripts/test.sh -run '$(T)' $(PKG)

# ---- building ---------------------------------------------------------------------------------------------------

.PHONY: need
need:
	@scripts/need.sh

# The page is built when its sources are newer; it is part of the binary.
WEB       := dashboard/web
PAGE      := $(WEB)/dist/index.html
PAGE_FROM := $(shell find $(WEB)/src -type f ! -name schema.d.ts) $(WEB)/index.html $(WEB)/vite.config.mjs $(WEB)/tsconfig.json dashboard/openapi.yaml

$(WEB)/node_modules/.package-lock.json: $(WEB)/package.json $(WEB)/package-lock.json
	@echo "installing what the page is built with ..."
	@cd $(WEB) && npm ci --silent && touch node_modules/.package-lock.json

$(PAGE): $(PAGE_FROM) $(WEB)/node_modules/.package-lock.json
	@echo "building the page ..."
	@cd $(WEB) && npm run --silent build

.PHONY: page
page: need $(PAGE) ## build the page of the dashboard only

.PHONY: build
build: need $(PAGE) ## build bin/claude-analytics
	@mkdir -p bin
	@[ -x $(BIN) ] || echo "building (the first time takes a few minutes) ..."
	@go build -ldflags "-X main.version=$(VERSION)" -o $(BIN) ./cmd/claude-analytics

.PHONY: proto
proto: ## regenerate the contract's Go code (needs protoc and protoc-gen-go)
	protoc --go_out=. --go_opt=paths=source_relative proto/change.proto

.PHONY: tools
tools: $(TOOLS)/bin/nats-server $(TOOLS)/bin/nats $(VENV)/done ## install the servers and clients that the tests run against

$(TOOLS)/bin/nats-server:
	@echo "installing nats-server $(NATS_SERVER_VERSION) ..."
	@cd / && GOFLAGS= GOBIN=$(TOOLS)/bin go install github.com/nats-io/nats-server/v2@$(NATS_SERVER_VERSION)

$(TOOLS)/bin/nats:
	@echo "installing the nats CLI $(NATS_CLI_VERSION) ..."
	@cd / && GOFLAGS= GOBIN=$(TOOLS)/bin go install github.com/nats-io/natscli/nats@$(NATS_CLI_VERSION)

# A stock DuckDB and PyArrow, to read the lake as others would.
$(VENV)/done: scripts/requirements-test.txt
	@echo "installing the Python readers of the lake ..."
	@python3 -m venv $(VENV) && $(VENV)/bin/pip install -q --disable-pip-version-check -r scripts/requirements-test.txt && touch $@

# ---- checking ---------------------------------------------------------------------------------------------------

.PHONY: test-models
test-models: ## the models' golden cases only (UPDATE=1 rewrites them)
	@go test ./modeler/models_test $(if $(UPDATE),-update)

.PHONY: test-dbt
test-dbt: build ## dbt itself builds the models on a copy, and the tables are equal
	@scripts/dbt-build.sh

.PHONY: test-web
test-web: build ## the page in headless Chromium, which is installed if needed (T=NAME: these tests; LONG=1: all)
	@T='$(T)' scripts/test-web.sh

.PHONY: screenshots
screenshots: build ## pictures of each page into docs/images, and those of docs/tour.md
	@scripts/screenshots.sh

.PHONY: bench-page
bench-page: build ## the page's table: import, first view, append to screen, memory (SIZE=350MB; AGENTSVIEW=PROGRAM: beside it)
	@scripts/need-web.sh
	@CLAUDE_ANALYTICS=$(CURDIR)/$(BIN) node dashboard/webtest/measure.mjs

.PHONY: test-long
test-long: build tools ## crash sweep, long property tests, fuzzing (FUZZTIME=60s each)
	@scripts/test-long.sh

.PHONY: test-docs
test-docs: build tools ## run every command of the runbook against a demo
	@scripts/run-docs.sh docs/operations.md

.PHONY: lint
lint: $(TOOLS)/bin/golangci-lint ## golangci-lint with the rules of .golangci.yml
	@$(TOOLS)/bin/golangci-lint run ./...

$(TOOLS)/bin/golangci-lint:
	@echo "installing golangci-lint $(LINT_VERSION) ..."
	@cd / && GOFLAGS= GOBIN=$(TOOLS)/bin go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)

.PHONY: bench
bench: build $(VENV)/done ## measure: table on the screen, JSON in bench/out (ONLY=mongo,sizes: these cases)
	@go run ./bench -out bench/out -only "$(ONLY)"

.PHONY: bench-peers
bench-peers: build $(VENV)/done ## measure beside the batch platform of PEER_BATCH (PEER_SIZES=100000: smaller)
	@scripts/peer-venv.sh
	@go run ./bench -out bench/out -only peers -peer-sizes "$(PEER_SIZES)"

.PHONY: scale
scale: build ## what operating costs with many documents: time and peak memory of each command (DOCS=5000000)
	@go run ./bench -out bench/out -only scale -documents "$${DOCS:-5000000}" $${SCRATCH:+-dir "$$SCRATCH"}

.PHONY: soak
soak: build ## hours in minutes: documents at RATE=2000 a second for DURATION=30m, kills, bounded memory, handles, disk; then verify --deep
	@mkdir -p bench/out
	@SOAK=$${DURATION:-30m} RATE=$${RATE:-2000} SOAK_OUT=$(CURDIR)/bench/out scripts/test.sh -count=1 -timeout 24h -v -run '^TestSoak$$' ./e2e

# ---- running with Compose ---------------------------------------------------------------------------------------

.PHONY: up
up: ## start all services
	$(COMPOSE) up -d

.PHONY: down
down: ## stop all services
	$(COMPOSE) down

.PHONY: rebuild
rebuild: ## build the image again from nothing
	$(COMPOSE) build --no-cache

.PHONY: fresh
fresh: ## stop, delete all data, rebuild, start
	$(COMPOSE) down -v
	$(COMPOSE) build --no-cache
	$(COMPOSE) up -d

.PHONY: logs
logs: ## follow the warehouse's log
	$(COMPOSE) logs -f warehouse

.PHONY: shell
shell: ## a shell in the warehouse's container
	$(COMPOSE) exec warehouse bash

# ---- the pipeline, live or offline ------------------------------------------------------------------------------

.PHONY: deploy
deploy: build ## create or update streams and consumers on the configured NATS
	$(BIN) deploy

.PHONY: status
status: build ## positions, lag, freshness, last refresh
	$(BIN) status

.PHONY: run-adhoc pipeline
run-adhoc pipeline: build ## extract, load, transform, validate: once, incrementally
	$(BIN) pipeline

.PHONY: run-backfill
run-backfill: build ## the whole history, rebuilt
	$(BIN) pipeline --full-backfill --full-refresh

.PHONY: run-daily
run-daily: build ## all models rebuilt
	$(BIN) pipeline --full-refresh
