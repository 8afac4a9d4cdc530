# Both main targets need nothing but Python (3.11 or newer), pip and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# One process per core; a file of tests stays in one process, which makes its models and recordings once.
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist loadfile --no-loadscope-reorder

.PHONY: demo test test-slow test-all install lint docs gallery bench clean help

demo: $(VENV)/.demo ## install, and run the main job on the embedded data set
	$(BIN)/ictal ablate sim --recipe quick --out runs/demo

test: $(VENV)/.dev ## install, and run the tests (a few minutes)
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.dev ## the slow tests alone
	$(PYTEST) -m slow

test-all: export HYPOTHESIS_PROFILE = thorough
test-all: test test-slow ## all tests, with more examples per property

install: $(VENV)/.dev ## everything for development, into .venv

lint: $(VENV)/.dev ## style, types and import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/.docs ## build the manual into site/; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: $(VENV)/.bench ## ictal beside Keras, MNE-Python and braindecode; how cost grows; how close to the machine
	$(BIN)/python benchmarks/side_by_side.py $(BENCH)
	$(BIN)/python benchmarks/growth.py $(BENCH)
	$(BIN)/python benchmarks/limits.py $(BENCH)

gallery: $(VENV)/.demo ## draw docs/gallery/: real and simulated EEG side by side
	$(BIN)/python docs/gallery.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch, torchvision and timm are left to pip together: only so do their versions fit.
$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable .
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable ".[dev]"
	touch $@ $(VENV)/.demo

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable ".[docs]"
	touch $@ $(VENV)/.demo

$(VENV)/.bench: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --editable ".[bench]"
	touch $@ $(VENV)/.demo

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

clean:
	rm -rf $(VENV) dist build runs site
