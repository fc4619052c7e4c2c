# make run | test | check | bench: each sets up what it needs and is safe to run twice.
.DEFAULT_GOAL := help
.PHONY: help run test check format bench setup setup-dev tools sbom audit clean

PY := .venv/bin/python
PORT ?= 8000
JOBS ?= 2
# Nothing of an activated environment or of the user's Python settings leaks in.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
export PYTHONDONTWRITEBYTECODE ?=

help:
	@echo "make run     set everything up and serve the demo on http://localhost:8000 (PORT=… changes it)"
	@echo "make test    set everything up, check, and run every test (JOBS=… processes, 2 by default)"
	@echo "make check   lint, types, import contracts, templates, catalogues"
	@echo "make bench   print speed ratios of one run, and how many QR codes are read"
	@echo "make sbom    write sbom.json (CycloneDX) from uv.lock"
	@echo "make audit   ask OSV about everything in uv.lock; fails when it cannot"
	@echo "make clean   remove the virtual environment and the demo instance"

setup:
	@python3 scripts/bootstrap.py

setup-dev:
	@python3 scripts/bootstrap.py --dev

tools:
	@sh scripts/test-tools.sh

run: setup
	@PORT=$(PORT) sh scripts/run.sh

check: setup-dev
	$(PY) -m ruff format --check --quiet .
	$(PY) -m ruff check --quiet .
	$(PY) -m mypy
	.venv/bin/lint-imports --no-cache
	$(PY) -m djlint --quiet --lint portal/templates
	.venv/bin/uv lock --check --quiet --offline || .venv/bin/uv lock --check --quiet

format: setup-dev
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

# A file runs in one process, so that what its tests share is made once. In the order of names, because that
# is longest first: files with browsers and servers, then the portal's, then the many quick ones of the verifier.
test: tools check
	$(PY) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

bench: setup-dev tools
	$(PY) -m bench

sbom: setup
	.venv/bin/uv export --quiet --frozen --no-dev --format cyclonedx1.5 --output-file sbom.json

audit: setup
	.venv/bin/uv audit --frozen

clean:
	rm -rf .venv instance
