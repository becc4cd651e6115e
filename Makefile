# The README's commands. All make their own environment in .venv.
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
# One worker per core; each file stays in one worker, and the longest files start first.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-fast lint slurm

demo: .venv/installed
	@echo "Demo: simulated patients, about 11 minutes on two cores, no GPU. Ctrl-C is safe: 'make demo' resumes."
	PYTHONPATH=workflow/plugins $(BIN)/snakemake --logger progress --cores $(CORES)
	$(BIN)/python -m benchmarks verify results/manifest/phantom.json
	$(BIN)/python -m benchmarks bands results/tables/phantom/scores.csv; verdict=$$?; $(BIN)/python -m workflow show; exit $$verdict

test: .venv/installed
	$(PYTEST)

test-fast: .venv/installed
	$(PYTEST) -m "not slow"

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check

# Debian or Ubuntu, as root: it installs SLURM, and starts a cluster of this one machine.
slurm: .venv/installed
	command -v slurmctld && command -v munged || { apt-get update -qq && apt-get install -qq --yes --no-install-recommends slurm-wlm munge; }
	$(BIN)/python -m pytest tests/test_slurm.py

.venv/installed: requirements.txt
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit("Python 3.11 or newer is needed, this is %d.%d; run make PYTHON=/path/to/python3.11" % v)'
	$(PYTHON) -m venv .venv
	@echo "Installing into .venv, once: about 2 GB."
	$(BIN)/python -m pip install --requirement requirements.txt
	touch $@
