# Everything runs in .venv and stores its data in LGSP_HOME. `make demo` needs only Python 3.11.
# Without compiled bytecode the imports of every process take seconds.
unexport PYTHONDONTWRITEBYTECODE
export LGSP_HOME ?= $(CURDIR)/.lgsp
PYTHON ?= python3.11
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
STAMP := .venv/.installed
DEV_STAMP := .venv/.installed-dev
LGSP := $(BIN)/lgsp

.DEFAULT_GOAL := help
.PHONY: help demo up stop status backfill clean-demo install install-dev test test-fast test-all score bench bench-peers bench-costs bench-check bench-harmonise bench-publish bench-indicators bench-load bench-queries bench-api crash-test restore-test load-test compose-test docs lint

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

demo: install  ## Simulate a province, publish its dataset with Airflow, and show what to try
	@$(LGSP) demo

up: install  ## Start Airflow with the sources of the AIRFLOW_CONN_* variables
	@$(LGSP) up

stop:  ## Stop everything; the data stays
	@$(LGSP) down

status:  ## Show what runs and what is published
	@$(LGSP) ps; $(LGSP) status

backfill:  ## Read past days and wait until they are published: FROM=2022-06-01 TO=2022-06-05 [SOURCE=documents] [REALLY=1]
	@$(LGSP) backfill --from "$(FROM)" --to "$(TO)" --source "$(or $(SOURCE),all)" $(if $(REALLY),--really)

clean-demo:  ## Stop everything and delete LGSP_HOME
	@test ! -x $(LGSP) || $(LGSP) down
	@rm -rf "$(LGSP_HOME)"

install: $(STAMP)  ## Create the virtual environment .venv

install-dev: $(DEV_STAMP)  ## … with the packages of tests, benchmarks and lint

# Compile the bytecode now: otherwise the imports of every Airflow process and task take seconds.
$(STAMP): requirements.txt pyproject.toml
ifeq ($(UV),)
	@test -x .venv/uv/bin/uv || { $(PYTHON) -m venv .venv/uv && .venv/uv/bin/pip install --quiet uv; }
endif
	$(or $(UV),.venv/uv/bin/uv) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(or $(UV),.venv/uv/bin/uv) pip install --quiet --python $(BIN)/python --compile-bytecode -r requirements.txt -e .
	@touch $@

$(DEV_STAMP): $(STAMP)
	$(or $(UV),.venv/uv/bin/uv) pip install --quiet --python $(BIN)/python --compile-bytecode -r requirements.txt -e '.[dev]'
	@touch $@

# Many tests wait for servers: four processes keep two cores busy.
WORKERS ?= 4
# One worker runs all tests of a file, because they share fixtures. Files run in the order of the folders: short ones last.
EXHAUSTIVE ?= none
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder --exhaustive=$(EXHAUSTIVE)

test: install-dev  ## Run the tests in parallel processes [WORKERS=4 EXHAUSTIVE=none]
	@$(PYTEST)

test-fast: install-dev  ## Run the unit tests that start neither processes nor DuckDB
	@$(BIN)/pytest -m "not slow" tests/unit

test-all: EXHAUSTIVE := all
test-all: test crash-test restore-test load-test score  ## Run all tests, also exhaustive ones, and the long proofs (needs strace; hours)

DOSSIERS ?= 100000
score: install  ## Simulate a province, publish it, and compare the dataset with the simulated truth
	@$(BIN)/lgsp province score

bench-harmonise: install-dev  ## Measure harmonise alone on one core, step by step [DOSSIERS=1000000]
	@$(BIN)/python -m tests.bench.harmonising --dossiers $(DOSSIERS)

ROWS ?= 100000
EVENTS ?= 1000000
bench-check: install-dev  ## Measure check against the plain evaluation of its rules [ROWS=1000000]
	@$(BIN)/python -m tests.bench.checking --rows $(ROWS)

bench: install-dev  ## Measure the whole pipeline against a plain loop [DOSSIERS=1000000]
	@$(BIN)/python -m tests.bench.throughput run --dossiers $(DOSSIERS)

TIMES ?= 1
bench-peers: install-dev  ## Measure the whole pipeline and dlt from the same servers [DOSSIERS=30000 TIMES=3]
	@$(BIN)/python -m tests.bench.peers run --dossiers $(DOSSIERS) --times $(TIMES)

bench-costs: install-dev  ## Measure the CPU seconds of a year, a quiet day and a backfill [DOSSIERS=30000]
	@$(BIN)/python -m tests.bench.costs --dossiers $(DOSSIERS)

bench-publish: install-dev  ## Measure publications against the size of their change [EVENTS=5000000]
	@$(BIN)/python -m tests.bench.publishing --home $(LGSP_HOME)/bench --events $(EVENTS)

bench-indicators: install-dev  ## Measure the indicators of one day on a large dataset [DOSSIERS=1000000]
	@$(BIN)/python -m tests.bench.indicators --dossiers $(DOSSIERS)

bench-load: install-dev  ## Measure the bulk load against COPY and dlt on the same rows
	@$(BIN)/python -m tests.bench.loading --home $(LGSP_HOME)/bench

bench-queries: install-dev  ## Measure the questions of readers, and what their indexes cost [ROWS=1000000]
	@$(BIN)/python -m tests.bench.reader_queries --rows $(ROWS)

bench-api: install-dev  ## Measure the read API: one client, and fifty while snapshots are published [DOSSIERS=30000]
	@$(BIN)/python -m tests.bench.api run --dossiers $(DOSSIERS)

crash-test: install-dev  ## Kill each publishing command at every system call that changes data (needs strace)
	@$(BIN)/python -m tests.faults.crash

restore-test: install-dev  ## Kill stores at random moments and restore database dumps of three ages
	@$(BIN)/python -m tests.faults.restores

load-test: install-dev  ## Publish while eight readers read for a minute
	@$(BIN)/python -m tests.faults.readers --seconds 60 --readers 8

compose-test: install-dev  ## Build, start, backfill and remove docker-compose.yml; kill its scheduler in between
	@$(BIN)/python include/docker/compose_test.py

docs: install  ## Generate docs/data-dictionary.md and docs/contract-versions.yml from the contracts
	@$(LGSP) dictionary > docs/data-dictionary.md
	@$(LGSP) contract-versions docs/contract-versions.yml

POSTGRES_SQL := include/lgsp/store/ddl include/lgsp/indicators/sql include/lgsp/check/sql include/lgsp/explain/sql include/lgsp/maintain/sql \
	include/lgsp/report/sql include/lgsp/store/sql include/lgsp/publish/sql/data_day.sql include/lgsp/publish/sql/lists include/lgsp/publish/sql/withdrawal include/lgsp/publish/sql/reference include/lgsp/publish/sql/resolve \
	include/lgsp/publish/sql/work_file.sql include/lgsp/publish/sql/offered_otherwise.sql
DUCKDB_SQL := include/lgsp/publish/sql/dossiers include/lgsp/publish/sql/documents include/lgsp/publish/sql/link_macros.sql \
	include/lgsp/harmonise/sql include/lgsp/vietnam/sql include/lgsp/sources
lint: install-dev  ## Check style, types, import directions and SQL
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy include plugins dags
	PYTHONPATH=include:plugins $(BIN)/lint-imports
	$(BIN)/sqlfluff lint --dialect postgres $(POSTGRES_SQL)
	$(BIN)/sqlfluff lint --dialect duckdb $(DUCKDB_SQL)
