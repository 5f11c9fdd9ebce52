# The two commands of a fresh machine: `make report` and `make test`. They need Python 3.11+ alone.
PYTHON ?= python3
VENV := .venv
RUN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev

.PHONY: report test lint sync unlock conda help
.DEFAULT_GOAL := help

help:
	@echo "make report   run the whole pipeline and print where the report is"
	@echo "make test     run all tests"
	@echo "make lint     style, types, import contracts"
	@echo "make sync     after 'dvc pull' or 'dvc checkout': accept the files as up to date"
	@echo "make unlock   after a kill: let go of the locks that it left"
	@echo "make conda    the same as 'make report' in conda environments"

report: $(STAMP)
	@$(RUN) snakemake --cores all
	@echo "report: $(CURDIR)/results/report/index.html"

test: $(DEV_STAMP)
	@$(RUN) python -m pytest -n auto --dist worksteal

lint: $(DEV_STAMP)
	@$(RUN) ruff format --check . && $(RUN) ruff check . && $(RUN) mypy
	@$(RUN) lint-imports && $(RUN) snakefmt --check Snakefile workflow/rules

sync: $(STAMP)
	@$(RUN) dvc status -q || { echo "make sync: files differ from dvc.lock; run 'dvc checkout' or 'dvc repro'" >&2; exit 1; }
	@$(RUN) snakemake --touch --forceall --cores 1 -- all $(shell sed -n 's/^rule \(stage_[a-z]*\):/\1/p' workflow/rules/stages.smk) > /dev/null

unlock: $(STAMP)
	@$(RUN) snakemake --unlock --cores 1

conda: $(STAMP)
	@command -v conda > /dev/null || { echo "make conda: no conda on PATH; install Miniforge, or use 'make report', which needs Python alone" >&2; exit 1; }
	@$(RUN) snakemake --cores all --use-conda
	@echo "report: $(CURDIR)/results/report/index.html"

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $(PYTHON) is older than 3.11; name another with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "installing into $(VENV) (a few minutes, once)"
	@$(VENV)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(DEV_STAMP): $(STAMP)
	@$(VENV)/bin/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
