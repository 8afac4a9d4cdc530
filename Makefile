# Both main targets need nothing but Python (3.11 or newer), pip and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
NODE_MODULES := node_modules/.package-lock.json
# One process per core; a file of tests stays in one process, which makes its models and recordings once.
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-slow test-all install lint lint-js docs gallery bench clean help

demo: $(VENV)/.demo ## install, and run the main job on the embedded data set
	$(BIN)/ictal ablate sim --recipe quick --out runs/demo

test: $(VENV)/.dev ## install, and run the tests (a few minutes)
	$(PYTEST) -m "not slow and not exhaustive"

test-slow: $(VENV)/.dev ## the slow tests that .ci/run also runs
	$(PYTEST) -m slow

test-all: export HYPOTHESIS_PROFILE = thorough
test-all: $(VENV)/.dev ## all tests, also the exhaustive ones, with more examples per property
	$(PYTEST)

install: $(VENV)/.dev ## everything for development, into .venv

lint: $(VENV)/.dev lint-js ## style, types, import contracts and the Dockerfile
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

lint-js: ## types and style of the viewer's JavaScript; skipped without npm, except in CI
	@if command -v npm >/dev/null; then $(MAKE) --silent $(NODE_MODULES) && npm run --silent lint; \
	elif [ -n "$$CI" ]; then echo "lint-js: npm is missing; it comes with node, https://nodejs.org" >&2; exit 1; \
	else echo "lint-js: skipped, the viewer's JavaScript was not checked: npm is missing"; fi

docs: $(VENV)/.docs ## build the manual into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: $(VENV)/.bench ## ictal beside Keras, MNE-Python and braindecode; how long a person waits; how cost grows; how close to the machine
	$(BIN)/python benchmarks/side_by_side.py $(BENCH)
	$(BIN)/python benchmarks/waits.py $(BENCH)
	$(BIN)/python benchmarks/growth.py $(BENCH)
	$(BIN)/python benchmarks/limits.py $(BENCH)

gallery: $(VENV)/.demo ## draw docs/gallery/: real and simulated EEG side by side
	$(BIN)/python docs/gallery.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch, torchvision and timm are left to pip together: only so do their versions fit.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable ".[train]"
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@ $(VENV)/.demo

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable ".[docs]"
	touch $@

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable ".[bench]"
	touch $@ $(VENV)/.demo

$(NODE_MODULES): package.json package-lock.json
	npm ci --silent
	touch $@

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

clean:
	rm -rf $(VENV) node_modules dist build runs site
