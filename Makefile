# Two commands for a new machine with Python 3.11 or later: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NPM := build/peers/.ready
LOWEST := $(CURDIR)/build/mcp-lowest

.PHONY: demo test crash cluster lowest peers screenshots lint bench bench-scale bench-nodes fuzz clean

demo: $(READY)
	$(BIN)/forefetch demo

# Most tests wait more than they compute: two at a time need half of the time, also where crash and storm are.
test: $(READY)
	$(BIN)/pytest --numprocesses 2 --dist worksteal -m "not peers"

# Part of make test; prints its figures. FOREFETCH_CRASH_KILLS (200) scales it, FOREFETCH_CRASH_SEED repeats it.
crash: $(READY)
	$(BIN)/pytest tests/crash

# A long storm: three engines on one PostgreSQL, which are killed and frozen so many times (make test has eight);
# prints its figures. FOREFETCH_CLUSTER_SEED repeats it.
FOREFETCH_CLUSTER_EVENTS ?= 70
cluster: $(READY)
	FOREFETCH_CLUSTER_EVENTS=$(FOREFETCH_CLUSTER_EVENTS) $(BIN)/pytest tests/cluster

# Those tests of the MCP server in which the SDK has a part, with the lowest that pyproject.toml allows; make test
# has the highest. It is put before that of .venv on the path, for the tests and the servers that they start.
OF_SDK := $(foreach it,http queries result retrieve sdk server stdio tasks threads,tests/mcp/test_$(it).py)
lowest: $(LOWEST)/.ready
	PYTHONPATH=$(LOWEST) FOREFETCH_MCP_LOWEST=1 $(BIN)/pytest -m "not peers" $(OF_SDK)

$(LOWEST)/.ready: $(READY)
	rm -rf $(LOWEST)
	$(BIN)/pip install --quiet --disable-pip-version-check --target $(LOWEST) "$$($(BIN)/python -m tests.mcp.sdk)"
	touch $@

# Needs Orthanc, DCMTK, Node.js and Chromium: apt-get install orthanc dcmtk nodejs npm chromium
peers: $(READY) $(NPM)
	$(BIN)/pytest -m peers tests/peers

# The pictures of docs/images, taken anew
screenshots: $(READY) $(NPM)
	FOREFETCH_SCREENSHOTS=1 $(BIN)/pytest -m peers tests/peers/test_page_looks.py -k pictures

# Medplum's HL7 sender and receiver, and the rules of axe
$(NPM): tests/peers/package.json
	mkdir -p $(@D)
	cp $< $(@D)
	npm install --prefix $(@D) --no-package-lock --no-audit --no-fund --loglevel error
	touch $@

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The same with a journal of a million messages: some minutes, and some GB where temporary files are.
bench-scale: $(READY)
	$(BIN)/python -m tests.bench.bench_scale

# Several engines on one PostgreSQL beside one on SQLite, and what a message costs it: ten minutes.
bench-nodes: $(READY)
	$(BIN)/python -m tests.bench.bench_nodes

bench: $(READY)
	$(BIN)/python -m tests.bench.bench_routing
	$(BIN)/python -m tests.bench.bench_store
	$(BIN)/python -m tests.bench.bench_start
	$(BIN)/python -m tests.bench.bench_intake
	$(BIN)/python -m tests.bench.bench_retrieve
	$(BIN)/python -m tests.bench.bench_tasks
	$(BIN)/python -m tests.bench.bench_mcp_moves

# Each target for FUZZ_SECONDS; atheris has wheels for Linux, and for no Python newer than it knows.
FUZZ_SECONDS ?= 30
fuzz: $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev,fuzz]"
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/python -m tests.fuzz

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Forefetch needs Python 3.11 or later: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
