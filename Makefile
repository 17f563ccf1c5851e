# maild: `make run` starts it, `make test` proves it.  Both set up what they need.

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

# A machine may be set up to keep no byte code: each of the many processes that tests start would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

# Not parallel: the targets below share .venv and print in order.
.NOTPARALLEL:
.PHONY: help run demo check lint test test-full fuzz bench docs clean venv venv-dev

help:
	@echo "make run        set up and start maild on an embedded database, in ./run"
	@echo "make demo       a throw-away installation with sample mail: where each mail went, and why"
	@echo "make check      format, lint, types, layers, quick tests; about a minute"
	@echo "make test       set up and run everything; under 25 minutes"
	@echo "make test-full  the same with full counts"
	@echo "make fuzz       a million damaged mails (COUNT=, SEED=), for a night"
	@echo "make bench      measure     make docs  write the generated pages"
	@echo "make clean      remove what was built; ./run, where your mail is, stays"

venv:
	@tools/bootstrap.sh

venv-dev:
	@tools/bootstrap.sh dev

run: venv
	@test -f run/maild.toml || $(BIN)/maild init run
	@exec $(BIN)/maild serve --config run/maild.toml

demo: venv
	@$(BIN)/maild demo --once

lint: venv-dev
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/mypy --no-error-summary
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell

check: lint
	$(PYTEST) tests/unit tests/parse tests/core tests/store -q -n auto --maxprocesses 4 -m "not slow and not real and not postgres"

# Most tests wait for somebody: four run at a time, and of those that start daemons three.
# A test that hangs ends its worker, and with it the run: what would start anew waits for ever.
# What is skipped on a developer's machine for want of a program must be there now.
test: export MAILD_TEST_REQUIRE_ALL = 1
test: venv-dev
	@tools/test-packages.sh
	@$(MAKE) --no-print-directory lint
	$(PYTEST) -q -m "not real" -n 4 --dist loadfile --max-worker-restart 0
	$(PYTEST) -q -m real -n 3 --max-worker-restart 0

test-full:
	@MAILD_TEST_FULL=1 PYTEST_TIMEOUT=10800 $(MAKE) --no-print-directory test

fuzz: venv-dev
	@$(BIN)/python tools/fuzz.py

bench: venv-dev
	@for file in benchmarks/[!_]*.py; do $(BIN)/python "$$file" || exit 1; done

docs: venv-dev
	$(BIN)/python tools/docs.py
	@git diff --exit-code --stat -- config/maild.toml docs

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	find maild tests benchmarks tools -name __pycache__ -prune -exec rm -rf {} +
