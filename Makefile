# The README's two commands. Both make their own environment in .venv.
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin

.PHONY: demo test slurm

demo: .venv/installed
	$(BIN)/snakemake --cores $(CORES)
	$(BIN)/snakemake --report results/report.html
	$(BIN)/python -m workflow show
	$(BIN)/python -m benchmarks verify results/manifest/phantom.json

test: .venv/installed
	$(BIN)/python -m pytest

# Debian or Ubuntu, as root: it installs SLURM, and starts a cluster of this one machine.
slurm: .venv/installed
	command -v slurmctld && command -v munged || { apt-get update -qq && apt-get install -qq --yes --no-install-recommends slurm-wlm munge; }
	$(BIN)/python -m pytest tests/test_slurm.py

.venv/installed: requirements.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is %d.%d; say make PYTHON=/path/to/python3.11" % v)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@
