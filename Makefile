# make run    everything, on this machine, in a virtual environment of its own
# make test   linter, type checker and tests
# make bench  CPU per request, streams, memory, beside a bare passthrough
# make bench-routing  how well the router tells hard requests from easy ones (DATA=folder)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST ?= -n 2

.PHONY: run test check bench bench-routing format clean

run: $(VENV)/.run
	@exec $(BIN)/thermly up

test: $(VENV)/.test $(VENV)/.specifications check
	$(BIN)/python -m pytest $(PYTEST)

check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.run
	$(BIN)/python bench/bench.py $(BENCH)

bench-routing: $(VENV)/.run
	$(BIN)/python bench/routing.py $(if $(DATA),--data $(DATA))

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.run: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Thermly needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(VENV)/.specifications: tests/official/requirements.txt | $(VENV)/.test
	@$(BIN)/python tests/official/bring.py && touch $@ || true

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
