# Everything runs in .venv and keeps its state in LGSP_HOME; `make demo` needs nothing but Python 3.11.
# Without bytecode every process imports for seconds.
unexport PYTHONDONTWRITEBYTECODE
export LGSP_HOME ?= $(CURDIR)/.lgsp
PYTHON ?= python3.11
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)
STAMP := .venv/.installed
LGSP := $(BIN)/lgsp

.DEFAULT_GOAL := help
.PHONY: help demo up stop status backfill clean-demo install test test-fast score bench bench-check bench-harmonise bench-publish bench-indicators bench-load crash-test load-test compose-test docs lint

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: install  ## from nothing to a published dataset, then what to look at
	@$(LGSP) demo

up: install  ## Airflow against the sources that AIRFLOW_CONN_* name
	@$(LGSP) up

stop:  ## stop everything; data stays
	@$(LGSP) down

status:  ## what runs, and what is published
	@$(LGSP) ps; $(LGSP) status

backfill:  ## FROM=2022-06-01 TO=2022-06-05 [SOURCE=documents]: fetch these days, prove they are published
	@$(LGSP) backfill --from "$(FROM)" --to "$(TO)" --source "$(or $(SOURCE),all)"

clean-demo:  ## stop everything and delete LGSP_HOME
	@test ! -x $(LGSP) || $(LGSP) down
	@rm -rf "$(LGSP_HOME)"

install: $(STAMP)  ## the virtual environment

# Bytecode is compiled now: every Airflow process and task would import for seconds otherwise.
$(STAMP): requirements.txt pyproject.toml
ifeq ($(UV),)
	@test -x .venv/uv/bin/uv || { $(PYTHON) -m venv .venv/uv && .venv/uv/bin/pip install --quiet uv; }
endif
	$(or $(UV),.venv/uv/bin/uv) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(or $(UV),.venv/uv/bin/uv) pip install --quiet --python $(BIN)/python --compile-bytecode -r requirements.txt -e '.[dev]'
	@touch $@

WORKERS ?= 2
# Files stay whole, as their tests share what was made for them; in the order of the folders, so the short ones end it.
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: install  ## [WORKERS=2]: all tests, in so many processes
	@$(PYTEST)

test-fast: install  ## the tests that need no database and no Airflow: seconds
	@$(PYTEST) tests/unit

DOSSIERS ?= 100000
score: install  ## simulate a province, run the whole way, compare with what really happened
	@$(BIN)/lgsp province score

bench-harmonise: install  ## [DOSSIERS=1000000]: harmonising alone, on one core, part by part
	@$(BIN)/python -m tests.bench.harmonising --dossiers $(DOSSIERS)

ROWS ?= 100000
EVENTS ?= 1000000
bench-check: install  ## [ROWS=1000000]: what checking costs against the bare evaluation of its rules
	@$(BIN)/python -m tests.bench.checking --rows $(ROWS)

bench: install  ## [DOSSIERS=1000000]: from socket to published, against a plain loop
	@$(BIN)/python -m tests.bench.throughput run --dossiers $(DOSSIERS)

bench-publish: install  ## [EVENTS=5000000]: what a publication costs against the size of its change
	@$(BIN)/python -m tests.bench.publishing --home $(LGSP_HOME)/bench --events $(EVENTS)

bench-indicators: install  ## [DOSSIERS=1000000]: what the indicators of a day cost on a large base
	@$(BIN)/python -m tests.bench.indicators --dossiers $(DOSSIERS)

bench-load: install  ## bulk load against COPY and dlt, on the same rows
	@$(BIN)/python -m tests.bench.loading --home $(LGSP_HOME)/bench

crash-test: install  ## kill every publishing command at every system call that changes something (needs strace)
	@$(BIN)/python -m tests.faults.crash

load-test: install  ## eight readers for a minute, while it publishes
	@$(BIN)/python -m tests.faults.readers --seconds 60 --readers 8

compose-test: install  ## docker-compose.yml built, started, backfilled, its scheduler killed, taken down
	@$(BIN)/python include/docker/compose_test.py

docs: install  ## docs/data-dictionary.md from the contracts
	@$(LGSP) dictionary > docs/data-dictionary.md

lint: install  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy include plugins dags
