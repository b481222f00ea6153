# make demo | test | lint | bench | bench-peers: each does all of its own set-up, on a machine with
# nothing but Python 3.11, make and git. A second run finds it done.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip install -q --disable-pip-version-check
SERVERS := $(BIN)/python -m tests.servers
PYTEST := $(BIN)/python -m pytest

# One more than twice the processors, and at most 8: more than half of what most tests take is waiting.
WORKERS ?= $(shell nproc | awk '{print ($$1 < 4 ? 2 * $$1 + 1 : 8)}')

# Commands are started by the hundred: they are compiled once.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint coverage chaos bench bench-quick bench-scale bench-peers drill day \
  judges screenshots lock servers clean

demo: $(READY)
	@$(BIN)/kalender demo

# make test ARGS="-n 0 -x tests/unit"
test: $(READY) servers
	$(SERVERS) -- $(PYTEST) -n $(WORKERS) --dist worksteal $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: $(READY) servers
	$(SERVERS) -- $(PYTEST) -n 2 --cov --cov-report=term $(ARGS)

# make chaos RUNS=300 SEED=1 kills real processes only; without RUNS the state machines go first.
# make chaos SABOTAGE=no-token takes a mechanism away and must fail (all: each of them); ARGS go to what runs last.
chaos: $(READY) servers
ifeq ($(RUNS)$(SABOTAGE),)
	HYPOTHESIS_PROFILE=chaos $(SERVERS) -- $(PYTEST) -n 2 tests/property
endif
	@$(SERVERS) -- $(BIN)/python -m tests.chaos --runs $(or $(RUNS),100) --seed $(or $(SEED),1) \
	  $(if $(SABOTAGE),--sabotage $(SABOTAGE)) $(ARGS)

bench: $(READY) servers
	$(SERVERS) --durable -- $(BIN)/python -m bench $(ARGS)

bench-quick: $(READY) servers
	$(SERVERS) -- $(BIN)/python -m bench --quick

# make bench-scale ARGS="--calendars 300000"; by default five million: gigabytes and many minutes.
bench-scale: $(READY) servers
	$(SERVERS) --durable -- $(BIN)/python -m bench.scale $(ARGS)

# make bench-peers ARGS="--quick vdirsyncer": beside vdirsyncer with radicale, and pgqueuer.
bench-peers: $(READY) servers
	$(SERVERS) --durable -- $(BIN)/python -m bench.peers $(ARGS)

# Microsoft's own client of Graph works on the sandbox; it is installed beside us (half a gigabyte).
judges: $(READY)
	@$(BIN)/python -m tests.judges

# make drill DRILL=incident, restore or level: what an operator should have seen once.
drill: $(READY)
	@$(BIN)/python -m tests.drills $(or $(DRILL),incident)

# make day OUTPUT=/tmp/before.txt: record a scripted day, to compare two commits by diff.
day: $(READY)
	@$(BIN)/python -m tests.day $(or $(OUTPUT),/tmp/day.txt)

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Kalender needs Python 3.11 or newer: make PYTHON=/path/to/python3"; exit 2; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null \
	  || tests/install-servers python3-venv
	@echo "setting up $(VENV), once; about half a minute:"
	@echo "  1 of 3: an empty environment ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@echo "  2 of 3: the $$(grep -c == requirements.lock) packages of requirements.lock, fetched and checked ..."
	@$(PIP) --no-deps --require-hashes -r requirements.lock
	@echo "  3 of 3: Kalender itself ..."
	@$(PIP) --no-build-isolation --no-deps -e .
	@touch $@

# The pictures of README, of a university that is made up; five minutes, which their plots show.
screenshots: $(READY) servers
	@$(BIN)/python -m tests.screenshots

# RabbitMQ and PostgreSQL for the tests: as given, else Debian's, not started by the packages.
servers:
	@tests/install-servers

# Pins everything for every platform, without the address of any index; `make lock UPGRADE=-U` anew.
lock: $(READY)
	@$(PIP) uv
	$(BIN)/uv pip compile -q $(UPGRADE) --universal --python-version 3.11 --all-extras \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
	  -o requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .venv-peers .venv-judges .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis \
	  .coverage* dist
