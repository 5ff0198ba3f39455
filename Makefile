# `make demo` and `make test` need Python 3.11, 3.12 or 3.13, make and a package index; nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp

.PHONY: demo test lint docs wheel clean

demo: $(STAMP)
	$(BIN)/tsssm demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

wheel: $(STAMP)
	rm -rf dist
	$(BIN)/python -m build --wheel

# A stamp, not pip, decides whether there is anything to install: a second run starts at once.
$(STAMP): pyproject.toml constraints.txt
	@echo "Installing into $(VENV); this takes some minutes, once."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -e ".[dev]" -c constraints.txt
	touch $@

clean:
	rm -rf $(VENV) .wheel-venv dist build docs/_build .pytest_cache .mypy_cache .ruff_cache
