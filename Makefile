# make demo | test | lint | bench: each does all of its own set-up, on a machine with nothing but
# Python 3.11, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTEST := $(BIN)/python -m tests.servers -- $(BIN)/python -m pytest

.PHONY: demo test lint bench chaos lock servers clean

demo: $(READY)
	@$(BIN)/kalender demo

test: $(READY) servers
	$(PYTEST) $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY) servers
	$(BIN)/python -m tests.servers -- $(BIN)/python -m bench

chaos: $(READY) servers
	HYPOTHESIS_PROFILE=chaos $(PYTEST) tests/property/test_calendars.py tests/property/test_marks.py

$(READY): requirements.lock pyproject.toml
	@echo "setting up $(VENV) ..."
	@$(PYTHON) -m venv $(VENV) 2>/dev/null || { apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null && $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $(READY)

# RabbitMQ and PostgreSQL for the tests: as given, else Debian's, not started by the packages.
servers:
	@sh tests/install-servers

# Pins everything, without the address of any index.
lock:
	$(BIN)/python -m pip install -q uv
	$(BIN)/uv pip compile -q --all-extras --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --python-version 3.11 \
	  -o requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
