# `make demo` and `make test` set up what they need; `make help` lists all.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed

.PHONY: help demo test campaign bench lint docs
help:
	@echo "make demo    train, sample and score the demo (runs/demo/digits)"
	@echo "make test    run the tests"
	@echo "make campaign  kill, fill and interrupt real runs, for an hour"
	@echo "make bench   print speed ratios against named baselines"
	@echo "make lint    check style, layering and types"
	@echo "make docs    pages of all modules, from their docstrings (docs/api)"

demo: $(INSTALLED)
	$(BIN)/python train.py experiment=demo/digits

# One thread a process: more would wait for one another. Compiled modules are kept, whatever the
# environment says: to compile them takes each process eight seconds.
test: $(INSTALLED)
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 2

campaign: $(INSTALLED)
	PYTHONPATH=tests $(BIN)/python -m campaign

bench: $(INSTALLED)
	$(BIN)/python -m benchmarks

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/ty check

docs: $(INSTALLED)
	$(BIN)/pdoc --docformat google --output-directory docs/api ldm data eval '!ldm.installed'

# The environment is that of the lock: a changed lock is installed anew.
$(INSTALLED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed: make PYTHON=python3.12"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ rm -rf .venv; echo "install your system's python3-venv package"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --quiet --compile-bytecode -r requirements.lock
	touch $@
