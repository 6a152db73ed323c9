.PHONY: setup run check test test-slow lint bench load lock clean

python := .venv/bin/python

setup:
	@./bin/setup

run: setup
	@.venv/bin/district run

check: setup
	@.venv/bin/district check

lint: setup
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/sqlfluff lint models tests/dbt --processes 2

test: lint
	@$(python) -m pytest

test-slow: setup  # servers and clusters, started and killed
	@$(python) -m pytest -m slow

bench: setup
	@$(python) bench/bench.py

load: setup
	@$(python) bench/load.py

lock:  # after a change of the dependencies in pyproject.toml
	@uv pip compile pyproject.toml --group dev --generate-hashes --universal \
	    --python-version 3.11 --no-annotate --no-header --upgrade -o requirements.lock

clean:
	@rm -rf target logs reports .hypothesis .mypy_cache .pytest_cache .ruff_cache
