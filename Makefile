# The two commands of the README: `make demo` and `make test`. Each sets up all it needs by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo docs test test-slow clean

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet "torch==2.13.0"
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@

demo: $(VENV)/ready
	$(BIN)/python -m musicavqa.ask.demo demo

test: $(VENV)/ready
	$(BIN)/ruff check src tests bench
	$(BIN)/ruff format --check src tests bench
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not slow"

docs: $(VENV)/ready
	$(BIN)/mkdocs build --strict

test-slow: $(VENV)/ready
	$(BIN)/pytest -m slow

clean:
	rm -rf $(VENV) demo site
