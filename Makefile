# `make demo` and `make test` are all a newcomer needs; both make their own environment.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements-dev.lock
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo docs third-party quick test check bench release-check soak soak-bridge soak-early soak-failures soak-loads \
	soak-outages soak-polling soak-questions soak-sheets soak-upgrade soak-versions fmt lock clean

help: ## Say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(READY): $(LOCK) pyproject.toml packages/lark-emulator/pyproject.toml scripts/bootstrap.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" LOCK="$(LOCK)" bash scripts/bootstrap.sh
	@touch $@

demo: $(READY) ## Run a real Airflow DAG against a local Lark (KEEP=1 leaves the local Lark up)
	@$(BIN)/lark-provider demo $(if $(KEEP),--keep)

# Most of the time is waiting. JOBS=0 runs them one after another.
JOBS ?= 4
PURE := tests/protocol tests/api tests/utils tests/package/test_language.py tests/package/test_log_events.py

# Hundreds of tests start, freeze and kill processes. One that fails in the parallel run is tried again alone,
# and named: if it passes then, it is disturbed by load, which is a defect of the test and not of the code. A run
# that was ended in any other way (an exit code that is not 1) has not run all tests, and is not repeated.
test: $(READY) ## Run all tests (JOBS=4 at a time)
	@$(BIN)/pytest -n $(JOBS) --dist worksteal --cache-clear || { \
		code=$$?; [ $$code = 1 ] || exit $$code; \
		echo "make: what failed is tried again, one after another …"; \
		$(BIN)/pytest -n 0 -v --last-failed --last-failed-no-failures none; }

quick: $(READY) ## Run the tests that need no service, in less than a minute
	@$(BIN)/pytest -n 2 $(PURE)

check: $(READY) ## Lint, types and layers
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/basedpyright --pythonpath $(BIN)/python
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.package.import_lists

docs: $(READY) ## Build the site in build/docs/site (warnings are errors; nothing is fetched)
	@$(BIN)/python -m website

third-party: $(READY) ## Run published clients, unchanged, against the local Lark (NAME=larkpy runs one)
	@$(BIN)/python packages/lark-emulator/tests/third_party/run.py $(NAME)

bench: $(READY) ## Measure, beside the official SDK (WRITE=1 renews docs/{en,zh}/reference/benchmarks.md)
	@$(BIN)/python -m benchmarks $(if $(WRITE),--write docs/en/reference/benchmarks.md)

soak-loads: $(READY) ## Kill and freeze loads and syncs at random, then measure the memory of large ones (SEEDS=200 ROWS=20000 LARGE=1000000)
	@$(BIN)/python -m tests.loads.many $(or $(SEEDS),200) 0 $(or $(ROWS),20000)
	@$(BIN)/python -m tests.loads.large $(or $(LARGE),1000000)

soak-sheets: $(READY) ## Kill and freeze writers of spreadsheets at random, and compare cell by cell (SEEDS=200 ROWS=2000)
	@$(BIN)/python -m tests.tables.many $(or $(SEEDS),200) 0 $(or $(ROWS),2000)

soak-bridge: $(READY) ## Kill and freeze bridges, API servers and database while Airflow's questions are answered (QUESTIONS=200 SEED=…)
	@$(BIN)/python -m tests.soak.bridge --questions $(or $(QUESTIONS),200) $(if $(SEED),--seed $(SEED))

soak-early: $(READY) ## Answer Airflow's questions as soon as they are asked, on the page and by clicks (TASKS=500 SEED=…)
	@$(BIN)/python -m tests.soak.early --tasks $(or $(TASKS),500) $(if $(SEED),--seed $(SEED))

soak-failures: $(READY) ## Let a folder of DAGs fail while Lark is unavailable and bridges are killed (DAGS=50 WIDE=50 TASKS=2 DOWN=60)
	@$(BIN)/python -m tests.soak.failures --dags $(or $(DAGS),50) --wide $(or $(WIDE),50) \
		--tasks $(or $(TASKS),2) --down $(or $(DOWN),60)

soak-outages: $(READY) ## Take each part that a click goes through down in turn, while a person clicks (SECONDS=60)
	@$(BIN)/python -m tests.soak.outages --seconds $(or $(SECONDS),60)

soak-polling: $(READY) ## Measure the CPU of an API server that a bridge polls, beside 3 million task instances (INSTANCES=3000000 QUESTIONS=10000)
	@$(BIN)/python -m tests.soak.polling --instances $(or $(INSTANCES),3000000) --questions $(or $(QUESTIONS),10000)

soak-questions: $(READY) ## Kill bridges while 10,000 of Airflow's questions are sent, and ended at one moment (QUESTIONS=10000 SEED=…)
	@$(BIN)/python -m tests.soak.questions --questions $(or $(QUESTIONS),10000) $(if $(SEED),--seed $(SEED))

soak-upgrade: $(READY) ## Run the bridge on Airflow 3.2, and upgrade that to 3.3 while questions are open
	@$(BIN)/python -m tests.soak.upgrade

soak-versions: $(READY) ## Run an older bridge with this plugin and the reverse, and upgrade each while questions are open (OLD=68ff728)
	@$(BIN)/python -m tests.soak.versions $(if $(OLD),--old $(OLD))

soak: $(READY) ## Break everything at random while people click (SECONDS=600 SEED=… RATE=50 ROTATE=0 CUT=0 AIRFLOW=0)
	@$(BIN)/python -m tests.soak $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) \
		$(if $(RATE),--rate $(RATE)) $(if $(filter 0,$(ROTATE)),--no-rotate) $(if $(filter 0,$(CUT)),--no-cut) \
		$(if $(filter 0,$(AIRFLOW)),--no-airflow)

# What is released, built and installed, and the tests of what ships: wheels, floors, documents, licences.
SHIPS := tests/package/test_release.py tests/package/test_wheel.py tests/package/test_floors.py \
	tests/package/test_public_api.py tests/package/test_provider_info.py tests/package/test_docs_commands.py \
	tests/package/test_bridge_documents.py
release-check: $(READY) ## Build both distributions in dist/, check and install them, and write their bill of materials
	@$(BIN)/python scripts/release_check.py --build dist
	@$(BIN)/pytest -n $(JOBS) $(SHIPS)

fmt: $(READY) ## Format the code
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format --quiet .

lock: $(READY) ## Pin the development environment again
	@$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--no-emit-index-url --no-annotate --generate-hashes --quiet --custom-compile-command "make lock" \
		--no-emit-package airflow-provider-lark --no-emit-package lark-emulator --output-file $(LOCK)

clean: ## Remove the environment and what the tools left
	@rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
