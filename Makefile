PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help

help:  ## what each target does
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: .venv/installed  ## make the environment in .venv from the pinned versions

.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev]'
	touch $@

run: install  ## load the retail example's table and publish its pipeline
	$(BIN)/python examples/retail/load.py
	$(BIN)/crewline run examples/retail/pipeline.yaml

browser:  ## install Chromium from Debian: the tests open the page of a run in it
	command -v chromium >/dev/null || { apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends chromium; }

test: install  ## run the tests on the embedded PostgreSQL
	$(BIN)/pytest --numprocesses 2

.venv-spark/installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv-spark
	.venv-spark/bin/pip install --quiet --disable-pip-version-check --constraint requirements.lock --editable '.[dev,spark]'
	touch $@

test-spark: .venv-spark/installed  ## run what must hold of both engines, with PySpark in an environment of its own
	.venv-spark/bin/pytest tests/spark

chaos: install  ## kill runs at every crash point and at 300 random moments, a graph at 50; 10,000 made-up calls of the tools
	CREWLINE_CHAOS=1 $(BIN)/pytest --numprocesses 2 tests/test_kill.py tests/test_graph_kill.py tests/test_fuzz.py tests/test_amended_runs.py

bench: install  ## measure against hand-written queries and other tools; takes long, and wants a quiet machine
	$(BIN)/python -m benchmarks.cleaning
	$(BIN)/python benchmarks/transform.py
	$(BIN)/python benchmarks/quality.py
	$(BIN)/python benchmarks/discovery.py
	$(BIN)/python benchmarks/fanout.py --runs 3 --curve 1000,20000,100000 --against dbos,prefect,dagster --json
	$(BIN)/python benchmarks/overhead.py --json
	$(BIN)/python benchmarks/delegation.py
	$(BIN)/python benchmarks/planning.py
	$(BIN)/python benchmarks/teams.py

check: install  ## lint, types, layer contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: install  ## write the installed versions to requirements.lock
	$(BIN)/pip freeze --exclude-editable > requirements.lock

.PHONY: help install run browser test test-spark chaos bench check lock
