# Each target does its own set-up: Python 3.11 or newer, pip and make are all that a machine needs.

is_new = $(shell $(1) -c 'import sys; print("yes" if sys.version_info >= (3, 11) else "")' 2>/dev/null)
PYTHON ?= $(or $(if $(call is_new,python3.11),python3.11),$(if $(call is_new,python3),python3))

BIN := .venv/bin
READY := .venv/.ready
PROCESSES ?= 2
TESTS := $(BIN)/python -m pytest -m "not slow" --numprocesses $(PROCESSES) --dist loadfile
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

.PHONY: help setup demo test check format policy bench zoo wheel clean

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile | expand -t 16

setup: $(READY) ## an environment in .venv with the tested versions

demo: $(READY) ## a small job on generated pictures; prints where its page is
	$(BIN)/counterfactory demo

test: $(READY) ## the fast tests; ARGS="-k store" chooses among them, PROCESSES=4 has them done sooner
	$(TESTS) $(ARGS)

check: $(READY) ## format, lint, types, tests and policy: what a change must pass
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(TESTS) $(ARGS)

format: $(READY) ## put the code in its one form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

policy: $(READY) ## only the rules of the house: layers, budgets, names, docs
	$(BIN)/python -m pytest tests/test_policy_*.py

bench: $(READY) ## list the benchmarks, or run one: make bench NAME=...
ifdef NAME
	$(BIN)/python benchmarks/$(NAME).py $(ARGS)
else
	@for file in benchmarks/*.py; do echo "  make bench NAME=$$(basename $$file .py)"; done
endif

zoo: $(READY) ## the small models, trained from nothing and packed: make zoo MINUTES=600
	$(BIN)/python -m counterfactory.zoo.rebuild --minutes $(or $(MINUTES),600) $(ARGS)

wheel: $(READY) ## the package, in dist/
	$(BIN)/python -m build --wheel --no-isolation

clean: ## what was made from the sources; your runs stay
	rm -rf .venv dist build .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# torch comes first and alone: it is the largest part, and what was fetched stays when something after it fails.
$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed and none was found: install it, or give make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -n "$(if $(PYTHON),$(call is_new,$(PYTHON)))" || { echo "$(PYTHON) is not Python 3.11 or newer: give make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "Setting up .venv with $(PYTHON): some minutes the first time."
	@$(PYTHON) -m venv .venv >/dev/null || { $(PYTHON) -m venv --without-pip .venv && $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; }
	$(PIP) hatchling editables "$$(grep '^torch==' constraints.txt)"
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@
