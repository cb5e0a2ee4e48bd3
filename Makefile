# `make demo` and `make test` are all a newcomer needs; both make their own environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements-dev.lock
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check bench fmt lock clean

help: ## Say what there is
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(READY): $(LOCK) pyproject.toml scripts/bootstrap.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" LOCK="$(LOCK)" bash scripts/bootstrap.sh
	@touch $@

demo: $(READY) ## Run a real Airflow DAG against a local Lark (KEEP=1 leaves the local Lark up)
	@$(BIN)/lark-provider demo $(if $(KEEP),--keep)

test: $(READY) ## Run all tests
	@$(BIN)/pytest

check: $(READY) ## Lint, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/basedpyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports

bench: $(READY) ## Measure, beside the official SDK (WRITE=1 renews docs/benchmarks.md)
	@$(BIN)/python -m benchmarks $(if $(WRITE),--write docs/benchmarks.md)

fmt: $(READY) ## Format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

lock: $(READY) ## Pin the development environment anew
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--no-emit-index-url --no-annotate --generate-hashes --quiet --custom-compile-command "make lock" \
		--no-emit-package airflow-provider-lark --output-file $(LOCK)

clean: ## Remove the environment and what the tools left
	@rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
