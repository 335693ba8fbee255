# Two commands: `make demo` runs the whole loop on this machine, `make test` runs the whole suite.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVE ?= 1
WORKERS ?= 2

.PHONY: demo test lint metrics chromium peers clean

demo: $(VENV)/.runtime
	$(BIN)/python demo.py $(if $(filter 0,$(SERVE)),--no_serve)

test: $(VENV)/.development
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# Modules per folder, lines per file, and the files and calls on three journeys; ROOT=DIR measures another checkout.
metrics: $(VENV)/.development
	$(BIN)/python benchmarks/structure.py $(if $(ROOT),--root $(ROOT))

# The browser tests drive the Chromium they find: Debian's package as root, Playwright's own otherwise.
chromium: $(VENV)/.development
	@if command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null; \
	then echo "Chromium is there already"; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update && apt-get install -y chromium; \
	else $(BIN)/python -m playwright install chromium; fi

# The DICOM tests compare gray values with DCMTK's.
peers:
	@if command -v dcm2pnm >/dev/null && command -v dcmj2pnm >/dev/null && command -v dcml2pnm >/dev/null; \
	then echo "DCMTK is there already"; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update && apt-get install -y dcmtk; \
	else echo "error: DCMTK is needed: run 'apt-get install dcmtk' as root, or 'brew install dcmtk'" >&2; exit 1; fi

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "error: Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv $(VENV)

# Editable, so that whatever is run in this folder imports the code as it stands here.
$(VENV)/.runtime: requirements.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install -e .
	touch $@

$(VENV)/.development: requirements-dev.txt $(VENV)/.runtime
	$(BIN)/python -m pip install -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info runs/demo .pytest_cache .ruff_cache .import_linter_cache .mypy_cache
