# make demo   set up, simulate a head, find its microbleeds, write a report
# make test   set up and run the tests
# make lint   set up, check style and types
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3.10 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Python keeps what it compiles, even where the surroundings say not to: the tests start a hundred processes,
# each of which would compile torch anew. Only what is imported is compiled, so pip needn't.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test lint clean

demo: $(READY)
	$(BIN)/microbleeds demo --out demo --overwrite

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v < (3, 14) else f"microbleeds needs Python 3.10 to 3.13, found {v[0]}.{v[1]}; run make PYTHON=/path/to/python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --constraint constraints.txt --editable '.[train,node,cohort,dev]'
	@touch $(READY)

clean:
	rm -rf $(VENV) demo
