# Everything a person or a CI job types. Needs Python >= 3.11, make and a package index; sets up .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= auto
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test e2e figures lint types format docs lock clean

help: ## show the targets
	@grep -hE '^[a-z0-9]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9]+):.*## /  make \1	/' | expand -t 18

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "nhisync needs Python 3.11 or newer; set PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the locked dependencies into $(VENV) (once) ..." >&2
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(STAMP) ## create .venv with the locked dependencies

demo: $(STAMP) ## run the main job on the embedded world
	@$(BIN)/nhisync demo $(ARGS)

test: $(STAMP) lint types ## lint, types and the default test suite
	@$(BIN)/pytest -q -n $(WORKERS) --dist loadgroup -m "not e2e" $(ARGS)

e2e: $(STAMP) ## tests against real servers from Debian packages (.ci/run installs them)
	@$(BIN)/pytest -q -m e2e $(ARGS)

lint: $(STAMP) ## ruff and the import contracts
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/lint-imports --no-cache >/dev/null || $(BIN)/lint-imports --no-cache

types: $(STAMP) ## mypy, strict
	@$(BIN)/mypy --no-error-summary

figures: $(STAMP) ## measure what README and docs publish (long; commits nothing)
	@$(BIN)/python -m benchmarks $(ARGS)

format: $(STAMP) ## rewrite the code in the house style
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

docs: $(STAMP) ## write the pages that are made from the code (tests compare them)
	@$(BIN)/python -m nhisync.cli.reference > docs/cli.md
	@$(BIN)/python docs/rules/write.py
	@$(BIN)/python tests/house/requirements.py

COMPILE = uv pip compile pyproject.toml --universal --generate-hashes --no-emit-index-url --no-annotate --no-header
lock: ## refresh the lock files: hashes, no index address (needs uv)
	@$(COMPILE) --all-extras --group dev --output-file requirements.lock
	@$(COMPILE) --extra all --extra postgres-store --constraints requirements.lock --output-file requirements-runtime.lock
	@uv pip compile --group build --universal --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--constraints requirements.lock --output-file requirements-build.lock

clean: ## remove what the targets made
	@rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis dist build
