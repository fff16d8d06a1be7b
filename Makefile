# Everything here needs python3 (3.10 or newer) with venv, and nothing else.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
OSV := api.osv.dev
BANDIT := $(BIN)/bandit --quiet --configfile pyproject.toml --recursive covidnet train.py evaluate.py predict.py

.PHONY: help install demo test oldest lint security clean

help:  ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

install: $(STAMP)  ## make .venv and install covidnet into it

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 10) else "covidnet needs Python 3.10 or newer, this is " + sys.version.split()[0] + "; give another one with make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

demo: $(STAMP)  ## draw phantoms, train on them for a minute, show where the results are
	$(BIN)/python train.py experiment=demo

test: $(STAMP)  ## run the tests, in two processes of one thread each
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

oldest:  ## run the tests with the oldest versions that pyproject.toml admits, in an environment of their own
	$(PYTHON) -m venv .oldest
	.oldest/bin/python -m pip install --quiet --disable-pip-version-check uv
	.oldest/bin/uv pip install --quiet --python .oldest/bin/python --resolution lowest-direct -e '.[dev]'
	OMP_NUM_THREADS=1 .oldest/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: $(STAMP)  ## ruff, mypy and bandit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BANDIT)

security: $(STAMP)  ## bandit, and what is known of the installed packages (asks api.osv.dev)
	$(BANDIT)
	@if $(BIN)/python -c 'import socket; socket.create_connection(("$(OSV)", 443), 5)' 2>/dev/null; then \
	  $(BIN)/pip-audit --skip-editable --progress-spinner off --vulnerability-service osv; \
	else echo "$(OSV) cannot be reached from here: the installed packages were NOT looked up"; fi

clean:  ## remove what the tools made, not outputs/
	rm -rf .venv .oldest .mypy_cache .ruff_cache .pytest_cache covidnet.egg-info
