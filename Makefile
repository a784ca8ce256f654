# Two commands set up everything on a fresh machine: `make demo` and `make test`.
# VENV=path uses another environment; a torch that is there already is kept.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# One thread per process: on small networks more threads cost more than they give.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1

.PHONY: demo test test-all check bench docs install wheel lowest audit licences
install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt scripts/install.sh
	VENV=$(VENV) PYTHON=$(PYTHON) bash scripts/install.sh

demo: install
	$(BIN)/counterpoint demo

test: install
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-all: install
	$(BIN)/python -m pytest -n 2

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

# Into build/site; any warning is an error. COUNTERPOINT_DATA names the folder of the data that the tutorials read.
docs: install
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/site

# The quality gates; docs/quality.md says what each found.
wheel:
	PYTHON=$(PYTHON) bash scripts/wheel.sh

lowest:
	bash scripts/lowest.sh

audit: install
	VENV=$(VENV) PYTHON=$(PYTHON) bash scripts/audit.sh

licences: install
	$(BIN)/python scripts/licences.py

bench: install
	$(BIN)/python benchmarks/startup.py
	$(BIN)/python benchmarks/step.py
	$(BIN)/python benchmarks/side_by_side.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/write_md.py
