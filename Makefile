# The two commands of the README: `make demo` and `make test`. Both work from nothing on a fresh Debian machine.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SCRIPTS := .ci/run $(shell find bench deploy lab reconciler scripts tests -name '*.sh')
# How many processes run the tests that need no routers, and how many those with real ones (scripts/suite.sh).
WORKERS ?= $(shell echo $$((2 * $$(nproc 2>/dev/null || echo 1))))
ROUTER_WORKERS ?= $(shell echo $$((2 * $$(nproc 2>/dev/null || echo 1))))
TIMES ?= 10
switches: TIMES = 100
boots: TIMES = 50
# router-a and router-b of the lab's tests: Debian releases of strongSwan 5.9.8, 6.0.1 and 6.1.0.
RELEASES ?= bookworm+bookworm bookworm+trixie trixie+bookworm bookworm+forky forky+bookworm trixie+forky forky+trixie forky+forky

.DEFAULT_GOAL := help
.PHONY: help demo test unit fuzz pairs releases busy repeat switches boots check format schemas lock image wheel size bench recovery clean

help: ## Show what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(STAMP): pyproject.toml requirements.lock
	@sh scripts/bootstrap.sh $(PYTHON) $(VENV)
	@touch $@

demo: $(STAMP) ## Build the lab, reconcile it from Git and prove it with ESP packets
	@$(BIN)/python -m lab.demo

test: $(STAMP) ## Run the whole test suite, with real routers in ROUTER_WORKERS processes
	@sh scripts/suite.sh $(BIN)/pytest $(WORKERS) $(ROUTER_WORKERS) build

unit: $(STAMP) ## Run the tests that need no container engine
	@$(BIN)/pytest -m "not engine" --numprocesses $(WORKERS)

fuzz: $(STAMP) ## Feed generated input to every reader of foreign input; FUZZ_EXAMPLES=100000 for longer
	@FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-20000} $(BIN)/pytest -n auto tests/fuzz tests/unit/cli/test_key_in_every_place.py

pairs: $(STAMP) ## Try every pair of fields that one commit can change on real charons, and every revert
	@PAIRS=all $(BIN)/pytest tests/contract/test_pairs.py -k charons $(ARGS)

releases: $(STAMP) ## Run the tests of changes, diagnosis and events with every pair of strongSwan releases (RELEASES)
	@RELEASES="$(RELEASES)" $(BIN)/pytest tests/lab/test_releases.py tests/lab/test_diagnosis.py tests/lab/test_events.py $(ARGS)

busy: $(STAMP) ## Run the tests with real routers while other work keeps every core busy
	@sh scripts/busy.sh $(BIN)/pytest -m engine $(ARGS)

repeat: $(STAMP) ## Run the whole suite TIMES times (10), until one fails; logs in build/repeat
	@sh scripts/repeat.sh $(TIMES) build/repeat $(MAKE) --no-print-directory test

switches: $(STAMP) ## Change each field TIMES times (100) on the kernel data plane, and count what is lost
	@$(BIN)/python -m tests.lab.kernel.switches --times $(TIMES) --rate 1000

boots: $(STAMP) ## Cut the power of a Debian router in TIMES boots (50), and count the packets in the clear
	@$(BIN)/python -m tests.lab.boots.boots --times $(TIMES)

check: $(STAMP) ## Lint, types, import rules, scripts, workflows, generated files
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/shellcheck $(SCRIPTS)
	@$(BIN)/zizmor --offline --no-progress --quiet --persona pedantic deploy/ci/github.yaml
	@$(BIN)/python -m schemas.generate --check

format: $(STAMP) ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

schemas: $(STAMP) ## Generate the JSON Schemas and the reference pages from the models
	@$(BIN)/python -m schemas.generate

lock: $(STAMP) ## Resolve the dependencies again and write the lock file
	@$(BIN)/python -m uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--quiet --upgrade --group dev --all-extras --output-file requirements.lock pyproject.toml
	@$(BIN)/python -m uv pip compile --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--quiet --constraint requirements.lock --extra messages --extra page --extra vault \
		--output-file deploy/container/requirements.lock pyproject.toml

image: $(STAMP) ## Build the reconciler's container image, tunnelwright:latest
	@sh scripts/image.sh $(VENV) build/image
	@docker build --network host --tag tunnelwright:latest $(if $(BASE),--build-arg BASE=$(BASE)) build/image

wheel: $(STAMP) ## Build the package that is installed elsewhere, dist/*.whl
	@$(BIN)/python -m uv build --quiet --wheel --no-build-isolation --out-dir dist
	@ls dist/*.whl

size: wheel ## Measure how many packages an install brings, and their size, with and without extras
	@sh scripts/size.sh $(VENV) dist/*.whl build/size

bench: $(STAMP) ## Measure speed and interruption beside `swanctl --load-all`
	@$(BIN)/python -m bench.charon
	@$(BIN)/python -m bench.interruption
	@$(BIN)/python -m bench.scale
	@$(BIN)/python -m bench.probes
	@$(BIN)/python -m bench.startup

recovery: $(STAMP) ## Measure how soon a tunnel is back after an end or the link was away; ARGS="--case killed" for a part
	@$(BIN)/python -m bench.recovery $(ARGS)

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
