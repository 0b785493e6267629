# A bare machine needs python3 (3.11-3.13) with venv, and make: everything else comes from the
# lock files, into this checkout.
PYTHON ?= python3
PORT ?= 8000
MINUTES ?= 30
BIN := .venv/bin
PIP := $(BIN)/pip --quiet --disable-pip-version-check install --require-hashes
# Node comes from PyPI too, and npm takes exactly what the page's own lock file says.
PAGE := src/adapters/http/dashboard
PAGE_SOURCES := $(shell find $(PAGE) \( -name node_modules -o -name dist \) -prune -o -type f -print)
NPM := PATH="$(CURDIR)/$(BIN):$$PATH" npm --prefix $(PAGE)
# A file is one process' whole, since the blocks of a page build on each other; the order of the
# files is that of tests/longest_first.py.
WORKERS := --numprocesses auto --dist loadfile --no-loadscope-reorder
FAULTS := tests/integration/faults
SOURCES := $(shell find src \( -name __pycache__ -o -path $(PAGE) \) -prune -o -type d -print)

# What Python compiled is kept, for the hundreds of processes that load the same.
unexport PYTHONDONTWRITEBYTECODE
# A wheel of the same sources is the same wheel: nothing in it is of the time of its making, or of
# the rights that a checkout gave its files.
export SOURCE_DATE_EPOCH := $(shell git log -1 --format=%ct 2>/dev/null || echo 315532800)
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-strip-extras --no-emit-index-url --no-header
FROM ?= .
BUILD = chmod -R u=rwX,go=rX $(FROM)/src $(FROM)/LICENSE && umask 022 && cd $(FROM) && \
    $(CURDIR)/$(BIN)/python -m build --no-isolation
SUPPLY := .venv/supply/bin
SHIPPED := .venv/shipped
# Parts of the names of licences that ask no more of who runs the server than to keep their texts.
LICENCES := MIT;BSD;Apache;PSF;MPL 2.0

.DEFAULT_GOAL := help
.PHONY: help serve page test faults coverage lint format types imports screenshots bench chaos soak wheel shipped audit lock build clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

serve: .venv/run.stamp ## start the server on 127.0.0.1:8000, with a store here and a token
	@$(MAKE) --quiet page || echo "page     not built, see above: the plain one is served"
	@exec $(BIN)/opsboard serve --port $(PORT) --generate-token

page: $(PAGE)/dist/index.html ## build the dashboard

test: .venv/dev.stamp page ## run the tests, with a fourth of the tries; those of faults apart
	$(NPM) test
	TRIES=few $(BIN)/pytest --quiet $(WORKERS) --ignore $(FAULTS)

faults: .venv/dev.stamp ## kill it, fill its disk, flip its bits, and look what it still says
	$(BIN)/pytest --quiet $(WORKERS) $(FAULTS)

coverage: .venv/dev.stamp page ## run every test and try, faults too; domain and application covered by branches to 95 %
	TRIES=all $(BIN)/pytest --quiet $(WORKERS) --cov --cov-report=term

lint: .venv/dev.stamp ## look for faults and for unformatted code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/dev.stamp ## mend what can be mended
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: .venv/dev.stamp $(PAGE)/node_modules/.package-lock.json ## check the types
	$(BIN)/mypy
	$(NPM) run types

imports: .venv/dev.stamp ## check that dependencies point inward
	$(BIN)/lint-imports

screenshots: .venv/dev.stamp page ## photograph every view of the dashboard into docs/images/
	$(BIN)/python -m tests.integration.browser.screenshots docs/images

bench: .venv/dev.stamp ## measure against peers, ratios in one run
	$(BIN)/python -m benchmarks

build: .venv/dev.stamp page ## make the wheel and the source distribution in dist/
	rm -rf dist
	$(BUILD)

chaos: .venv/dev.stamp ## run the long tests of faults and load; CHAOS_...=N sets their lengths
	$(BIN)/pytest --quiet --timeout 0 -m chaos tests

soak: .venv/dev.stamp ## serve a mixed load for 30 minutes (MINUTES=N); fails where something grows
	$(BIN)/python -m benchmarks.soak --minutes $(MINUTES)

wheel: .venv/dev.stamp page ## make the wheel alone, of the sources in FROM
	$(BUILD) --wheel > /dev/null

shipped: build .venv/supply.stamp ## install the wheel alone, check its licences, list its parts in dist/
	rm -rf $(SHIPPED)
	$(PYTHON) -m venv $(SHIPPED)
	$(SHIPPED)/bin/pip --quiet --disable-pip-version-check install --require-hashes \
	    --requirement requirements.txt
	$(SHIPPED)/bin/pip --quiet --disable-pip-version-check install --no-deps dist/*.whl
	$(SUPPLY)/pip-licenses --python $(SHIPPED)/bin/python --partial-match \
	    --allow-only "$(LICENCES)" > $(SHIPPED)/licences.txt
	$(SUPPLY)/cyclonedx-py environment $(SHIPPED)/bin/python --pyproject pyproject.toml \
	    --output-reproducible --output-file $$(echo dist/*.whl | sed 's/-py3.*/.cdx.json/')

audit: .venv/supply.stamp .venv/node.stamp ## look for known vulnerabilities in what is shipped (asks PyPI and npm)
	$(SUPPLY)/pip-audit --strict --disable-pip --require-hashes --requirement requirements.txt
	$(NPM) audit

lock: .venv/dev.stamp ## take the newest versions that pyproject.toml allows
	$(LOCK) --upgrade pyproject.toml -o requirements.txt
	$(LOCK) --upgrade -c requirements.txt pyproject.toml --group dev -o requirements.dev.txt
	$(LOCK) -c requirements.dev.txt --group pyproject.toml:web -o requirements.web.txt
	$(LOCK) --upgrade --group pyproject.toml:supply -o requirements.supply.txt
	grep -A2 '^setuptools==' requirements.dev.txt > requirements.bootstrap.txt

clean: ## remove everything that was made here, but no store
	rm -rf $(PAGE)/node_modules $(PAGE)/dist
	rm -rf .venv build dist *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis

.venv/bootstrap.stamp: requirements.bootstrap.txt
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "opsboard needs Python 3.11 to 3.13: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(PIP) --requirement requirements.bootstrap.txt
	@touch $@

.venv/run.stamp: .venv/bootstrap.stamp requirements.txt pyproject.toml setup.py $(SOURCES)
	$(PIP) --requirement requirements.txt
	$(BIN)/pip --quiet --disable-pip-version-check install --no-deps --no-build-isolation \
	    --config-settings editable_mode=strict --editable .
	@touch $@

.venv/dev.stamp: .venv/run.stamp requirements.dev.txt
	$(PIP) --requirement requirements.dev.txt
	@touch $@

.venv/supply.stamp: .venv/bootstrap.stamp requirements.supply.txt
	$(PYTHON) -m venv .venv/supply
	$(SUPPLY)/pip --quiet --disable-pip-version-check install --require-hashes \
	    --requirement requirements.supply.txt
	@touch $@

.venv/node.stamp: .venv/bootstrap.stamp requirements.web.txt
	$(PIP) --requirement requirements.web.txt
	@touch $@

$(PAGE)/node_modules/.package-lock.json: .venv/node.stamp $(PAGE)/package.json $(PAGE)/package-lock.json
	$(NPM) ci --loglevel error
	@touch $@

$(PAGE)/dist/index.html: $(PAGE)/node_modules/.package-lock.json $(PAGE_SOURCES)
	$(NPM) run build --loglevel error -- --logLevel warn
