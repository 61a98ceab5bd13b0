# make demo and make test need nothing but Python 3.11 with venv (and, for the tests' containers,
# Docker, Podman, or root on a Debian-like machine; see docs/testing.md).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
export PIP_CONSTRAINT := $(CURDIR)/requirements/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test check bench bench-all bench-docs fuzz stack stack-down clean

help:
	@echo 'make demo        the main job on a directory in a file: no server, nothing to configure'
	@echo 'make test        everything, against real servers in containers (ARGS="-k words" for less)'
	@echo 'make check       linter, formatter, types, order of the rooms'
	@echo 'make bench       every figure a ratio against the C tool; bench-all adds the large ones and'
	@echo '                 389, bench-docs puts what was measured into docs/speed.md'
	@echo 'make fuzz        the property tests, for long'
	@echo 'make stack       the whole mail scenario in containers, to look around in; stack-down ends it'
	@echo 'make clean       removes what these have made'

$(BIN)/python:
	@$(PYTHON) -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: $(PYTHON) is not Python 3.11 or later with venv: name one with PYTHON=…" >&2; \
	  echo "      (on Debian and Ubuntu: apt-get install python3-venv)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: $(BIN)/python pyproject.toml requirements/constraints.txt
	$(BIN)/python -m pip install -q -e .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install -q -e '.[dev]'
	@touch $@

# Shows a command, then runs it in build/demo.
show = @printf '\n$$ %s\n' '$(1)'; cd build/demo && PATH="$(CURDIR)/$(BIN):$$PATH" $(1)

demo: $(VENV)/installed
	@rm -rf build/demo && mkdir -p build/demo
	$(call show,mailldap init --example)
	$(call show,mailldap recipient list)
	$(call show,mailldap resolve sample.user@example.com sample_user@example.com \
	  sampleuser@example.com sample@example.com john.smith@example.com)
	$(call show,mailldap alias add john.smith js@example.com)
	$(call show,mailldap resolve --trace js@example.com)
	$(call show,mailldap postfix generate aliases)
	@printf '\nLook around: cd build/demo && ../../$(BIN)/mailldap --help\n'

test: $(VENV)/installed-dev
	docker/engine build >/dev/null || { test -z "$$CI" && echo "make: going on without containers" >&2; }
	@mkdir -p build
	$(BIN)/python -m pytest --junitxml=build/junit.xml $(ARGS)

check: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py

bench: $(VENV)/installed-dev
	$(BIN)/python bench/run.py $(ARGS)

bench-all: $(VENV)/installed-dev
	$(BIN)/python bench/run.py --all $(ARGS)

bench-docs: $(VENV)/installed-dev
	$(BIN)/python bench/run.py --docs

fuzz: $(VENV)/installed-dev
	$(BIN)/python -m pytest --hypothesis-profile=fuzz -m "hypothesis and not container" $(ARGS)

stack: $(VENV)/installed
	$(BIN)/python -m tests.scenario.stack up

stack-down: $(VENV)/installed
	$(BIN)/python -m tests.scenario.stack down

clean:
	docker/engine clean
	rm -rf build dist $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
