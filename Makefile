# Every target sets up what it needs by itself. Only Python >= 3.11, make, git and a shell are taken as given.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERIES := 53 54 55 56
SERIES_READY := $(SERIES:%=.venv-celery%/.ready)
UV := $(shell command -v uv 2>/dev/null)
DEMO_SECONDS ?=
export PYTHONSAFEPATH := 1

.PHONY: help setup demo test test-fast check lint types arch fmt bench prove prove-daemons prove-spool prove-kills prove-outage prove-interop prove-fuzz lock build clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

# -- environments --------------------------------------------------------------------------------------------------

define require_python
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "carillon needs Python 3.11 or newer; found $$($(PYTHON) -V 2>&1). Say which: make $@ PYTHON=/path/to/python3.11"; exit 69; }
endef

ifeq ($(UV),)
new_env = $(PYTHON) -m venv --clear $(1)
install = $(1)/bin/python -m pip install -qq --disable-pip-version-check
else
new_env = $(UV) venv --quiet --clear --python $(PYTHON) $(1)
install = $(UV) pip install --quiet --python $(1)/bin/python
endif

$(VENV)/.created:
	$(require_python)
	@echo "making $(VENV)"
	@$(call new_env,$(VENV))
	@touch $@

$(VENV)/.demo: requirements/demo.txt pyproject.toml | $(VENV)/.created
	@echo "installing what the demo needs"
	@$(call install,$(VENV)) --require-hashes -r requirements/demo.txt
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/.created
	@echo "installing what development and tests need"
	@$(call install,$(VENV)) --require-hashes -r requirements/dev.txt
	@$(call install,$(VENV)) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.demo

$(VENV)/.bench: requirements/bench.txt $(VENV)/.dev
	@echo "installing what the benchmarks measure against"
	@$(call install,$(VENV)) --require-hashes -r requirements/bench.txt
	@touch $@

.venv-celery%/.ready: requirements/celery%.txt
	$(require_python)
	@echo "making $(@D): a stock worker of an older Celery"
	@$(call new_env,$(@D))
	@$(call install,$(@D)) --require-hashes -r $<
	@touch $@

setup: $(VENV)/.dev $(SERIES_READY) ## make the environments for development

# -- use -----------------------------------------------------------------------------------------------------------

demo: $(VENV)/.demo ## embedded Valkey, a stock Celery worker, the daemon and a simulated ADT feed (DEMO_SECONDS=20 stops by itself)
	@DEMO_SECONDS=$(DEMO_SECONDS) PYTHONPATH=. $(BIN)/python -m daemon demo

# -- proof ---------------------------------------------------------------------------------------------------------

test: $(VENV)/.dev $(SERIES_READY) ## every test, with real brokers, workers and browser
	@sh tests/support/packages.sh
	@$(BIN)/python -m pytest

test-fast: $(VENV)/.dev ## the tests that need no other process
	@$(BIN)/python -m pytest tests/unit tests/property tests/contract tests/fuzz tests/test_architecture.py tests/test_packaging.py tests/test_docs.py

check: lint types arch test-fast ## lint, types, architecture and the fast tests

lint: $(VENV)/.dev ## ruff: style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.dev ## mypy, strict, code and tests
	@$(BIN)/mypy

arch: $(VENV)/.dev ## import contracts
	@$(BIN)/lint-imports

fmt: $(VENV)/.dev ## put the code into its form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.bench ## measure side by side with celery beat, python-hl7 and celery send_task
	@PYTHONPATH=. $(BIN)/python -m benchmarks

prove: $(VENV)/.dev $(SERIES_READY) ## a million schedules over clock changes, against slow oracles and every Celery (ARGS="--minutes 10")
	@PYTHONPATH=. $(BIN)/python -m benchmarks.prove $(ARGS)

prove-daemons: $(VENV)/.dev ## 200,000 occurrences of five daemons that are killed, stopped, cut off and lied to (a quarter of an hour; ARGS="--minutes 1")
	@PYTHONPATH=. $(BIN)/python -m benchmarks.prove_daemons $(ARGS)

prove-spool: $(VENV)/.dev ## 10,000 power cuts, 800 failing writes and 300 flipped bits of the spool (five minutes)
	@CARILLON_CRASH_STATES=10000 CARILLON_FAULTY_CALLS=200 CARILLON_FLIPS=100 $(BIN)/pytest -q tests/faults

prove-kills: $(VENV)/.dev ## kill -9 of a daemon under load 1,000 times, judged by what stock workers ran (half an hour; ARGS="--kills 100")
	@PYTHONPATH=. $(BIN)/python -m benchmarks.prove_kills $(ARGS)

prove-outage: $(VENV)/.dev ## 180,000 messages while the broker is away, and what becomes of them (five minutes; ARGS="--messages 20000")
	@PYTHONPATH=. $(BIN)/python -m benchmarks.prove_outage $(ARGS)

prove-interop: $(VENV)/.dev ## other people's MLLP clients for an hour, without a resend (ARGS="--minutes 10")
	@PYTHONPATH=. $(BIN)/python -m benchmarks.prove_interop $(ARGS)

prove-fuzz: $(VENV)/.dev ## a fuzzer that follows the code, over every part that meets bytes from outside (ten minutes; ARGS="--minutes 30")
	@PYTHONPATH=. $(BIN)/python -m benchmarks.prove_fuzz $(ARGS)

# -- upkeep --------------------------------------------------------------------------------------------------------

EXTRAS := --extra demo --extra amqp --extra celery --extra serializers --extra solar --extra django-beat --extra otel
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

lock: ## compute the pinned requirements anew (needs uv)
	@test -n "$(UV)" || { echo "make lock needs uv: pip install uv"; exit 69; }
	$(COMPILE) --upgrade pyproject.toml $(EXTRAS) requirements/dev.in requirements/bench.in -o requirements/bench.txt
	$(COMPILE) pyproject.toml $(EXTRAS) requirements/dev.in -c requirements/bench.txt -o requirements/dev.txt
	$(COMPILE) pyproject.toml --extra demo -c requirements/bench.txt -o requirements/demo.txt
	$(COMPILE) pyproject.toml --extra embedded -c requirements/bench.txt -o requirements/embedded.txt
	$(COMPILE) pyproject.toml -c requirements/bench.txt -o requirements/run.txt
	for series in $(SERIES); do \
	  $(COMPILE) --upgrade requirements/celery$$series.in -o requirements/celery$$series.txt || exit 1; done

build: $(VENV)/.dev ## the wheel and the source archive, into dist/
	@$(BIN)/hatchling build

clean: ## remove what the targets made
	@rm -rf $(VENV) $(SERIES:%=.venv-celery%) dist build .pytest_cache .mypy_cache .ruff_cache \
	  .hypothesis .import_linter_cache .grimp_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
