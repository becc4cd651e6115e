# The README's two commands. Both make their own environment in .venv.
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin

.PHONY: demo test

demo: .venv/installed
	$(BIN)/snakemake --cores $(CORES)
	$(BIN)/snakemake --report results/report.html
	$(BIN)/python -m workflow show
	$(BIN)/python -m benchmarks verify results/manifest/phantom.json

test: .venv/installed
	$(BIN)/python -m pytest

.venv/installed: requirements.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is %d.%d; say make PYTHON=/path/to/python3.11" % v)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@
