# make demo · make test · make lab: each makes .venv once (again only when settings.ini, setup.py, pyproject.toml
# or constraints.txt changed). PYTHON=/path/to/python3.12 chooses another Python; ARGS='--seed 1' is handed to
# `hysp demo` and to pytest.
PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check install --quiet --constraint constraints.txt --editable
METADATA := settings.ini setup.py pyproject.toml constraints.txt
SHELL := /bin/bash
MERGE := if [ -x $(BIN)/nbdev_merge ]; then $(BIN)/nbdev_merge %O %A %B %P; else git merge-file %A %O %B; fi

.PHONY: demo test lab merge-driver docs export readme pictures in-sync lint notebooks pytest bench bench-check fuzz smoke \
	audit clean

demo: .venv/.installed
	$(BIN)/hysp demo $(ARGS)

test: in-sync lint notebooks pytest

lab: .venv/.installed-dev merge-driver
	$(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) nbs --LabApp.default_url=/lab/tree/tutorials $(ARGS)

# Tells git, in this clone alone, to merge notebooks cell by cell (.gitattributes names the driver). Without git or
# outside a clone nothing happens. nbdev_install_hooks would write to ~/.jupyter too, so it is not used.
merge-driver:
	@git config --local merge.nbdev-merge.name 'notebooks cell by cell' 2>/dev/null && \
	git config --local merge.nbdev-merge.driver '$(MERGE)' || true

# All notebooks, run, with pictures and formulas, as pages that need no network: _docs/index.html
docs: .venv/.installed-dev
	$(BIN)/python tools/docs.py $(ARGS)

# After an edit: strip the notebooks and write the package and README.md from them
export: .venv/.installed-dev
	PATH="$(CURDIR)/$(BIN):$$PATH"; nbdev_clean && ruff format --quiet && nbdev_export && python tools/readme.py

# README.md alone, from nbs/index.ipynb
readme: .venv/.python
	$(BIN)/python tools/readme.py

# Its picture of the disk, from the run of `make demo` or from another: make pictures RUN=runs/uiprmd
pictures: .venv/.installed-dev
	$(BIN)/python tools/pictures.py $(RUN)

# The same in a copy, which then must equal what is here: true in a fresh clone and with uncommitted work alike
in-sync: .venv/.installed-dev
	@echo 'Notebooks clean, package and README.md in sync'
	@copy=$$(mktemp -d) && trap 'rm -rf "$$copy"' EXIT && PATH="$(CURDIR)/$(BIN):$$PATH" && \
	cp -R settings.ini nbs hysp tools "$$copy" && \
	(cd "$$copy" && nbdev_clean && nbdev_export && python tools/readme.py) && \
	for made in nbs hysp README.md; do \
		diff -ru -x __pycache__ -x .ipynb_checkpoints -x .virtual_documents $$made "$$copy/$$made" || bad=1; \
	done && \
	if [ "$$bad" ]; then \
		echo 'The lines above differ (-: as it is, +: as it should be). `make export` mends that.' >&2; exit 1; \
	fi

# ruff reads Python, biome JavaScript: its form file by file, its names in what a browser gets, the files one after another
BIOME := npx --yes @biomejs/biome@2.6.8
lint: .venv/.installed-dev
	$(BIN)/ruff format --check --quiet && $(BIN)/ruff check
	@if ! $(BIOME) --version >/dev/null 2>&1; then \
	echo 'JavaScript was passed over: biome needs node (apt install npm) and, the first time, a network'; exit 0; fi; \
	whole=$$(mktemp -d) && trap 'rm -rf "$$whole"' EXIT && \
	$(BIN)/python tools/scripts.py "$$whole" && cd hysp/assets && \
	$(BIOME) format *.js *.css ../../tools/site/*.js && $(BIOME) lint --config-path=../.. "$$whole"

notebooks: .venv/.installed-dev
	PATH="$(CURDIR)/$(BIN):$$PATH" OMP_NUM_THREADS=1 nbdev_test --n_workers 2

# On all cores, each file of tests in one process; the slowest tests are named at the end. ARGS='-n 0' runs one by one
pytest: .venv/.installed-dev
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadgroup --durations 20 $(ARGS)

# Every stage beside its plain way, into bench/table.csv and bench/table.md; with ARGS='--full --threads 2' in the
# sizes of the paper (4 minutes on two quiet cores)
bench: .venv/.installed
	$(BIN)/python bench/speed.py $(ARGS)

# The same in small, compared with the table that is kept: fails where a stage has lost its lead
bench-check: .venv/.installed
	$(BIN)/python bench/speed.py --check $(ARGS)

# Spoilt files through all readers and through what reads hysp's own files: ARGS='--seconds 60', or names of readers
# and --files 100000. Exit code 1 and the files where one breaks
fuzz: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python bench/fuzz.py $(ARGS)

# `hysp demo` in small, into a folder that is removed: does what was installed work together? PROGRAM names another one
PROGRAM ?= $(BIN)/hysp
smoke: $(if $(filter $(BIN)/hysp,$(PROGRAM)),.venv/.installed)
	@place=$$(mktemp -d) && trap 'rm -rf "$$place"' EXIT && set -e && \
	$(PROGRAM) synth --n 48 --classes 3 --subjects 4 --frames 8 --out "$$place/set" && \
	$(PROGRAM) demo --data "$$place/set" --steps 20 --out "$$place/demo" && \
	$(PROGRAM) info "$$place/demo/run" && test -s "$$place/demo/index.html" && echo 'smoke: it works'

# Licence and date of each package that is installed for hysp; ARGS='torch numpy' asks about these alone
audit: .venv/.installed
	$(BIN)/python tools/audit.py $(ARGS)

clean:
	rm -rf .venv build hysp.egg-info

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	{ found=$$($(PYTHON) --version 2>/dev/null || echo not there); \
	echo "hysp needs Python 3.11 or newer, and $(PYTHON) is $$found; name one: make PYTHON=/path/to/python3.12" >&2; \
	exit 1; }
	@$(PYTHON) -m venv .venv || \
	{ rm -rf .venv; echo 'no venv could be made; on Debian and Ubuntu: apt install python3-venv' >&2; exit 1; }
	@touch $@

.venv/.installed: $(METADATA) | .venv/.python
	@echo 'Installing hysp into .venv (once; a few minutes the first time)'
	@$(PIP) .
	@touch $@

.venv/.installed-dev: $(METADATA) | .venv/.python
	@echo 'Installing hysp and its development tools into .venv (once; a few minutes the first time)'
	@$(PIP) '.[dev]'
	@touch .venv/.installed $@
