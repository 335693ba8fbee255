# Two commands: `make demo` runs the whole loop on this machine, `make test` runs the whole suite.
# Both install the exact versions of requirements.lock; `LOCK=` installs the newest that requirements.txt allows.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVE ?= 1
WORKERS ?= 2
SECONDS ?= 600
DEVICE ?= cpu
LOCK ?= requirements.lock
PIP_INSTALL = $(BIN)/python -m pip install $(if $(LOCK),-c $(LOCK))

.PHONY: demo test test-latest test-oldest lock audit lint metrics bench soak chromium peers clean

demo: $(VENV)/.runtime
	$(BIN)/python demo.py $(if $(filter 0,$(SERVE)),--no_serve)

test: $(VENV)/.development
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

# The suite with the newest and with the oldest versions that the requirements allow, each in an environment of its own.
test-latest:
	$(MAKE) test VENV=.venv-latest LOCK=

test-oldest: .venv-oldest/oldest.txt
	$(MAKE) test VENV=.venv-oldest LOCK=.venv-oldest/oldest.txt

.venv-oldest/oldest.txt: requirements.txt requirements-dev.txt
	$(MAKE) .venv-oldest/bin/python VENV=.venv-oldest
	.venv-oldest/bin/python -m pip install 'uv>=0.9,<1'
	.venv-oldest/bin/python -m uv pip compile --quiet --resolution lowest-direct --no-header --no-annotate \
		--no-emit-index-url --python .venv-oldest/bin/python --output-file $@ requirements-dev.txt

# After `make test-latest` has passed: its versions become the lock file.
lock:
	$(MAKE) .venv-latest/.development VENV=.venv-latest LOCK=
	.venv-latest/bin/python tools/dependencies.py lock > requirements.lock

# Known vulnerabilities of the locked versions: asked for by pip-audit, or read from ADVISORIES=all.zip (osv.dev).
ifdef ADVISORIES
audit: $(VENV)/.development
	$(BIN)/python tools/dependencies.py audit $(ADVISORIES)
else
audit:
	$(MAKE) .venv-audit/bin/python VENV=.venv-audit
	.venv-audit/bin/python -m pip install 'pip-audit>=2.9,<3'
	.venv-audit/bin/python -m pip_audit --no-deps --disable-pip --requirement requirements.lock
endif

lint: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

# What was never tried before: mutated image files for SECONDS or up to COUNT, those that fail kept in runs/soak; edited
# model folders; every fault of a Hub on every pull and push; and stops at random moments: each takes some minutes.
soak: $(VENV)/.development
	$(BIN)/python benchmarks/soak.py --keep runs/soak --seed $(or $(SEED),$(shell date +%s)) \
		$(if $(COUNT),--count $(COUNT),--seconds $(SECONDS))
	$(BIN)/python benchmarks/model_folders.py --each 100 --first $(or $(SEED),$(shell date +%s))
	$(BIN)/python benchmarks/hub_faults.py --limit 1
	$(BIN)/python benchmarks/stops.py --seed $(or $(SEED),$(shell date +%s))

# Speed against peers in one run, under 25 minutes on two cores, into benchmarks/RESULTS.md. MODEL=ID|DIR answers instead of
# random weights; KERAS=PYTHON adds the notebook in Keras; DEVICE=cuda; `make demo SERVE=0` before it adds the demo.
bench: $(VENV)/.runtime
	$(BIN)/python benchmarks/bench.py --out benchmarks --device $(DEVICE) $(if $(MODEL),--model $(MODEL)) \
		$(if $(KERAS),--keras $(KERAS))

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
$(VENV)/.runtime: requirements.txt pyproject.toml $(LOCK) | $(VENV)/bin/python
	$(PIP_INSTALL) -e .
	touch $@

$(VENV)/.development: requirements-dev.txt $(VENV)/.runtime
	$(PIP_INSTALL) -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) .venv-latest .venv-oldest .venv-audit build *.egg-info runs/demo .pytest_cache .ruff_cache .import_linter_cache .mypy_cache
