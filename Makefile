.DEFAULT_GOAL := help
.PHONY: help setup build lint format typecheck test test-agent test-node test-clients chaos check check-generated gen demo doctor bench bench-tasks smoke-run

# Each a list of more flags, for CI
GO_TEST_FLAGS ?=
VITEST_FLAGS ?=
# Empty for all
PROJECTS ?= --project '!clients'

# Tests build what they run, unless that has just been done.
VITEST := PYRO_TESTS_BUILD=0 npx vitest run

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing on this machine, after saying what and why
	@scripts/setup.sh

build: setup ## Build the package and the guest agent
	@npm run --silent build
	@scripts/build-agent.sh

demo: build ## Prepare debian:12 and run one command in a virtual machine
	bin/pyro.js prepare debian:12
	bin/pyro.js demo

doctor: build ## Check this machine
	@bin/pyro.js doctor

test: test-agent test-node ## Run all tests, those with virtual machines included, but for test-clients

test-agent: setup ## Vet and test the guest agent
	scripts/agent-go.sh vet ./...
	scripts/agent-go.sh test $(GO_TEST_FLAGS) ./...

test-node: build ## Run the tests of everything else
	$(VITEST) $(PROJECTS) $(VITEST_FLAGS)

test-clients: build ## Install real MCP clients, 1.5 GB outside the checkout, and test with them
	-scripts/install-clients.sh
	PYRO_REQUIRE_CLIENTS=1 $(VITEST) --project clients $(VITEST_FLAGS)

# Seeded: CHAOS_SEED=N repeats a run. `make test` runs the same tests in a small size.
chaos: build ## Run the chaos tests in full
	CHAOS_KILLS=$(or $(CHAOS_KILLS),1000) CHAOS_CUTS=$(or $(CHAOS_CUTS),40) CHAOS_STEPS=$(or $(CHAOS_STEPS),144) CHAOS_CREATIONS=12 CHAOS_HAMMER_STEPS=120 CHAOS_SECONDS=60 CHAOS_LIES=300 CHAOS_EVERY_NTH_FAULT=1 CHAOS_LOOKS=8 \
	  $(VITEST) --project chaos $(VITEST_FLAGS)

check: lint typecheck check-generated ## Check style, types, unused code, generated documents and the package

check-generated: build
	@npm run --silent gen:check
	@npm run --silent check:package

bench: build ## Measure, and write the figures to bench-results.json
	@npm run --silent bench

bench-tasks: build ## Count what twenty scripted tasks cost a model: calls, bytes, dead ends
	@npx tsx bench/tasks/main.ts

lint: setup ## Check style and look for unused code
	@npm run --silent lint

format: setup ## Format, and fix what can be fixed safely
	@npm run --silent format

typecheck: build ## Check types
	@npm run --silent typecheck

gen: setup ## Regenerate docs/reference
	@npm run --silent gen

smoke-run: build ## Run one command in a fresh virtual machine
	bin/pyro.js run debian:12 -- git --version
