# One door for people and for CI. `make help` lists what there is.
# Assumed: Python 3.11 or newer, Go, git and the package registries.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The agent runs these without the package, on Python 3.8.
AGENT := $(wildcard $(addprefix jenkins_notary/,config.py errors.py shapes.py version.py \
	whole_file.py \
	agent assets remote tlog values $(addprefix cli/,$(addsuffix .py,attach authenticate builds \
	commands context deliver evidence files gate main notarize options output progress receipts \
	records)) evidence/build_view.py evidence/slsa.py \
	ledger/receipts.py))
# Rooms whose every branch is tested.
PURE := jenkins_notary/values/*,jenkins_notary/tlog/*,jenkins_notary/trust/*
# More arguments for pytest: `make check PYTEST_ARGS=-x`.
PYTEST_ARGS ?=
# Arguments for the benchmarks: `make bench BENCH_ARGS='--quick cold'`.
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup agent check lint format test test-strict parts demo bench vectors \
	clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' \
		$(firstword $(MAKEFILE_LIST))

setup: $(VENV)/.setup ## Make .venv with the package and its tools (again if they changed).

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12" >&2; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python's venv module is not whole; on Debian or Ubuntu, as root:" \
			"apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The compat mode is a plain path entry: the default import hook slows every start.
$(VENV)/.setup: pyproject.toml setup.cfg jenkins_notary/version.py | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--config-settings editable_mode=compat --editable '.[service,immudb,s3,test,lint]'
	@touch $@

$(VENV)/.bench: $(VENV)/.setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--config-settings editable_mode=compat --editable '.[bench]'
	@touch $@

agent: setup ## Make the part of the program that runs on build agents.
	$(BIN)/python -m jenkins_notary.agent.build

check: lint ## The quick loop: format, lint, types, layers, quick tests.
	$(BIN)/python -m pytest -q -m 'not real and not slow' $(PYTEST_ARGS) \
		$(wildcard tests/unit tests/laws tests/contract) jenkins_notary

lint: setup ## Check format, rules, types, layers, and Python 3.8 for the agent.
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-cache > $(VENV)/layers.log || { \
		cat $(VENV)/layers.log; exit 1; }
	$(BIN)/vermin --quiet --no-tips --violations --target=3.8- $(AGENT)

format: setup ## Rewrite the sources as format and rules want them.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --quiet .

test: setup ## Get the real parts, run every test with coverage, then lint.
	@$(PYTHON) tests/parts/build.py || echo "Tests of missing parts will be skipped."
	$(BIN)/coverage erase
	$(BIN)/python -m pytest -q --hypothesis-profile=ci --numprocesses auto \
		--maxprocesses 4 --dist worksteal --cov --cov-report= $(PYTEST_ARGS)
	$(BIN)/coverage report --format=total --fail-under=95 > $(VENV)/coverage.log || { \
		$(BIN)/coverage report --fail-under=95; exit 1; }
	$(BIN)/coverage report --include='$(PURE)' --fail-under=100 > $(VENV)/coverage.log \
		|| { cat $(VENV)/coverage.log; exit 1; }
	@$(MAKE) --no-print-directory lint

test-strict: parts ## As test, but a missing part or any skip is a failure.
	@$(MAKE) --no-print-directory test PYTEST_ARGS='--strict-skips $(PYTEST_ARGS)'

parts: ## Build or install the real parts that tests run (cached outside the checkout).
	@$(PYTHON) tests/parts/build.py

demo: setup ## Run the main job on real input.
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo.sh

bench: $(VENV)/.bench parts ## Measure the budgets beside their peers.
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m bench $(BENCH_ARGS)

vectors: setup ## Make the test vectors again; fail if they differ from the committed ones.
	@set -e; for script in tests/vectors/make*.py; do $(BIN)/python "$$script"; done
	git diff --exit-code -- tests/vectors
	@test -z "$$(git status --porcelain -- tests/vectors)" || { \
		git status --short -- tests/vectors; exit 1; }

clean: ## Remove what was made in the checkout; the cache of parts stays.
	rm -rf $(VENV) build dist *.egg-info .coverage .coverage.* htmlcov \
		.hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
