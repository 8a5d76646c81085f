# Two commands on a fresh machine with Python 3.11 or later and make: `make demo` and `make test`.
# Each sets up what it needs (a virtual environment with locked dependencies) and can be repeated.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
WORKERS ?= auto

.PHONY: demo test check lint types contracts nightly live lowest bench docs lock clean

demo: $(READY)
	$(BIN)/mlflow-selector demo --again demo

test: $(READY)
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not live and not postgres and not browser"

live: $(READY)
	$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "live or postgres or browser"

# The oldest versions that pyproject.toml admits: what decides, scores and imports has to work with them as well.
lowest: $(VENV)-lowest/ready
	$(VENV)-lowest/bin/python -m pytest -n $(WORKERS) --dist loadfile -p no:cacheprovider \
		tests/domain tests/config tests/flows/test_select.py tests/flows/test_rollback.py tests/flows/test_demo.py \
		tests/adapters/test_scorer_confined.py tests/migrations/test_import_into_mlflow.py

$(VENV)-lowest/ready: requirements/lowest.txt
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --quiet --require-hashes -r requirements/lowest.txt
	@touch $@

# What takes longer than anybody waits for: the laws over 500 random lives of 20 steps each, and the slow tests.
nightly: $(READY)
	SELECTOR_EXAMPLES=500 $(BIN)/pytest -n $(WORKERS) --dist loadfile tests/flows/test_laws.py

check: lint types contracts

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy

contracts: $(READY)
	$(BIN)/lint-imports

bench: $(READY)
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

docs: $(READY)
	REGENERATE=1 $(BIN)/pytest tests/config/test_generated_files.py

# Needs uv; everything else here works without it.
lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		pyproject.toml --extra postgres --extra dask --group dev -o requirements/dev.txt
	uv pip compile --resolution lowest-direct --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header pyproject.toml --extra postgres --extra dask --group dev -o requirements/lowest.txt

$(READY): requirements/dev.txt pyproject.toml
	@echo "Setting up $(VENV): some minutes the first time"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is older than Python 3.11; run: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --quiet --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-lowest demo dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
