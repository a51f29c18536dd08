# Every command of this repository. All of them run from .venv, which `make setup` makes; `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Interpreters that may not write bytecode recompile Prefect on every start: seconds instead of tenths.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- install ---------------------------------------------------------------------------------------------------------

.PHONY: setup
setup: $(VENV)/.project ## Install everything into .venv (PYTHON=… picks the interpreter)
	@:

$(BIN)/pip:
	@python=$$(scripts/find-python) && echo "setup: making $(VENV) with $$python" && "$$python" -m venv --clear $(VENV)

$(VENV)/.locked: requirements-dev.lock | $(BIN)/pip
	@echo "setup: installing $$(grep -c '^[a-z].*==' $<) locked packages, one to three minutes"
	@$(PIP) install --no-deps --no-compile --require-hashes -r $<
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true # some packages ship files that are not valid Python
	@touch $@

# Without build isolation: what builds the project is in the lock, too.
$(VENV)/.project: pyproject.toml $(VENV)/.locked
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -qq blocks flows listeners api deployments
	@touch $@
	@echo "setup: done"

.PHONY: test-tools
test-tools: ## Install what the tests need besides Python: RabbitMQ, Node, the Cosmos DB emulator
	@scripts/test-tools

# --- run -------------------------------------------------------------------------------------------------------------

.PHONY: up
up: setup ## Start the whole stack on this machine (ARGS="--without simulators"); Ctrl-C stops it
	@$(BIN)/orchestrator up $(ARGS)

.PHONY: demo
demo: setup ## Publish one opportunity event and watch its analysis (ARGS=claims, ARGS=operations: these)
	@$(BIN)/orchestrator demo $(ARGS)

# --- containers ------------------------------------------------------------------------------------------------------

IMAGE := workflow-orchestrator
CA_SECRET = --secret id=ca,src=$(PIP_CERT)
# The plugin where there is one, else the program that came before it.
COMPOSE ?= $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)
.PHONY: image
image: ## Build the container image (BASE=… picks the image below it, ARGS="--network host" is for docker build)
	@DOCKER_BUILDKIT=1 docker build --file deployments/docker/Dockerfile --tag $(IMAGE) \
	    $(if $(BASE),--build-arg BASE=$(BASE)) $(if $(PIP_CERT),$(CA_SECRET)) $(ARGS) .

.PHONY: compose-check
compose-check: ## Check that compose.yaml is valid and deployments/docker/.env has what it asks for
	@printed=$$($(COMPOSE) --file deployments/docker/compose.yaml config --quiet 2>&1) || { \
	    case "$$printed" in *": set "*/.env*) printed="set $${printed##*: set }";; esac; \
	    echo "compose-check: $$printed" >&2; exit 1; }; \
	if [ -n "$$printed" ]; then echo "$$printed" >&2; fi; echo "compose-check: fine"

# --- release ---------------------------------------------------------------------------------------------------------

.PHONY: wheel
wheel: setup ## Build the wheel into dist/; it needs no checkout (docs/upgrading.md)
	@$(BIN)/hatchling build --target wheel --directory dist

.PHONY: sbom
sbom: setup ## Write what the lock holds into dist/sbom.cdx.json (CycloneDX)
	@mkdir -p dist
	@$(BIN)/cyclonedx-py requirements requirements.lock --pyproject pyproject.toml --output-reproducible \
	    --output-format JSON --validate --output-file dist/sbom.cdx.json
	@echo "sbom: dist/sbom.cdx.json"

.PHONY: release
release: setup ## Write the next version everywhere (VERSION=1.2.0): pyproject.toml, CHANGELOG.md, the formats of records
	@scripts/release $(VERSION)

# --- verify ----------------------------------------------------------------------------------------------------------

.PHONY: check
check: setup ## Check format, lint and types
	@$(BIN)/ruff format --check --quiet . || { echo "check: run 'make format'" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@echo "check: format, lint and types are fine"

# Tests mostly wait. Two files run side by side, each with servers of its own; those that take longest begin first.
SIDE_BY_SIDE = $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: api-tools
api-tools: setup
	@scripts/api-tools

.PHONY: check-api
check-api: api-tools ## Lint the OpenAPI documents and name what breaks clients (ARGS=--freeze at a release)
	@scripts/check-api $(ARGS)

.PHONY: check-clients
check-clients: api-tools ## Generate clients in Python and TypeScript, and run them
	@$(BIN)/pytest -m clients tests/acceptance/api $(ARGS)

.PHONY: test
test: setup test-tools ## Run the tests, those on real RabbitMQ and the Cosmos DB emulator included (ARGS="-k name")
	@$(SIDE_BY_SIDE) $(ARGS)

.PHONY: test-long
test-long: setup test-tools browser ## Run the tests that start, break and stop whole systems
	@$(SIDE_BY_SIDE) -m "long and not slow" $(ARGS)

.PHONY: test-unit
test-unit: setup postgres ## Run only the unit tests; besides Python they need PostgreSQL
	@$(BIN)/pytest tests/unit $(ARGS)

.PHONY: test-repeat
test-repeat: ## Run the tests ten times in a fresh clone beside a busy process (N=10 BUSY=1 TARGET=test)
	@BUSY=$(or $(BUSY),1) TARGET=$(or $(TARGET),test) ARGS="$(ARGS)" scripts/repeat-tests $(or $(N),10)

.PHONY: test-slow
test-slow: setup test-tools ## Run the tests that take minutes
	@$(BIN)/pytest -m slow $(ARGS)

.PHONY: test-docker
test-docker: setup test-tools postgres ## Run the tests that build the image and run it in a Docker engine of their own, as root
	@command -v debootstrap >/dev/null || scripts/debian-packages debootstrap || echo "test-docker: its tests will be skipped"
	@$(BIN)/pytest -m docker $(ARGS)

.PHONY: bench
bench: setup test-tools postgres ## Measure throughput and latency (ARGS="burst --events 500")
	@$(BIN)/python -m tests.benchmarks $(ARGS)

.PHONY: fuzz
fuzz: setup ## Ask the API everything its OpenAPI document invites, and without a database, too (ARGS="--seed 7")
	@$(BIN)/python -m tests.fuzz $(ARGS)

.PHONY: chaos
chaos: setup test-tools postgres ## Break everything at random while 300 events come in, then audit the books (ARGS="--seed 7")
	@$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: soak
soak: setup test-tools postgres ## The same for 10,000 events and half an hour
	@$(BIN)/python -m tests.chaos --profile soak $(ARGS)

.PHONY: postgres
postgres:
	@ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null || scripts/debian-packages postgresql

.PHONY: screenshots
screenshots: setup browser ## Take pictures of every page (ARGS="--only inbox"; --docs replaces those of docs/)
	@$(BIN)/python -m tests.screenshots $(ARGS)

.PHONY: browser
browser:
	@command -v chromium >/dev/null || scripts/debian-packages chromium

# --- maintain --------------------------------------------------------------------------------------------------------

.PHONY: format
format: setup ## Format the code and mend what the linter can mend
	@$(BIN)/ruff check --fix --quiet . || true # `make check` shows what is left
	@$(BIN)/ruff format --quiet .

.PHONY: schemas
schemas: setup ## Export the JSON Schemas and the AsyncAPI document of all events
	@$(BIN)/orchestrator schemas $(ARGS)

.PHONY: docs
docs: setup ## Build the documentation's site into build/site; a link or an anchor that leads nowhere fails
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "docs: build/site/index.html"

.PHONY: reference
reference: setup ## Write the pages of docs/ that are generated from the code
	@$(BIN)/python -m deployments.reference

.PHONY: lock
lock: setup ## Rewrite the locks from pyproject.toml (ARGS=--upgrade takes the newest versions)
	@scripts/lock $(ARGS)

.PHONY: clean
clean: ## Remove what setup and tests made; the stack's data in .orchestrator stays
	@rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .schemathesis dist build tests/support/*/node_modules
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
