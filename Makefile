# Both main targets need nothing but Python (3.11 or newer), pip and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test test-all install lint gallery clean

demo: $(VENV)/.demo ## install, and run the main job on the embedded data set
	$(BIN)/ictal ablate sim --recipe quick --out runs/demo

test: $(VENV)/.dev ## install, and run the tests
	$(BIN)/python -m pytest -m "not slow"

test-all: $(VENV)/.dev ## all tests, also the slow ones
	$(BIN)/python -m pytest

install: $(VENV)/.dev

lint: $(VENV)/.dev ## style, types and import contracts
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

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

clean:
	rm -rf $(VENV) dist build runs
