.PHONY: setup run check test lint bench lock clean

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

bench: setup
	@$(python) bench/bench.py

lock:  # after a change of the dependencies in pyproject.toml
	@uv pip compile pyproject.toml --group dev --generate-hashes --universal \
	    --python-version 3.11 --no-annotate --no-header --upgrade -o requirements.lock

clean:
	@rm -rf target logs reports .hypothesis .mypy_cache .pytest_cache .ruff_cache
